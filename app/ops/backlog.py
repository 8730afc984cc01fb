"""How many readings waited over the last hour."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.fleet import DatabaseError

EVERY_S = 15.0
MOST_POINTS = 240
"""An hour of them."""


@dataclass(frozen=True, kw_only=True)
class BacklogPoint:
    """What waited at one instant."""

    at: datetime
    waiting: int


class Backlog:
    """Looks when called, at most every 15 s: to count what waits takes a while for a large fleet.

    One thread looks, and any may read.
    """

    def __init__(
        self,
        *,
        waiting: Callable[[], int],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._count = waiting
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked_s: float | None = None
        self._points: deque[BacklogPoint] = deque(maxlen=MOST_POINTS)

    def __call__(self) -> None:
        """Look, if it is time."""
        now_s = self._monotonic()
        if self._looked_s is not None and now_s - self._looked_s < EVERY_S:
            return
        self._looked_s = now_s
        try:
            waiting = self._count()
        except DatabaseError:
            return  # /readyz says so; the next look counts
        with self._lock:
            self._points.append(BacklogPoint(at=self._clock(), waiting=waiting))

    def points(self) -> Sequence[BacklogPoint]:
        """What there is, oldest first."""
        with self._lock:
            return tuple(self._points)
