"""Finds a VTN that is back soon, and lets what waits for it begin at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from app.fleet import VENManager
from app.openadr import Circuit
from app.scheduling import TaskScheduler

logger = logging.getLogger(__name__)
TRIES_WRITES_EVERY_S = 8.0


class Recovery:
    """While the VTN counts as down: tries it when it is time, and runs `tasks` when it is back."""

    def __init__(
        self,
        *,
        circuit: Circuit,
        writes: Circuit,
        ven_manager: VENManager,
        scheduler: TaskScheduler,
        tasks: Sequence[str],
        monotonic: Callable[[], float],
    ) -> None:
        self._circuit = circuit
        self._writes = writes
        self._ven_manager = ven_manager
        self._scheduler = scheduler
        self._tasks = tasks
        self._monotonic = monotonic
        self._outages = 0
        self._tries_writes_at_s = 0.0

    def __call__(self) -> None:
        """Look; to be called every second."""
        if self._circuit.is_due:
            self._ven_manager.try_vtn()
        outages = self._circuit.outages
        if outages != self._outages and not self._circuit.is_open:
            self._outages = outages
            logger.info("the VTN answers again")
            self._run_tasks()
        elif self._writes.is_due and self._monotonic() >= self._tries_writes_at_s:
            # Only a report can tell whether it takes reports again, if there is one to send.
            self._tries_writes_at_s = self._monotonic() + TRIES_WRITES_EVERY_S
            self._run_tasks()

    def _run_tasks(self) -> None:
        enabled = {job.name for job in self._scheduler.get_jobs() if not job.paused}
        for name in self._tasks:
            if name in enabled and not self._scheduler.get_job_info(name)["running"]:
                self._scheduler.run_now(name)
