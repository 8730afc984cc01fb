"""The time by which orders hold: the clock's, or counted from when it was trusted last."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

NOTICED_S = 1.0
"""A jump by which what is asked may be something else."""
DOUBTFUL_S = 300.0
DOUBTED_FOR_S = 120.0
"""In which the VTN is asked what time it is, several times."""


class TrustedClock:
    """Aware UTC. While the clock is in doubt, time goes on by the monotonic clock.

    It is in doubt while `is_in_doubt`, which may read the database, says so; and for two minutes
    after it has jumped, until the VTN was asked for its own. Safe for several threads.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        is_in_doubt: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._is_in_doubt = is_in_doubt
        self._lock = threading.Lock()
        self._trusted: tuple[datetime, float] | None = None
        """When it was looked at last and was right, by both clocks; None: never."""
        self.in_doubt = False
        self.jumps = 0
        """How often it was set to another time, or the machine was asleep."""
        self._seen: tuple[datetime, float] | None = None
        self._doubted_until_s = float("-inf")

    def look(self) -> bool:
        """Find out whether the clock is in doubt now."""
        in_doubt = self._is_in_doubt()
        with self._lock:
            now, now_s = self._clock(), self._monotonic()
            if self._seen is not None:
                jumped_s = (now - self._seen[0]).total_seconds() - (now_s - self._seen[1])
                self.jumps += abs(jumped_s) > NOTICED_S
                if abs(jumped_s) > DOUBTFUL_S:
                    self._doubted_until_s = now_s + DOUBTED_FOR_S
            self._seen = now, now_s
            self.in_doubt = in_doubt or now_s < self._doubted_until_s
            if not self.in_doubt:
                self._trusted = now, now_s
            return self.in_doubt

    def __call__(self) -> datetime:
        """What time it is."""
        with self._lock:
            if not self.in_doubt or self._trusted is None:
                return self._clock()
            then, then_s = self._trusted
            return then + timedelta(seconds=self._monotonic() - then_s)
