"""How many readings waited over the last hour."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.platform import DatabaseError

WINDOW_S = 30.0
MAX_POINTS = 120
"""An hour of them."""


@dataclass(frozen=True, kw_only=True)
class BacklogPoint:
    """The least that waited in the time before an instant."""

    at: datetime
    waiting: int


class BacklogHistory:
    """The least that waited in each half minute: readings on their way are no backlog.

    Looks when called. One thread looks, and any may read. `waiting` counts what is owed.
    """

    def __init__(
        self,
        *,
        waiting: Callable[[], int],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._waiting = waiting
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._least: int | None = None
        self._began_s = monotonic()
        self._points: deque[BacklogPoint] = deque(maxlen=MAX_POINTS)

    def __call__(self) -> None:
        """Look; to be called every second or so."""
        try:
            waiting = self._waiting()
        except DatabaseError:
            return  # /readyz says so; the next look counts
        self._least = waiting if self._least is None else min(self._least, waiting)
        now_s = self._monotonic()
        if now_s - self._began_s < WINDOW_S:
            return
        point = BacklogPoint(at=self._clock(), waiting=self._least)
        self._began_s, self._least = now_s, None
        with self._lock:
            self._points.append(point)

    def points(self) -> Sequence[BacklogPoint]:
        """What there is, oldest first."""
        with self._lock:
            return tuple(self._points)
