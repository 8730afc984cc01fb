"""The time by which orders hold: the clock's, or counted from when it was trusted last."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta


class TrustedClock:
    """Aware UTC. While the clock is in doubt, time goes on by the monotonic clock.

    `is_in_doubt` may read the database. Safe for several threads.
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

    def look(self) -> bool:
        """Find out whether the clock is in doubt now."""
        in_doubt = self._is_in_doubt()
        with self._lock:
            self.in_doubt = in_doubt
            if not in_doubt:
                self._trusted = self._clock(), self._monotonic()
        return in_doubt

    def __call__(self) -> datetime:
        """What time it is."""
        with self._lock:
            if not self.in_doubt or self._trusted is None:
                return self._clock()
            then, then_s = self._trusted
            return then + timedelta(seconds=self._monotonic() - then_s)
