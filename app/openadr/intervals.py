"""The intervals of one pass of an event, in absolute times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from app.openadr.wire import Payload

DIVIDED = frozenset(
    {
        *("SIMPLE", "PRICE", "PRICE_ALTERNATE", "EXPORT_PRICE", "GHG"),
        *("CHARGE_STATE_SETPOINT", "DISPATCH_SETPOINT", "DISPATCH_SETPOINT_RELATIVE"),
        *("CONTROL_SETPOINT", "CONTROL_LEVEL_OFFSET", "CONTROL_LEVEL_OFFSET_PERCENT"),
        *("IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT"),
        *("IMPORT_CAPACITY_SUBSCRIPTION", "EXPORT_CAPACITY_SUBSCRIPTION"),
        *("IMPORT_CAPACITY_RESERVATION", "EXPORT_CAPACITY_RESERVATION"),
    }
)
"""Payload types of one value: several values divide their interval (User Guide 7.3)."""
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A span of time with what is asked in it."""

    number: int
    """Counted from 0, over all passes of a loop."""
    interval_id: int
    """As the event gives it; the same in every pass."""
    start: datetime
    end: datetime | None
    """None: it never ends."""
    payloads: tuple[Payload, ...]
    written_end: datetime | None
    """Its end as the event writes it, before event.duration cuts it: several values divide it."""

    def holds(self, instant: datetime) -> bool:
        """Whether the instant lies in it; its end does not."""
        return self.start <= instant and (self.end is None or instant < self.end)

    def value(self, payload: Payload, instant: datetime) -> object:
        """What a payload says at an instant of this interval; None if it says nothing."""
        if not payload.values:
            return None
        return payload.values[self._part(payload, instant)]

    def changes(self, after: datetime) -> Iterator[datetime]:
        """The instants above `after` at which a payload's next value holds."""
        if self.written_end is None:
            return
        for payload in self.payloads:
            parts = self._parts(payload)
            for part in range(1, parts):
                instant = self.start + (self.written_end - self.start) * part / parts
                if instant > after and (self.end is None or instant < self.end):
                    yield instant
                    break

    def _parts(self, payload: Payload) -> int:
        divides = payload.type in DIVIDED and self.written_end is not None
        return len(payload.values) if divides else 1

    def _part(self, payload: Payload, instant: datetime) -> int:
        parts = self._parts(payload)
        if parts <= 1 or self.written_end is None or self.written_end <= self.start:
            return 0
        share = (instant - self.start) / (self.written_end - self.start)
        return min(max(int(share * parts), 0), parts - 1)


class Pass:
    """The intervals of one pass, found by the instant, however many there are."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self.intervals = intervals
        """In the event's order."""

    @cached_property
    def _by_start(self) -> Sequence[Interval]:
        return sorted(self.intervals, key=lambda interval: interval.start)

    @cached_property
    def _starts(self) -> Sequence[datetime]:
        return [interval.start for interval in self._by_start]

    @cached_property
    def _over(self) -> Sequence[datetime]:
        """For each of those by start: when all until it are over."""
        over: list[datetime] = []
        for interval in self._by_start:
            end = interval.end or NEVER
            over.append(max(over[-1], end) if over else end)
        return over

    @cached_property
    def _bounds(self) -> Sequence[datetime]:
        """When they begin and end."""
        ends = {interval.end for interval in self.intervals if interval.end is not None}
        return sorted(ends.union(self._starts))

    def at(self, instant: datetime) -> list[Interval]:
        """Those that hold at this instant, in the event's order."""
        found = []
        place = bisect_right(self._starts, instant)
        while place and self._over[place - 1] > instant:
            place -= 1
            if self._by_start[place].holds(instant):
                found.append(self._by_start[place])
        return sorted(found, key=lambda interval: interval.number)

    def next_change(self, instant: datetime) -> datetime | None:
        """The first instant above this one at which something else may hold; None: never."""
        place = bisect_right(self._bounds, instant)
        changes = list(self._bounds[place : place + 1])
        for interval in self.at(instant):
            changes += interval.changes(instant)
        return min((change for change in changes if change > instant), default=None)


NO_PASS = Pass(())
