"""Events of a test's own writing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.events import Granted, SeenEvent
from app.openadr import Timeline, read_event

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def wire(**fields: Any) -> dict[str, Any]:
    """An event as a VTN sends it."""
    return {"id": "e", "programID": "p", **fields}


def seen(first_seen: datetime = NOW, ven_name: str = "Aarhus", **fields: Any) -> SeenEvent:
    """The same, as a VEN has seen it."""
    return SeenEvent(
        ven_name=ven_name,
        event=read_event(wire(**fields)),
        first_seen=first_seen,
        granted=Granted(),
        units={},
    )


def in_force(*payloads: tuple[str, Any], duration: str = "PT1H", **event: Any) -> SeenEvent:
    """An event with these payloads, in force from NOW on."""
    return seen(
        intervalPeriod={"start": NOW.isoformat(), "duration": duration},
        intervals=[
            {"id": 0, "payloads": [{"type": kind, "values": [value]} for kind, value in payloads]}
        ],
        **event,
    )


def timeline(first_seen: datetime = NOW, ven_name: str = "Aarhus", **fields: Any) -> Timeline:
    return seen(first_seen, ven_name, **fields).timeline


def interval(number: int, value: Any = 1, kind: str = "PRICE", **period: Any) -> dict[str, Any]:
    """An interval with one payload; `period`: start, duration, randomizeStart."""
    made: dict[str, Any] = {"id": number, "payloads": [{"type": kind, "values": [value]}]}
    return {**made, "intervalPeriod": period} if period else made
