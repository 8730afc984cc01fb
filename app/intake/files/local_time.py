"""Local times without an offset as UTC; where a clock showed one twice, the rows decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from app.intake.measurement import DAY_US, HOUR_US, Bools, Int64

SECOND_US = 1_000_000
DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class Transitions:
    """When the clocks of a zone change, within some years."""

    at_us: Int64
    """Instants, UTC."""
    offsets_us: Int64
    """Before the first of them, and after each."""

    @property
    def later_us(self) -> Int64:
        """On the wall clock: from when the new offset holds in any case."""
        return self.at_us + np.maximum(self.offsets_us[:-1], self.offsets_us[1:])

    @property
    def earlier_us(self) -> Int64:
        """On the wall clock: from when the new offset may hold."""
        return self.at_us + np.minimum(self.offsets_us[:-1], self.offsets_us[1:])


@dataclass(frozen=True, kw_only=True, eq=False)
class Resolved:
    """Wall times as instants."""

    utc_us: Int64
    is_impossible: Bools
    """The clock never showed this time: it was set forward over it."""
    is_undecided: Bools
    """The clock showed this time twice, and the rows do not say which is meant."""
    is_twice: Bools
    """The clock showed this time twice, whether or not it is known which is meant."""
    second_us: Int64
    """The later of the two instants where it is undecided, `utc_us` being the first one; else
    the same."""


def resolve(wall_us: Int64, zone: ZoneInfo, *, is_falling: bool = False) -> Resolved:
    """`wall_us`: what a clock in this zone showed, row by row, oldest first, or newest first.

    A clock that is set back shows an hour twice. Where the rows reach its end and begin again, they
    are the first hour and then the second one; rows that show it once are undecided.
    """
    if not len(wall_us):
        nothing = np.zeros(0, dtype=np.bool_)
        return Resolved(
            utc_us=wall_us,
            is_impossible=nothing,
            is_undecided=nothing,
            is_twice=nothing,
            second_us=wall_us,
        )
    transitions = _transitions(zone, int(wall_us.min()), int(wall_us.max()))
    first = transitions.offsets_us[np.searchsorted(transitions.later_us, wall_us, side="right")]
    second = transitions.offsets_us[np.searchsorted(transitions.earlier_us, wall_us, side="right")]
    utc_us = wall_us - first
    is_twice = first > second
    is_undecided = is_twice.copy()
    steps = np.abs(np.diff(wall_us))
    step_us = int(steps[steps > 0].min()) if (steps > 0).any() else HOUR_US
    for night in _nights(wall_us, np.flatnonzero(is_twice)):
        order = night[::-1] if is_falling else night
        (turns,) = np.nonzero(np.diff(wall_us[order]) <= 0)
        if len(turns) != 1:
            continue  # it came once, or in no order
        turn = int(turns[0]) + 1
        number = int(np.searchsorted(transitions.earlier_us, wall_us[order[0]], side="right")) - 1
        begin_us, end_us = transitions.earlier_us[number], transitions.later_us[number]
        first_hour, second_hour = order[:turn], order[turn:]
        reaches_end = wall_us[first_hour[-1]] + step_us >= end_us
        begins_anew = wall_us[second_hour[0]] - step_us < begin_us
        if reaches_end and begins_anew:  # else a row stands twice
            utc_us[second_hour] = wall_us[second_hour] - second[second_hour]
            is_undecided[night] = False
    return Resolved(
        utc_us=utc_us,
        is_impossible=first < second,
        is_undecided=is_undecided,
        is_twice=is_twice,
        second_us=np.where(is_undecided, wall_us - second, utc_us),
    )


def _nights(wall_us: Int64, places: Int64) -> list[Int64]:
    """These rows, night by night."""
    if not len(places):
        return []
    apart = np.abs(np.diff(wall_us[places])) > DAY_US
    return np.split(places, np.flatnonzero(apart) + 1)


def _transitions(zone: ZoneInfo, first_wall_us: int, last_wall_us: int) -> Transitions:
    years = [
        datetime.fromtimestamp(us / SECOND_US, UTC).year for us in (first_wall_us, last_wall_us)
    ]
    return _of_years(zone.key, years[0] - 1, years[1] + 1)


@lru_cache(maxsize=64)
def _of_years(key: str, first_year: int, last_year: int) -> Transitions:
    zone = ZoneInfo(key)

    def offset(instant: datetime) -> timedelta:
        return instant.astimezone(zone).utcoffset() or timedelta(0)

    at_us: list[int] = []
    begin = datetime(first_year, 1, 1, tzinfo=UTC)
    offsets = [offset(begin)]
    day = begin
    end = datetime(last_year + 1, 1, 1, tzinfo=UTC)
    while day < end:
        following = day + DAY
        if offset(following) != offsets[-1]:
            instant = _first(lambda at: offset(at) != offsets[-1], day, following)
            at_us.append(int(instant.timestamp()) * SECOND_US)
            offsets.append(offset(instant))
        day = following
    seconds = [int(each.total_seconds()) * SECOND_US for each in offsets]
    return Transitions(np.array(at_us, dtype=np.int64), np.array(seconds, dtype=np.int64))


def _first(holds: Callable[[datetime], bool], low: datetime, high: datetime) -> datetime:
    """The first second after `low` at which it holds; it holds at `high`."""
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
