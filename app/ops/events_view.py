"""The events of the fleet as the page shows them, as plain data. Asking changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest

from app.events import EventStore, SeenEvent
from app.openadr import Interval, Timeline
from app.ops.throttled import ThrottledValue

MAX_BARS = 200
"""Intervals of one event that are drawn."""
MAX_EVENTS = 100
MAX_LAID_OUT = 1_000
MAX_WORDING_CHARACTERS = 200
"""Characters of what a VTN says, which may be of any length."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """An interval of an event."""

    start: datetime
    end: datetime | None
    """None: it never ends."""
    words: str
    """Its payloads."""
    holds: bool


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """An event that one VEN or more have."""

    event_id: str
    event_name: str
    priority: int | None
    targets: Sequence[str]
    vens: int
    ven_name: str
    """One of them."""
    is_cancelled: bool
    asks_for: Sequence[str]
    """The payload types of its report descriptors."""
    in_force: Sequence[Bar]
    """What holds now."""
    bars: Sequence[Bar]
    """Of the time that is looked at, as many as can be drawn."""

    @property
    def whose(self) -> str:
        """The VEN by its name where there is one; else how many."""
        return self.ven_name if self.vens == 1 else f"{self.vens:,} VENs"

    @property
    def holds(self) -> bool:
        return bool(self.in_force)


class EventsView:
    """The events of all VENs, and when their intervals hold."""

    def __init__(
        self,
        *,
        events: EventStore,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._events = events
        self._clock = clock
        self._laid_out = _LaidOut(revision=None, newest=(), total=0)
        self._newest = ThrottledValue(look=self._lay_out, every_s=0.0, monotonic=monotonic)

    def rows(self, *, before: timedelta, after: timedelta) -> tuple[list[EventRow], int]:
        """At most MAX_EVENTS, active ones first; and how many events there are in all.

        With the intervals of the time from so long before now to so long after.
        """
        now = self._clock()
        known = self._newest()
        # What is active is looked for among all of these, and drawn for few.
        order = sorted(known.newest, key=lambda row: not row.holds(now))
        rows = [self._row(event, now, now - before, now + after) for event in order[:MAX_EVENTS]]
        rows.sort(key=lambda row: (not row.holds, row.bars[0].start if row.bars else now, row.vens))
        return rows, known.total

    def _row(self, known: _Known, now: datetime, start: datetime, end: datetime) -> EventRow:
        seen, timeline = known.seen, known.timeline
        event = seen.event
        return EventRow(
            event_id=event.event_id,
            event_name=event.event_name[:MAX_WORDING_CHARACTERS],
            priority=event.priority,
            targets=sorted(event.targets),
            vens=known.vens,
            ven_name=known.ven_name,
            is_cancelled=seen.is_cancelled,
            asks_for=[
                report_descriptor.payload_type for report_descriptor in event.report_descriptors
            ],
            in_force=[]
            if timeline is None
            else [_bar(interval, now) for interval in timeline.at(now)],
            bars=[] if timeline is None else _bars(timeline, start, end, now),
        )

    def _lay_out(self) -> _LaidOut:
        """All of them, unless nothing has changed: many thousand VENs have each their own."""
        revision = self._events.revision
        if self._laid_out.revision != revision:
            by_event: dict[str, tuple[SeenEvent, str, int]] = {}
            for ven_name in self._events.ven_names():
                for seen in self._events.of_ven(ven_name):
                    first, name, vens = by_event.get(seen.event.event_id, (seen, ven_name, 0))
                    by_event[seen.event.event_id] = first, name, vens + 1
            newest = nlargest(MAX_LAID_OUT, by_event.values(), key=lambda each: each[0].first_seen)
            known = [
                _Known(seen, ven_name, vens, None if seen.is_cancelled else seen.timeline)
                for seen, ven_name, vens in newest
            ]
            self._laid_out = _LaidOut(revision=revision, newest=known, total=len(by_event))
        return self._laid_out


@dataclass(frozen=True)
class _Known:
    """An event as one VEN sees it, and how many have it."""

    seen: SeenEvent
    ven_name: str
    vens: int
    timeline: Timeline | None

    def holds(self, now: datetime) -> bool:
        return self.timeline is not None and bool(self.timeline.at(now))


@dataclass(frozen=True, kw_only=True)
class _LaidOut:
    """The newest events, each as one of its VENs sees it, and how many there are in all."""

    revision: int | None
    newest: Sequence[_Known]
    total: int


def _bars(timeline: Timeline, start: datetime, end: datetime, now: datetime) -> list[Bar]:
    """The intervals that touch this time, at most MAX_BARS, from the first on."""
    bars: list[Bar] = []
    over = timeline.end
    if over is not None:
        end = min(end, over)
    first, last = timeline.pass_at(start), timeline.pass_at(end)
    for round_ in range(first, min(last, first + MAX_BARS) + 1):
        for interval in timeline.of_pass(round_):
            if interval.start >= end or (interval.end is not None and interval.end <= start):
                continue
            if len(bars) == MAX_BARS:
                return bars
            bars.append(_bar(interval, now))
    return bars


def _bar(interval: Interval, now: datetime) -> Bar:
    texts = (
        payload_words(payload.type, interval.value(payload, now)) for payload in interval.payloads
    )
    return Bar(
        start=interval.start,
        end=interval.end,
        words=", ".join(texts)[:MAX_WORDING_CHARACTERS],
        holds=interval.holds(now),
    )


def payload_words(kind: str, value: object) -> str:
    """A payload as people read it: its type, and its value where it has one."""
    return kind if value is None else f"{kind} {str(value)[:MAX_WORDING_CHARACTERS]}"
