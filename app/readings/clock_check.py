"""Whether the clock can be relied on, and what a wrong one has left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from app.openadr import VtnClock
from app.readings.log import ReadingLog

DOUBTFUL = timedelta(minutes=5)


class ClockCheck:
    """Compares the clock with the VTN's, and with the newest of the readings that are stored."""

    def __init__(
        self, *, clock: Callable[[], datetime], vtn_clock: VtnClock, frames: ReadingLog
    ) -> None:
        self._clock = clock
        self._vtn_clock = vtn_clock
        self._frames = frames

    def is_in_doubt(self) -> bool:
        """Whether it is more than 5 min from the VTN's, or, where that is not known, more than
        5 min behind the newest reading.
        """
        ahead = self._vtn_clock.ahead
        if ahead is not None:
            return abs(ahead) > DOUBTFUL
        return self._dated_ahead()[0] > 0

    def warnings(self) -> Iterator[str]:
        """What an operator should know, one line each."""
        apart = self._vtn_clock.warning()
        if apart is not None:
            yield apart
        frames, last = self._dated_ahead()
        if not frames:
            return
        if self.is_in_doubt():
            yield (
                f"the clock is in doubt: {frames} ticks of readings are dated later, up to"
                f" {last:%Y-%m-%d %H:%M} UTC; see that this machine's time is synchronised (NTP)"
            )
        else:
            yield (
                f"{frames} ticks of readings are dated in the future, up to {last:%Y-%m-%d %H:%M}"
                " UTC: the clock was ahead when they were taken. They are reported as they are"
                " dated, and are in no sum before; nothing needs to be done"
            )

    def _dated_ahead(self) -> tuple[int, datetime | None]:
        return self._frames.dated_after(self._clock() + DOUBTFUL)
