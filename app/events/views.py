"""What a VEN may see at its VTN, as it is stored, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, text

from app.events.seen import Granted
from app.openadr import Event

UNREADABLE = "UNREADABLE"
"""Stands for a unit that cannot be read: no size can be told from its values."""


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


def write_view(granted: Granted, program_units: Mapping[str, Mapping[str, str] | None]) -> str:
    """Its targets, and the units of its programs, as JSON."""
    return orjson.dumps(
        {
            "ven": sorted(granted.ven),
            "resources": {name: sorted(own) for name, own in granted.resources.items()},
            "program_units": program_units,
        }
    ).decode()


def read_view(body: Any) -> dict[str, Any]:
    """The same, read again; nothing where there is nothing."""
    if body is None:
        return {}
    resources = {name: frozenset(own) for name, own in body["resources"].items()}
    return {
        "granted": Granted(ven=frozenset(body["ven"]), resources=resources),
        "program_units": body["program_units"],
    }
