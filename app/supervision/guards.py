"""What watches the schedule: a clock that jumps, a task that does not end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from app.platform import LogOnce
from app.scheduling import TaskScheduler

logger = logging.getLogger(__name__)

JUMP = timedelta(seconds=1)
"""A clock that drifts or is slewed stays below."""
PERIODS = 10
"""How many of its periods a run may last."""
LATE = timedelta(seconds=10)
"""How long ago a start may have fallen due that has not happened."""


class PlansAnew(Protocol):
    """The scheduler, for who sees the clock jump."""

    def plan_anew(self, jumped: timedelta) -> None: ...


class ClockGuard:
    """Compares the clock with monotonic time, and has every task rescheduled when they differ.

    APScheduler plans by the clock: set back by an hour, it would start nothing for an hour.
    """

    def __init__(
        self,
        *,
        scheduler: PlansAnew,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._monotonic = monotonic
        self._last: tuple[datetime, float] | None = None

    def __call__(self) -> None:
        """Look; to be called every few seconds."""
        now, passed_s = self._clock(), self._monotonic()
        last, self._last = self._last, (now, passed_s)
        if last is None:
            return
        jumped = (now - last[0]) - timedelta(seconds=passed_s - last[1])
        if abs(jumped) > JUMP:
            logger.warning(
                "the clock jumped by %+.1f s; every task is rescheduled", jumped.total_seconds()
            )
            self._scheduler.plan_anew(jumped)


class OverdueTasks:
    """Finds tasks that do not end or do not start, and says once where they stand."""

    def __init__(
        self, *, scheduler: TaskScheduler, clock: Callable[[], datetime], log_once: LogOnce
    ) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._log_once = log_once

    def __call__(self) -> None:
        """Look, and log what is new; to be called every few seconds."""
        for name, for_s in self._hanging().items():
            began = self._scheduler.get_job_info(name)["last_start"]
            if self._log_once.is_new(f"task {name} has not ended since {began}"):
                self._tell(name, for_s)

    def _tell(self, name: str, for_s: float) -> None:
        words = "task %s has not ended for %.0f s, over %d of its intervals; it stands here"
        logger.handle(
            logger.makeRecord(
                logger.name,
                logging.ERROR,
                __file__,
                0,
                words,
                (name, for_s, PERIODS),
                None,
                sinfo=self._scheduler.stack(name),
            )
        )

    def reasons(self) -> list[str]:
        """Which tasks are not on time, one line each."""
        overdue = [
            f"task {name} has not ended for {for_s:.0f} s"
            for name, for_s in self._hanging().items()
        ]
        now = self._clock()
        if self._scheduler.is_running:
            overdue += [
                f"task {job.name} should have started at {job.next_start:%H:%M:%S} and has not"
                for job in self._scheduler.get_jobs()
                if job.next_start is not None and now - job.next_start > LATE
            ]
        return overdue

    def _hanging(self) -> dict[str, float]:
        now = self._clock()
        hanging = {}
        for job in self._scheduler.get_jobs():
            for_s = self._scheduler.get_job_info(job.name)["running_for_s"]
            period = job.period(now)
            if for_s is None or period is None:
                continue
            if for_s > PERIODS * period.total_seconds():
                hanging[job.name] = for_s
        return hanging
