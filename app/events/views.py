"""What a VEN knows of its VTN, how that is stored, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy import Connection, text

from app.events.listed import Listed
from app.events.seen import Granted, SeenEvent
from app.openadr import Event, ScheduledEvent
from app.platform import to_us

UNREADABLE = "UNREADABLE"
"""Stands for a unit that cannot be read: no size can be told from its values."""
NOTHING_GRANTED = Granted()
Units = Mapping[str, Mapping[str, str] | None]
"""By program id: the units of each payload type; None: they cannot be read."""


@dataclass(frozen=True)
class KeptEvent:
    """An event as a VEN last knew it."""

    event: Event
    body: bytes
    """Its JSON."""
    first_seen: datetime
    had_time: bool
    """Whether it was ever seen without the marker of a cancellation."""

    @cached_property
    def for_all(self) -> ScheduledEvent | None:
        """The times of it that all VENs share that know it; None: each has its own."""
        if self.event.differs_by_ven:
            return None
        return ScheduledEvent(event=self.event, first_seen=self.first_seen)

    @property
    def is_cancelled(self) -> bool:
        """Only what has intervals and had a time: live events carry the same marker (User Guide
        8)."""
        event = self.event
        return self.had_time and event.is_marked_as_cancelled and bool(event.intervals)


@dataclass(frozen=True, kw_only=True)
class View:
    """All that one VEN knows of its VTN. VENs that are told the same share what is in it."""

    events: Mapping[str, KeptEvent] = field(default_factory=dict)
    granted: Granted = NOTHING_GRANTED
    program_units: Units = field(default_factory=dict)
    listed: Listed | None = field(default=None, compare=False, repr=False)
    """What the VTN listed when all of `events` was made of it; None: some of it was not."""

    def changed_since(self, before: View) -> list[str]:
        """The ids of what is new or different."""
        if self.events is before.events:
            return []
        return sorted(
            event_id
            for event_id, event in self.events.items()
            if event != before.events.get(event_id)
        )

    def gone_since(self, before: View) -> list[str]:
        """The ids of what is no longer there."""
        return sorted(before.events.keys() - self.events.keys())

    def seen_by(self, ven_name: str) -> list[SeenEvent]:
        """The events, for who has to do what they ask."""
        return [
            SeenEvent(
                ven_name=ven_name,
                event=kept.event,
                first_seen=kept.first_seen,
                is_cancelled=kept.is_cancelled,
                granted=self.granted,
                units=units_of(kept.event, self.program_units.get(kept.event.program_id, {})),
                for_all=kept.for_all,
            )
            for kept in self.events.values()
        ]


def is_newer(pushed: KeptEvent, polled: KeptEvent | None, *, was_known: bool) -> bool:
    """Whether what push brought during a poll counts more than what the poll found."""
    if polled is None:
        return not was_known  # else the VTN has just said that it is gone
    if pushed.event.modified_at is None or polled.event.modified_at is None:
        return False
    return pushed.event.modified_at > polled.event.modified_at


def units_of(event: Event, of_program: Mapping[str, str] | None) -> Mapping[str, str]:
    """The unit of each payload type: the event's own, or its program's (None: not readable)."""
    if of_program is None:
        types = (payload.type for interval in event.intervals for payload in interval.payloads)
        of_program = dict.fromkeys(types, UNREADABLE)
    return {**of_program, **event.units}


def forget_ven(connection: Connection, ven_name: str) -> None:
    """All that is stored of a VEN's events."""
    for statement in (
        "DELETE FROM event WHERE ven_name = :ven_name",
        "DELETE FROM ven_view WHERE ven_name = :ven_name",
    ):
        connection.execute(text(statement), {"ven_name": ven_name})


def store_views(connection: Connection, changed: Iterable[tuple[str, View, View]]) -> None:
    """What is different of each: (VEN's name, before, after)."""
    gone: list[dict[str, Any]] = []
    written: list[dict[str, Any]] = []
    views: list[dict[str, Any]] = []
    bodies: dict[int, str] = {}
    for ven_name, before, now in changed:
        gone += [{"ven_name": ven_name, "event_id": each} for each in now.gone_since(before)]
        for event_id in now.changed_since(before):
            kept = now.events[event_id]
            body = bodies.get(id(kept))
            if body is None:
                body = bodies[id(kept)] = kept.body.decode()
            written.append(
                {
                    "ven_name": ven_name,
                    "event_id": event_id,
                    "body": body,
                    "first_seen_us": to_us(kept.first_seen),
                    "had_time": int(kept.had_time),
                }
            )
        if (before.granted, before.program_units) != (now.granted, now.program_units):
            views.append({"ven_name": ven_name, "body": write_view(now.granted, now.program_units)})
    for statement, rows in ((_DELETE_EVENT, gone), (_PUT_EVENT, written), (_PUT_VIEW, views)):
        if rows:
            connection.execute(text(statement), rows)


_DELETE_EVENT = "DELETE FROM event WHERE ven_name = :ven_name AND event_id = :event_id"
_PUT_EVENT = (
    "INSERT INTO event (ven_name, event_id, body, first_seen_us, had_time)"
    " VALUES (:ven_name, :event_id, :body, :first_seen_us, :had_time)"
    " ON CONFLICT (ven_name, event_id)"
    " DO UPDATE SET body = excluded.body, had_time = excluded.had_time"
)
_PUT_VIEW = (
    "INSERT INTO ven_view (ven_name, body) VALUES (:ven_name, :body)"
    " ON CONFLICT (ven_name) DO UPDATE SET body = excluded.body"
)


def write_view(granted: Granted, program_units: Units) -> str:
    """Its targets, and the units of its programs, as JSON."""
    return orjson.dumps(
        {
            "ven": sorted(granted.ven),
            "resources": {name: sorted(own) for name, own in granted.resources.items()},
            "program_units": program_units,
        }
    ).decode()


def read_view(body: Any) -> View:
    """The same, read again, without events; nothing where there is nothing."""
    if body is None:
        return View()
    resources = {name: frozenset(own) for name, own in body["resources"].items()}
    return View(
        granted=Granted(ven=frozenset(body["ven"]), resources=resources),
        program_units=body["program_units"],
    )
