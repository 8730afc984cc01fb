"""Fields of JSON objects, read as the types that the OpenAPI file gives them.

Where absent would mean more than what was written, `given_…` raises WireError for what has another
shape; the others take it as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from app.openadr.errors import WireError
from app.openadr.times import read_instant

Wire = Mapping[str, Any]
Targets = frozenset[str]
MAX_TARGET_CHARACTERS = 128
"""Schema `target`."""
SHOWN_CHARACTERS = 80


def text(wire: Wire, name: str) -> str | None:
    value = wire.get(name)
    return value if isinstance(value, str) and value else None


def instant(wire: Wire, name: str) -> datetime | None:
    try:
        return read_instant(str(wire.get(name)))
    except WireError:
        return None


def integer(wire: Wire, name: str) -> int | None:
    """A whole number of 32 bits, which may be written 1.0; None for all else."""
    value = wire.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < 2**31 and value == int(value) else None


def given_integer(wire: Wire, name: str, default: int) -> int:
    if wire.get(name) is None:
        return default
    number = integer(wire, name)
    if number is None:
        raise WireError(f"{name} {shown(wire, name)} is not an integer")
    return number


def given_boolean(wire: Wire, name: str, *, default: bool) -> bool:
    value = wire.get(name)
    if value is not None and not isinstance(value, bool):
        raise WireError(f"{name} {shown(wire, name)} is not true or false")
    return default if value is None else value


def given_text(wire: Wire, name: str) -> str | None:
    value = wire.get(name)
    if value is not None and not isinstance(value, str):
        raise WireError(f"{name} {shown(wire, name)} is not a text")
    return value or None


def given_objects(wire: Wire, name: str) -> list[Wire]:
    """A list of objects; null and absent are an empty one."""
    value = wire.get(name)
    entries = [] if value is None else value
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise WireError(f"{name} {shown(wire, name)} cannot be read")
    return entries


def payload_type(wire: Wire) -> str | None:
    """Of a descriptor: the User Guide's own examples spell it in two ways."""
    return text(wire, "payloadType") or text(wire, "payLoadType")


def given_units(wire: Wire) -> dict[str, str]:
    """Of an event or program, by payload type; a value whose unit cannot be read has no size."""
    units = {}
    for entry in given_objects(wire, "payloadDescriptors"):
        kind, unit = payload_type(entry), given_text(entry, "units")
        if unit and not kind:
            raise WireError("payloadDescriptors: units without a payloadType")
        if kind and unit:
            units[kind] = unit
    return units


def given_targets(wire: Wire) -> Targets:
    """The targets of an object: 3.1.0 has strings, 3.0.1 has values by type ('TYPE=value').

    A string is a list of one. WireError for all else that is no list of such: an object without
    targets concerns everybody (openadr.md, 'Time' and 'Targets').
    """
    value = wire.get("targets")
    if value is None:
        return frozenset()
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list):
        raise WireError(f"targets {shown(wire, 'targets')} cannot be read")
    targets = set[str]()
    for entry in entries:
        if isinstance(entry, str) and 1 <= len(entry) <= MAX_TARGET_CHARACTERS:
            targets.add(entry)
        elif isinstance(entry, Mapping) and _is_typed_target(entry):
            targets.update(typed_target(entry["type"], value) for value in entry["values"])
        else:
            raise WireError(f"targets {shown(wire, 'targets')} cannot be read")
    return frozenset(targets)


def targets(wire: Wire) -> Targets | None:
    """The same; None: they cannot be read."""
    try:
        return given_targets(wire)
    except WireError:
        return None


def typed_target(kind: str, value: Any) -> str:
    """A target of 3.0.1, in the form in which both dialects are compared."""
    written = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"{kind}={written}"[:MAX_TARGET_CHARACTERS]


def shown(wire: Wire, name: str) -> str:
    """What stands there, for a message; bounded."""
    return repr(wire.get(name))[:SHOWN_CHARACTERS]


def _is_typed_target(entry: Wire) -> bool:
    values = entry.get("values")
    return (
        isinstance(entry.get("type"), str)
        and isinstance(values, list)
        and bool(values)
        and all(isinstance(value, str | int | float) for value in values)
        and not any(isinstance(value, bool) for value in values)
    )
