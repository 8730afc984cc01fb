"""Measurements in Influx line protocol: what lines mean is said in the file of sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from line_protocol_parser import LineFormatError, parse_line
from pydantic import Field, model_validator

from app.intake.files import refuse_negative
from app.intake.instant_rows import InstantRows, finite_number
from app.intake.measurement import (
    END_US,
    FIRST_US,
    Direction,
    Measurements,
    MeterName,
    Quantity,
    Refusals,
    SeriesKey,
)
from app.intake.topics import LINE_VALUE_KEYS, Strict, check_direction, with_values
from app.intake.units import Ratio, ratio

PRECISIONS_NS: Mapping[str, int] = {
    "ns": 1,
    "n": 1,
    "": 1,
    "us": 1_000,
    "u": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
"""Nanoseconds in one, by the parameter `precision` of InfluxDB 1 and 2."""
MAX_KNOWN = 100_000
"""Devices that are remembered from line to line."""
MAX_NAME = 256
MAX_LINES = 200_000
"""Of one body: what is more is sent in several."""
LINE = re.compile(
    r"""(?:\\[^\n]|[^ \\\n])*  # measurement and tags, in which quotes are like all else
        (?:="(?:\\[\s\S]|[^"\\])*(?:"|\Z)|[^\n])*""",
    re.VERBOSE,
)
"""A line with all of its texts: a text begins after `=` and ends with a quote without a backslash.
One that does not end takes all that follows: nobody can tell what of it is a line."""


class LineValue(Strict):
    """A field that holds values."""

    field: str
    quantity: Quantity
    unit: str
    direction: Direction = Direction.NET
    channel: str = ""

    @model_validator(mode="after")
    def _possible(self) -> LineValue:
        ratio(self.unit, self.quantity)
        check_direction(self.quantity, self.direction)
        return self


class LineMeasurement(Strict):
    """Lines of one measurement, and what their fields mean."""

    measurement: str
    device: str
    """The tag that says whose they are."""
    tags: Mapping[str, str] = {}
    """Only lines that have these, too."""
    values: Sequence[LineValue] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _with_values(cls, given: Any) -> Any:
        return with_values(dict(given), LINE_VALUE_KEYS) if isinstance(given, dict) else given


@dataclass(kw_only=True)
class LinesRead:
    """What lines came to."""

    measurements: Measurements | None
    """None: there is none."""
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """Lines that are no line protocol: the number of each, and what is wrong."""
    refused: Refusals = field(default_factory=Refusals)
    """Values that are no measurement."""
    ignored: int = 0
    """Lines of nothing that is asked for."""


class _Column(NamedTuple):
    value: LineValue
    ratio: Ratio


class LineReader:
    """Reads the lines of one source. Safe for several threads."""

    def __init__(self, measurements: Sequence[LineMeasurement]) -> None:
        self._by_name: dict[str, list[tuple[LineMeasurement, list[_Column]]]] = {}
        for each in measurements:
            columns = [_Column(value, ratio(value.unit, value.quantity)) for value in each.values]
            self._by_name.setdefault(each.measurement, []).append((each, columns))
        self._keys: dict[tuple[int, str], list[SeriesKey]] = {}

    def read(self, text: str, *, precision: str, now_us: int) -> LinesRead:
        """`now_us`: when lines without a time were measured, in microseconds since 1970."""
        rows, found = InstantRows(), LinesRead(measurements=None)
        scale_ns = PRECISIONS_NS[precision]
        for number, parsed in _parsed(text, found.wrong):
            self._of_line(number, parsed, scale_ns, now_us, rows, found)
        found.measurements = rows.measurements()
        return found

    def _of_line(
        self,
        number: int,
        parsed: Mapping[str, Any],
        scale_ns: int,
        now_us: int,
        rows: InstantRows,
        found: LinesRead,
    ) -> None:
        tags, fields = parsed["tags"], parsed["fields"]
        is_any = False
        for mapping, columns in self._by_name.get(parsed["measurement"], ()):
            device = tags.get(mapping.device)
            if not device or any(tags.get(name) != text for name, text in mapping.tags.items()):
                continue
            for (value, of_unit), key in zip(
                columns, self._keys_of(mapping, columns, device), strict=True
            ):
                if value.field not in fields:
                    continue
                is_any = True
                try:
                    number_said = finite_number(fields[value.field])
                    if number_said is None:
                        continue
                    refuse_negative(number_said, key)
                    at_us = _at_us(parsed["time"], scale_ns, now_us)
                    rows.add(
                        key, at_us, number_said * of_unit.multiplied / of_unit.divided, str(number)
                    )
                except ValueError as error:
                    found.refused.add(number, value.field, str(error))
        found.ignored += not is_any

    def _keys_of(
        self, mapping: LineMeasurement, columns: Sequence[_Column], device: str
    ) -> list[SeriesKey]:
        known = self._keys.get((id(mapping), device))
        if known is None:
            meter = MeterName(device=device[:MAX_NAME])
            known = [
                SeriesKey(meter, value.quantity, value.direction, value.channel)
                for value, _ in columns
            ]
            if len(self._keys) >= MAX_KNOWN:
                self._keys = {}
            self._keys[id(mapping), device] = known
        return known


def _parsed(text: str, wrong: list[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each line with its number, counted from 1, without comments; `wrong` gets what is none."""
    for number, line in _lines(text):
        try:
            parsed = parse_line(line)
        except (LineFormatError, ValueError) as error:
            wrong.append((number, f"{line[:80]!r}: {error}"))
            continue
        if parsed is not None:
            yield number, parsed


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its number; the text of a field may go over several."""
    number, begin = 1, 0
    while begin < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        line = text[begin:end]
        if '="' in line and not line.lstrip().startswith("#"):
            found = LINE.match(text, begin)
            end = end if found is None else found.end()
            line = text[begin:end]
        if line.strip():
            yield number, line
        number += line.count("\n") + 1
        begin = end + 1


def _at_us(time: int | None, scale_ns: int, now_us: int) -> int:
    if time is None:
        return now_us
    at_us = time * scale_ns // 1_000
    if not FIRST_US <= at_us < END_US:
        raise ValueError("it is no time of a measurement; is the precision right?")
    return at_us
