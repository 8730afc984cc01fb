"""Keeps the log of measurements small and in order, while the application runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from app.intake.store import Compaction, Imports
from app.intake.unknown import UnknownDevices
from app.platform import LogOnce, OperationalError, Shutdown

logger = logging.getLogger(__name__)

PAUSE_SHARE = 1.0
"""Of the time that a step took, so that others get at the database between steps."""
PRUNED_EVERY = timedelta(hours=1)
SORTED_EVERY = timedelta(minutes=10)
MANY_ROWS = 50_000
"""Are sorted sooner."""


class Upkeep:
    """Called from time to time: sorts what came into days, and removes what is too old."""

    def __init__(
        self,
        *,
        compaction: Compaction,
        imports: Imports,
        unknown: UnknownDevices,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        keep: timedelta,
        shutdown: Shutdown,
        log_once: LogOnce,
    ) -> None:
        self._log_once = log_once
        self._compaction = compaction
        self._imports = imports
        self._unknown = unknown
        self._clock = clock
        self._monotonic = monotonic
        self._keep = keep
        self._shutdown = shutdown
        self._pruned_at: datetime | None = None
        self._sorted_at: datetime | None = None

    def __call__(self) -> None:
        """All there is to do, in short transactions; ends early when the application stops."""
        problem = None
        try:
            self._look()
        except OperationalError as error:
            problem = f"measurements are not sorted and pruned: {error}"
        self._log_once.problem(logger, "upkeep of measurements", problem)

    def _look(self) -> None:
        now = self._clock()
        if _is_due(self._pruned_at, now, PRUNED_EVERY):
            self._pruned_at = now
            self._repeat(lambda: self._compaction.prune(now - self._keep))
            self._repeat(self._imports.discard_abandoned)
            self._unknown.forget_mapped()
        if self._compaction.rows_waiting > MANY_ROWS or _is_due(self._sorted_at, now, SORTED_EVERY):
            self._sorted_at = now
            newest = self._compaction.newest_seq()  # what comes meanwhile is left to the next look
            self._repeat(lambda: self._compaction.compact(newest))
            self._repeat(self._compaction.drop_told)

    def _repeat(self, step: Callable[[], bool]) -> None:
        more = True
        while more and not self._shutdown.is_set():
            began_s = self._monotonic()
            more = step()
            if more:
                self._shutdown.wait(PAUSE_SHARE * (self._monotonic() - began_s))


def _is_due(last: datetime | None, now: datetime, every: timedelta) -> bool:
    return last is None or abs(now - last) >= every
