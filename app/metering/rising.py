"""Instants that rise, whatever is done to the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.instants import MICROSECOND


class RisingClock:
    """The wall clock; while it is behind the last frame, that frame's instant plus what passed."""

    def __init__(self, *, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._taken_at_s: float | None = None

    def now(self, last: datetime | None) -> datetime:
        """Now, in UTC, and later than the last frame."""
        now = self._clock().astimezone(UTC)
        if last is None or now > last:
            return now
        passed_s = 0.0 if self._taken_at_s is None else self._monotonic() - self._taken_at_s
        return last + max(timedelta(seconds=passed_s), MICROSECOND)

    def taken(self) -> None:
        """A frame was stored just now."""
        self._taken_at_s = self._monotonic()
