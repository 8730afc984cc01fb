"""What a VEN may see at its VTN, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from app.fleet import Granted


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
