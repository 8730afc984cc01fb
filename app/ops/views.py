"""What the page shows, as plain data. Asking changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Any

from app.events import (
    EventBook,
    Interval,
    Policy,
    Standing,
    Timeline,
    followed,
    standing,
    timeline_of,
)
from app.fleet import FleetRepository, Resource, ResourceKind, SeenEvent, Status, VenSummary
from app.metering import FrameStore
from app.ops.seldom import Seldom
from app.reporting import DeliveryJournal, VenDelivery

MOST_PROBLEMS = 1_000
"""VENs that are looked for when only those with problems are asked for."""
MOST_BARS = 200
"""Intervals of one event that are drawn."""
MOST_EVENTS = 100
MOST_LAID_OUT = 1_000
MOST_WORDS = 200
"""Characters of what a VTN says, which may be of any length."""


@dataclass(frozen=True, kw_only=True)
class VenRow:
    """A VEN of the fleet."""

    summary: VenSummary
    power_kw: float | None
    """None before its first reading."""
    delivery: VenDelivery


@dataclass(frozen=True, kw_only=True)
class ResourceRow:
    """A resource of a VEN, at the newest reading."""

    resource: Resource
    power_kw: float | None
    stored_kwh: float | None
    """None for what has no store."""
    follows: Sequence[str]
    """What it is asked now and understands, in words."""

    @property
    def state_of_charge(self) -> float | None:
        """From 0 to 1; only of what people charge."""
        room = self.resource.energy_max_kwh - self.resource.energy_min_kwh
        if self.stored_kwh is None or room <= 0:
            return None
        return (self.stored_kwh - self.resource.energy_min_kwh) / room


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
    def holds(self) -> bool:
        return bool(self.in_force)


class FleetView:
    """VENs and their resources, a page at a time. `policy_of`: what each kind follows."""

    def __init__(
        self,
        *,
        repository: FleetRepository,
        frames: FrameStore,
        journal: DeliveryJournal,
        events: EventBook,
        policy_of: Mapping[ResourceKind, Policy],
        clock: Callable[[], datetime],
    ) -> None:
        self._repository = repository
        self._frames = frames
        self._journal = journal
        self._events = events
        self._policy_of = policy_of
        self._clock = clock

    def count(self) -> int:
        """How many VENs there are."""
        return self._repository.count()

    def ven(self, ven_name: str) -> VenRow | None:
        """One VEN; None where there is none of this name."""
        rows, _ = self._rows(skip=0, limit=1, only=[ven_name])
        return rows[0] if rows else None

    def vens(
        self, *, skip: int, limit: int, search: str = "", only_problems: bool = False
    ) -> tuple[list[VenRow], int]:
        """Some of the VENs, by name, and how many there are of these."""
        only = None
        if only_problems:
            only = [name for name, _ in self._journal.first_problems(MOST_PROBLEMS)]
        return self._rows(skip=skip, limit=limit, search=search, only=only)

    def _rows(self, **which: Any) -> tuple[list[VenRow], int]:
        found, total = self._repository.page_of_summaries(**which)
        frame = self._frames.last()
        rows = []
        for each in found:
            name = each.ven.ven_name
            own = None if frame is None else frame.power_kw[frame.roster.columns(name)]
            power_kw = None if own is None or not len(own) else float(own[own == own].sum())
            rows.append(VenRow(summary=each, power_kw=power_kw, delivery=self._journal.of(name)))
        return rows, total

    def resources(self, ven_name: str, *, skip: int, limit: int) -> tuple[list[ResourceRow], int]:
        """Some of a VEN's resources, by name, and how many it has."""
        found, total = self._repository.page_of_resources(ven_name, skip=skip, limit=limit)
        powers, stored = self._newest(ven_name)
        asked = list(standing(followed(self._events.of_ven(ven_name)), self._clock()))
        rows = [
            ResourceRow(
                resource=each,
                power_kw=None if _rests(each) else powers.get(each.resource_name),
                stored_kwh=stored.get(each.resource_name) if each.energy_max_kwh else None,
                follows=[] if _rests(each) else self._follows(each, asked),
            )
            for each in found
        ]
        return rows, total

    def _newest(self, ven_name: str) -> tuple[dict[str, float], dict[str, float]]:
        frame = self._frames.last()
        if frame is None:
            return {}, {}
        columns = frame.roster.columns(ven_name)
        names = frame.roster.names(ven_name)
        powers = frame.power_kw[columns].tolist()
        stored = frame.detail.stored_kwh
        stored_kwh = [math.nan] * len(names) if stored is None else stored[columns].tolist()
        return (
            {name: power for name, power in zip(names, powers, strict=True) if power == power},
            {name: kwh for name, kwh in zip(names, stored_kwh, strict=True) if kwh == kwh},
        )

    def _follows(self, resource: Resource, asked: Sequence[Standing]) -> list[str]:
        """Of each payload type what prevails, if it is meant for this resource."""
        understood = self._policy_of[resource.kind].follows
        told: dict[str, str] = {}
        for each in asked:
            scope = each.followed.scope
            meant = scope is None or resource.resource_name in scope
            if meant and (each.type in understood or each.type.startswith("ALERT_")):
                told[each.type] = f"{_payload(each.type, each.value)} ({each.event_id})"
        return list(told.values())


class EventsView:
    """The events of all VENs, and when their intervals hold."""

    def __init__(
        self,
        *,
        events: EventBook,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._events = events
        self._clock = clock
        self._laid_out = _LaidOut(revision=None, newest=(), total=0)
        self._newest = Seldom(look=self._lay_out, every_s=0.0, monotonic=monotonic)

    def rows(self, *, before: timedelta, after: timedelta) -> tuple[list[EventRow], int]:
        """At most MOST_EVENTS, what is in force first; and how many events there are in all.

        With the intervals of the time from so long before now to so long after.
        """
        now = self._clock()
        known = self._newest()
        # What is in force is looked for among all of these, and drawn for few.
        order = sorted(known.newest, key=lambda each: not each.holds(now))
        rows = [self._row(each, now, now - before, now + after) for each in order[:MOST_EVENTS]]
        rows.sort(key=lambda row: (not row.holds, row.bars[0].start if row.bars else now, row.vens))
        return rows, known.total

    def _row(self, known: _Known, now: datetime, start: datetime, end: datetime) -> EventRow:
        seen, timeline = known.seen, known.timeline
        event = seen.event
        return EventRow(
            event_id=event.event_id,
            event_name=event.event_name[:MOST_WORDS],
            priority=event.priority,
            targets=sorted(event.targets),
            vens=known.vens,
            ven_name=known.ven_name,
            is_cancelled=seen.is_cancelled,
            asks_for=[each.payload_type for each in event.report_descriptors],
            in_force=[] if timeline is None else [_bar(each, now) for each in timeline.at(now)],
            bars=[] if timeline is None else _bars(timeline, start, end, now),
        )

    def _lay_out(self) -> _LaidOut:
        """All of them, unless nothing has changed: many thousand VENs have each their own."""
        revision = self._events.revision
        if self._laid_out.revision != revision:
            found: dict[str, tuple[SeenEvent, str, int]] = {}
            for ven_name in self._events.ven_names():
                for seen in self._events.of_ven(ven_name):
                    first, name, vens = found.get(seen.event.event_id, (seen, ven_name, 0))
                    found[seen.event.event_id] = first, name, vens + 1
            newest = nlargest(MOST_LAID_OUT, found.values(), key=lambda each: each[0].first_seen)
            known = [
                _Known(seen, ven_name, vens, None if seen.is_cancelled else timeline_of(seen))
                for seen, ven_name, vens in newest
            ]
            self._laid_out = _LaidOut(revision=revision, newest=known, total=len(found))
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


def _rests(resource: Resource) -> bool:
    """Whether it is taken out, and its last reading is none of now."""
    return resource.status is Status.SUSPENDED


def _bars(timeline: Timeline, start: datetime, end: datetime, now: datetime) -> list[Bar]:
    """The intervals that touch this time, at most MOST_BARS, from the first on."""
    found: list[Bar] = []
    over = timeline.end
    if over is not None:
        end = min(end, over)
    first, last = timeline.pass_at(start), timeline.pass_at(end)
    for round_ in range(first, min(last, first + MOST_BARS) + 1):
        for each in timeline.of_pass(round_):
            if each.start >= end or (each.end is not None and each.end <= start):
                continue
            if len(found) == MOST_BARS:
                return found
            found.append(_bar(each, now))
    return found


def _bar(interval: Interval, now: datetime) -> Bar:
    told = (_payload(each.type, interval.value(each, now)) for each in interval.payloads)
    return Bar(
        start=interval.start,
        end=interval.end,
        words=", ".join(told)[:MOST_WORDS],
        holds=interval.holds(now),
    )


def _payload(kind: str, value: object) -> str:
    return kind if value is None else f"{kind} {str(value)[:MOST_WORDS]}"
