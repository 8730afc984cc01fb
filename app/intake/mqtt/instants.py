"""When a message was measured, by what it says."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from app.intake.files import moment
from app.intake.measurement import END_US, FIRST_US
from app.intake.mqtt.inbox import Incoming
from app.platform import from_us, to_us

SCALES = {"s": 1_000_000, "ms": 1_000}
"""Microseconds in one, by `time_unit`."""
NUMBER = re.compile(r"\d{9,16}(\.\d+)?")
AHEAD_US = 5 * 60 * 1_000_000
"""How far before its time a measurement may come."""


def instant_us(said: Any, time_unit: str, zone: ZoneInfo | None, incoming: Incoming) -> int:
    """In microseconds since 1970. ValueError: it is no time, or it is not known which."""
    if isinstance(said, str):
        text = said.strip()
        if not NUMBER.fullmatch(text):
            at = moment(text, "iso", zone)
            return _of_wall(at.us, zone, incoming) if at.is_local and zone else at.us
        said = float(text)
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise ValueError(f"time: {str(said)[:40]!r} is no time that can be read")
    us = said * SCALES[time_unit]
    if not FIRST_US <= us < END_US:
        raise ValueError(f"time: {said} is no time of a measurement, in {time_unit} since 1970")
    return round(us)


def _of_wall(wall_us: int, zone: ZoneInfo, incoming: Incoming) -> int:
    """Of what a clock in this zone showed.

    A time that it showed twice is the newer one of the two, as far as that is not in the future,
    if the connection was there when the clock showed it first: then nothing older can come.
    """
    wall = from_us(wall_us).replace(tzinfo=zone)
    first, second = (to_us(wall.replace(fold=fold).astimezone(UTC)) for fold in (0, 1))
    if to_us(from_us(first).astimezone(zone).replace(tzinfo=UTC)) != wall_us:
        raise ValueError("no clock of the time zone showed this time")
    if first == second:
        return first
    if second > incoming.came_us + AHEAD_US:
        return first
    if incoming.connected_us > first:
        raise ValueError("the clock showed this time twice, and it is not known which is meant")
    return second
