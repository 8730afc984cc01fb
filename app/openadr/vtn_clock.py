"""How far our clock is from that of the VTN, by the Date of its answers (RFC 9110, 6.6.1)."""

from __future__ import annotations

import email.utils
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

logger = logging.getLogger(__name__)

LOOKS_EVERY_S = 10.0
WORTH_A_WARNING = timedelta(seconds=30)
HALF_A_SECOND = timedelta(milliseconds=500)
"""A Date has whole seconds."""


class VtnClock:
    """Told of the Date of answers, of which it reads one now and then. Safe for several threads."""

    def __init__(self, *, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._looks_at_s = -LOOKS_EVERY_S
        self._is_apart = False
        self.ahead: timedelta | None = None
        """How far the VTN's clock is ahead of ours, to about a second; None: not known."""

    def heard(self, date: str | None) -> None:
        """An answer came just now, with this Date."""
        now_s = self._monotonic()
        if now_s - self._looks_at_s < LOOKS_EVERY_S:
            return
        self._looks_at_s = now_s
        date_ = _read(date)
        if date_ is None:
            return
        self.ahead = date_ + HALF_A_SECOND - self._clock()
        apart = abs(self.ahead) >= WORTH_A_WARNING
        if apart and not self._is_apart:
            logger.warning("%s", self.warning())
        elif self._is_apart and not apart:
            logger.info("the clock and the VTN's agree again")
        self._is_apart = apart

    def warning(self) -> str | None:
        """One line where the clocks are apart; None where they agree, or nothing is known."""
        if self.ahead is None or abs(self.ahead) < WORTH_A_WARNING:
            return None
        way = "behind" if self.ahead > timedelta(0) else "ahead of"
        return (
            f"the clock is {abs(self.ahead).total_seconds():.0f} s {way} the VTN's;"
            " see that this machine's time is synchronised (NTP)"
        )


def _read(date: str | None) -> datetime | None:
    try:
        date_ = email.utils.parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return None
    return date_ if date_.tzinfo else date_.replace(tzinfo=UTC)
