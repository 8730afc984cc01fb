"""Finds a VTN that is back soon, and lets what waits for it begin at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from app.fleet import VENManager
from app.scheduling import TaskScheduler

logger = logging.getLogger(__name__)


class Recovery:
    """While the VTN counts as down: tries it, and runs `tasks` as soon as it answers."""

    def __init__(
        self, *, ven_manager: VENManager, scheduler: TaskScheduler, tasks: Sequence[str]
    ) -> None:
        self._ven_manager = ven_manager
        self._scheduler = scheduler
        self._tasks = tasks

    def __call__(self) -> None:
        """Look; to be called every second."""
        if not self._ven_manager.finds_vtn_back():
            return
        logger.info("the VTN answers again")
        enabled = {job.name for job in self._scheduler.get_jobs() if not job.paused}
        for name in self._tasks:
            if name in enabled and not self._scheduler.get_job_info(name)["running"]:
                self._scheduler.run_now(name)
