"""What holds now for the resources of one VEN (User Guide 7.1; rules.md, 'Targets')."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.events.seen import SeenEvent
from app.openadr import Draw, Event, Interval, Timeline, implied_timeline

LOWEST_PRIORITY = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Followed:
    """An event of a VEN, ready to be asked what it says."""

    seen: SeenEvent
    timeline: Timeline
    scope: frozenset[str] | None
    """The resources that it is meant for, by name; None: all of the VEN's."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A payload that is in force."""

    event_id: str
    type: str
    value: object
    units: str | None
    interval: Interval
    followed: Followed


def timeline_of(seen: SeenEvent) -> Timeline:
    """The timeline of an event as its VEN sees it."""
    return Timeline(seen.event, first_seen=seen.first_seen, draw=draw_of(seen))


def implied_timeline_of(seen: SeenEvent) -> Timeline | None:
    """The timeline of an event without intervals, where it implies some."""
    return implied_timeline(seen.event, first_seen=seen.first_seen, draw=draw_of(seen))


def draw_of(seen: SeenEvent) -> Draw:
    """What randomizeStart draws: by VEN, event and place, so that it need not be remembered."""

    def draw(place: int) -> float:
        text = f"{seen.ven_name}\0{seen.event.event_id}\0{place}".encode()
        number = int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big")
        return number / (1 << 55) - 1.0

    return draw


def followed(events: Sequence[SeenEvent]) -> list[Followed]:
    """The events of one VEN that are not cancelled, the one that prevails last.

    Lower numbers prevail; of equal ones the newer event; no priority is the lowest.
    """
    living = [seen for seen in events if not seen.is_cancelled]
    return [
        Followed(
            seen=seen,
            timeline=timeline_of(seen),
            scope=seen.granted.scope(seen.event.targets),
        )
        for seen in sorted(living, key=_precedence)
    ]


def standing(events: Sequence[Followed], now: datetime) -> Iterator[Standing]:
    """What is in force of these, in their order: what comes later prevails."""
    for each in events:
        for interval in each.timeline.at(now):
            for payload in interval.payloads:
                yield Standing(
                    event_id=each.seen.event.event_id,
                    type=payload.type,
                    value=interval.value(payload, now),
                    units=each.seen.units.get(payload.type),
                    interval=interval,
                    followed=each,
                )


def _precedence(seen: SeenEvent) -> tuple[int, datetime, str]:
    event: Event = seen.event
    priority = LOWEST_PRIORITY if event.priority is None else event.priority
    never = datetime.min.replace(tzinfo=UTC)
    return -priority, event.created_at or never, event.event_id
