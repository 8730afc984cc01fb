"""Reads Green Button files (NAESB REQ.21, ESPI 1.1): Atom entries that point at each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.etree.ElementTree import Element  # nosec B405 - the type alone

from app.intake.files.rows import Row
from app.intake.files.xml import ends_of, name_of

POWER = "38"
UNITS = {"72": "WH", POWER: "W"}
"""By uom: real energy and real power. Others are skipped, under their number."""
DIRECTIONS = {"1": "IMPORT", "4": "NET", "19": "EXPORT"}
"""By flowDirection: delivered, net, reverse; without one it is delivered."""
QUALITIES = {"7": "ESTIMATED", "8": "ESTIMATED", "9": "ESTIMATED", "10": "ESTIMATED"}
"""By quality of a reading: manually edited, estimated using other data; others count as valid."""
REGISTERS = frozenset({"1", "3"})
"""By accumulationBehaviour: bulk quantity and cumulative are counted so far."""


@dataclass(frozen=True)
class _Reading:
    line: int
    start: str
    duration: str
    value: str
    quality: str


@dataclass(eq=False)
class _Feed:
    usage_points: set[str] = field(default_factory=set)
    meter_readings: dict[str, list[str]] = field(default_factory=dict)
    """By address: what each is related to."""
    reading_types: dict[str, Mapping[str, str]] = field(default_factory=dict)
    blocks: list[tuple[Sequence[str], list[_Reading]]] = field(default_factory=list)
    """What each block belongs to, and its readings."""


def green_button_rows(file: BinaryIO) -> Iterator[Row]:
    """A row per reading. MeterFileError: it is no Green Button file, or names entities."""
    feed = _read(file)
    for parents, readings in feed.blocks:
        address = next((at for at in feed.meter_readings if _belongs(parents, at)), "")
        related = feed.meter_readings.get(address, [])
        kind = next((feed.reading_types[at] for at in related if at in feed.reading_types), {})
        device = next((at for at in feed.usage_points if _belongs([address], at)), address)
        for reading in readings:
            yield (
                reading.line,
                {
                    "device": device.rpartition("/")[2],
                    "start": reading.start,
                    "duration": reading.duration,
                    "value": _scaled(reading.value, kind.get("powerOfTenMultiplier", "0")),
                    "quality": QUALITIES.get(reading.quality, "OK"),
                    "unit": UNITS.get(kind.get("uom", ""), f"uom {kind.get('uom', 'none')}"),
                    "direction": DIRECTIONS.get(kind.get("flowDirection", "1"), "unknown"),
                    "kind": _kind(kind),
                },
            )


def _kind(kind: Mapping[str, str]) -> str:
    if kind.get("uom") == POWER:
        return "POWER"
    return "REGISTER" if kind.get("accumulationBehaviour", "") in REGISTERS else "ENERGY"


def _belongs(parents: Sequence[str], address: str) -> bool:
    """Whether one of these addresses is that, or lies below it."""
    return any(each == address or each.startswith(f"{address}/") for each in parents)


def _scaled(value: str, power: str) -> str:
    """As text, so that what is no number is refused where it stands."""
    is_plain = re.fullmatch(r"[+-]?\d+(\.\d+)?", value) is not None
    return f"{value}e{power or 0}" if is_plain else value


def _read(file: BinaryIO) -> _Feed:
    feed = _Feed()
    count = 0
    for _, element in ends_of(file):
        name = name_of(element)
        if name == "IntervalReading":
            count += 1
            element.set("number", str(count))
        elif name == "entry":
            _take(element, feed)
            element.clear()
    return feed


def _take(entry: Element, feed: _Feed) -> None:
    own, up, related = "", "", []
    for link in (each for each in entry if name_of(each) == "link"):
        address = link.get("href", "").rstrip("/")
        if link.get("rel") == "self":
            own = address
        elif link.get("rel") == "up":
            up = address
        else:
            related.append(address)
    for each in entry.iter():
        name = name_of(each)
        if name == "UsagePoint":
            feed.usage_points.add(own)
        elif name == "MeterReading":
            feed.meter_readings[own] = related
        elif name == "ReadingType":
            feed.reading_types[own] = {name_of(child): (child.text or "").strip() for child in each}
        elif name == "IntervalBlock":
            readings = [_reading(child) for child in each if name_of(child) == "IntervalReading"]
            feed.blocks.append(([up, own], readings))


def _reading(element: Element) -> _Reading:
    texts = {name_of(each): (each.text or "").strip() for each in element.iter()}
    return _Reading(
        line=int(element.get("number", "0")),
        start=texts.get("start", ""),
        duration=texts.get("duration", ""),
        value=texts.get("value", ""),
        quality=texts.get("quality", ""),
    )
