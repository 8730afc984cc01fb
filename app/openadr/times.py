"""Instants and durations as they cross the wire (openadr.md, 'Time')."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import isodate
from isodate import Duration

from app.openadr.errors import WireError

T = TypeVar("T")
INFINITE_YEARS = 9999
YEAR_1 = datetime.min.replace(tzinfo=UTC)
"""'The beginning of time' (User Guide 7.3): what it means depends on where it stands."""
ZERO = timedelta(0)
_LEAP_SECOND = re.compile(r"([T ]\d\d:\d\d:)60(?=\D|$)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class WireDuration:
    """An ISO 8601 duration that is not negative: months by the calendar, the rest exact."""

    months: int = 0
    rest: timedelta = ZERO
    infinite: bool = False
    """9999 years or more."""

    def __bool__(self) -> bool:
        """Whether it is longer than nothing."""
        return self.infinite or self.months > 0 or self.rest > ZERO

    def after(self, instant: datetime, times: int = 1) -> datetime | None:
        """The instant so many of this later; None: never, or after the last year there is."""
        if self.infinite:
            return None
        try:
            return _months_later(instant, self.months * times) + self.rest * times
        except OverflowError:
            return None


def _months_later(instant: datetime, months: int) -> datetime:
    """The same day so many months later, or the month's last; OverflowError after 9999."""
    if not months:
        return instant
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    if year > INFINITE_YEARS:
        raise OverflowError
    day = min(instant.day, calendar.monthrange(year, month + 1)[1])
    return instant.replace(year=year, month=month + 1, day=day)


@dataclass(frozen=True, kw_only=True)
class IntervalPeriod:
    """3.1.0 intervalPeriod, read; what is absent is None."""

    start: datetime | None = None
    """Aware UTC; `YEAR_1` where it is that."""
    duration: WireDuration | None = None
    randomize: timedelta = ZERO
    """The most by which starts are shifted, either way (randomizeStart)."""


def read_duration(text: str) -> WireDuration:
    """An ISO 8601 duration, compared by value, since VTNs write them differently. WireError."""
    try:
        value = isodate.parse_duration(text)
    except (ValueError, TypeError, OverflowError):
        raise WireError(f"duration {text[:80]!r} cannot be read") from None
    if not isinstance(value, Duration):
        read = WireDuration(rest=timedelta(seconds=value.total_seconds()))
    else:
        months = float(value.years) * 12 + float(value.months)
        if months >= INFINITE_YEARS * 12:
            return WireDuration(infinite=True)
        if months != int(months):
            raise WireError(f"duration {text[:80]!r} has a part of a month")
        read = WireDuration(
            months=int(months), rest=timedelta(seconds=value.tdelta.total_seconds())
        )
    if read.months < 0 or read.rest < ZERO:
        raise WireError(f"duration {text[:80]!r} is negative")
    return WireDuration(infinite=True) if read.rest.days >= INFINITE_YEARS * 365 else read


def read_instant(text: str) -> datetime:
    """An RFC 3339 date-time in UTC; a date alone and a missing offset are read as UTC. WireError.

    Any time on the first of January of the year 1 is `YEAR_1`. A leap second is the one after it.
    """
    if re.match(r"0001-01-01", text):
        return YEAR_1
    try:
        whole = _LEAP_SECOND.sub(r"\g<1>59", text, count=1)
        instant = datetime.fromisoformat(whole.upper())
        instant = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        return instant if whole == text else instant.replace(microsecond=0) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise WireError(f"time {text[:80]!r} cannot be read") from None


def read_period(wire: object) -> IntervalPeriod | None:
    """An intervalPeriod; None where there is none. WireError names the field."""
    if wire is None:
        return None
    if not isinstance(wire, dict):
        raise WireError("intervalPeriod cannot be read")
    try:
        return IntervalPeriod(
            start=_given(wire, "start", read_instant),
            duration=_given(wire, "duration", read_duration),
            randomize=_randomize(wire.get("randomizeStart")),
        )
    except WireError as error:
        raise WireError(f"intervalPeriod: {error}") from None


def _given(wire: dict[str, object], name: str, read: Callable[[str], T]) -> T | None:
    value = wire.get(name)
    return None if value is None else read(str(value))


def _randomize(value: object) -> timedelta:
    """The absolute value counts (User Guide 7.3, randomizeStart)."""
    if value is None:
        return ZERO
    duration = read_duration(str(value).removeprefix("-"))
    if duration.infinite or duration.months:
        raise WireError(f"randomizeStart {str(value)[:80]!r} is longer than can be drawn from")
    return duration.rest


def write_instant(instant: datetime) -> str:
    """RFC 3339 in UTC at microsecond resolution."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def write_duration(duration: timedelta) -> str:
    """ISO 8601, in seconds at microsecond resolution: PT30S, PT0.25S."""
    microseconds = duration // timedelta(microseconds=1)
    seconds, rest = divmod(microseconds, 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"PT{seconds}{fraction}S"
