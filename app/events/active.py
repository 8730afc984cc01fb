"""What holds now for the resources of one VEN (User Guide 7.1; openadr.md, 'Targets')."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.events.seen import SeenEvent
from app.openadr import Interval

LOWEST_PRIORITY = 1 << 31
LOOKS_AHEAD = timedelta(hours=2)
"""No order holds for longer."""


@dataclass(frozen=True, kw_only=True)
class ActivePayload:
    """A payload that is active."""

    type: str
    value: object
    units: str | None
    interval: Interval
    seen: SeenEvent
    """The event that it is of."""

    @property
    def event_id(self) -> str:
        return self.seen.event.event_id


def by_precedence(events: Sequence[SeenEvent]) -> list[SeenEvent]:
    """The events of one VEN that are not cancelled, the one that prevails last.

    Lower numbers prevail; of equal ones the newer event; no priority is the lowest.
    """
    return sorted((seen for seen in events if not seen.is_cancelled), key=_precedence)


def active_payloads(events: Sequence[SeenEvent], now: datetime) -> Iterator[ActivePayload]:
    """The active payloads of these, in their order: what comes later prevails."""
    for seen in events:
        for interval in seen.timeline.at(now):
            for payload in interval.payloads:
                yield ActivePayload(
                    type=payload.type,
                    value=interval.value(payload, now),
                    units=seen.units.get(payload.type),
                    interval=interval,
                    seen=seen,
                )


def active_until(seen: SeenEvent, now: datetime) -> datetime | None:
    """When an event that is active asks for nothing more, be it for a while; None: never.

    Of one that goes on for longer than LOOKS_AHEAD, an instant after that.
    """
    return seen.timeline.asks_until(now, horizon=LOOKS_AHEAD)


def _precedence(seen: SeenEvent) -> tuple[int, datetime, str]:
    event = seen.event
    priority = LOWEST_PRIORITY if event.priority is None else event.priority
    never = datetime.min.replace(tzinfo=UTC)
    return -priority, event.created_at or never, event.event_id
