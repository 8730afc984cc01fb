"""Reads measurements whose fields have our own names: what is posted, and the profile `csv`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.intake.errors import MeterFileError
from app.intake.files.columns import Columns, Moment, moment
from app.intake.files.delimited import cells
from app.intake.files.rows import BLOCK_ROWS, number_of, refuse_negative
from app.intake.measurement import (
    Direction,
    Measurements,
    MeterName,
    Quality,
    Quantity,
    Refusals,
    SeriesKey,
)
from app.intake.units import Ratio, ratio

METER_FIELDS = MeterName._fields
SERIES_FIELDS = (*METER_FIELDS, "quantity", "unit", "direction", "channel")
FIELDS = (*SERIES_FIELDS, "start", "end", "value", "quality")
KNOWN_FIELDS = frozenset(FIELDS)
MAX_KNOWN = 100_000
"""Series and times that are remembered from row to row."""
MAX_TEXT = 256
MAX_CHANNEL = 64
WITHOUT_DIRECTION = frozenset({Quantity.STORED, Quantity.CHARGE_LEVEL})
"""What a store holds goes nowhere."""


class _Series(NamedTuple):
    key: SeriesKey
    ratio: Ratio


class SeriesFields:
    """What the fields that name a series come to, remembered from row to row, and from body to body
    where it is shared. Safe for several threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], _Series] = {}

    def of(self, parts: tuple[Any, ...]) -> _Series | None:
        """Of these values of SERIES_FIELDS; None: not met yet."""
        return self._known.get(parts)

    def learn(self, parts: tuple[Any, ...]) -> _Series:
        """ValueError: what is wrong with them."""
        made = _series(dict(zip(SERIES_FIELDS, parts, strict=True)))
        if len(self._known) >= MAX_KNOWN:
            self._known = {}
        self._known[parts] = made
        return made


class FieldReader:
    """Reads rows by the names of `FIELDS`. `zone`: of times without an offset."""

    def __init__(
        self,
        refusals: Refusals,
        *,
        zone: ZoneInfo | None = None,
        block_rows: int = BLOCK_ROWS,
        series: SeriesFields | None = None,
    ) -> None:
        self._block_rows = block_rows
        self._refusals = refusals
        self._zone = zone
        self._series = series or SeriesFields()
        self._moments: dict[str, Moment] = {}
        self._columns = Columns(refusals, zone=zone)

    def read(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Measurements]:
        """All of them, block by block; each row with its number, counted from 1."""
        for line, row in rows:
            try:
                self._take(line, row)
            except ValueError as error:
                self._refusals.add(line, "", str(error))
            if len(self._columns) >= self._block_rows:
                yield self._columns.take(is_last=False)
        yield self._columns.take(is_last=True)

    def _take(self, line: int, row: Mapping[str, Any]) -> None:
        get = row.get
        parts = (
            *(get("device"), get("meter_point_id"), get("ven_name"), get("resource_name")),
            *(get("quantity"), get("unit"), get("direction"), get("channel")),
        )
        try:
            series = self._series.of(parts)
        except TypeError:
            raise ValueError("a name is a list or an object") from None
        if not row.keys() <= KNOWN_FIELDS:
            raise ValueError(f"there is no field {min(row.keys() - KNOWN_FIELDS)[:40]!r}")
        if series is None:
            series = self._series.learn(parts)
        given = get("value")
        if given is None:
            if "value" not in row:
                raise ValueError("there is no value")
            return
        if isinstance(given, str):
            try:
                number = number_of(given)
            except ValueError as error:
                raise ValueError(f"value: {error}") from None
            if number is None:
                return
        elif isinstance(given, int | float) and not isinstance(given, bool):
            if given != given:
                return
            number = _finite(given)
        else:
            raise ValueError(f"value: {str(given)[:40]!r} is no number")
        if number < 0:
            refuse_negative(number, series.key)
        start, end = get("start"), get("end")
        self._columns.add(
            line,
            series.key,
            self._moment("start", start),
            None if end is None or end == "" else self._moment("end", end),
            number * series.ratio.multiplied / series.ratio.divided,
            _quality(get("quality")),
        )

    def _moment(self, name: str, cell: Any) -> Moment:
        known = self._moments.get(cell) if isinstance(cell, str) else None
        if known is None:
            if not isinstance(cell, str) or not cell.strip():
                raise ValueError(f"{name}: {str(cell)[:40]!r} is no time that can be read")
            if len(self._moments) >= MAX_KNOWN:
                self._moments.clear()
            try:
                known = self._moments[cell] = moment(cell, "iso", self._zone)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return known


def field_rows(
    lines: Iterable[str], refusals: Refusals, *, header_lines: int = 0
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows of CSV whose first line has names of `FIELDS`. MeterFileError: it has others.

    `header_lines`: those that do not count, where rows are counted and not lines.
    """
    numbered = cells(lines)
    number, header = next(numbered, (1, []))
    names = [name.strip() for name in header]
    unknown = [name for name in names if name not in FIELDS]
    missing = [name for name in ("start", "quantity", "unit", "value") if name not in names]
    twice = [name for name in names if names.count(name) > 1]
    if unknown or missing or twice:
        wrong = (
            f"unknown column {unknown[0][:40]!r}"
            if unknown
            else f"no column {missing[0]!r}"
            if missing
            else f"two columns {twice[0]!r}"
        )
        raise MeterFileError(f"line {number}: {wrong}; the columns are {', '.join(FIELDS)}")
    for line, row in numbered:
        place = line - header_lines
        if len(row) == len(names):
            yield place, dict(zip(names, row, strict=True))
        elif any(cell.strip() for cell in row):
            refusals.add(place, "", f"it has {len(row)} cells, and there are {len(names)} columns")


def _series(parts: Mapping[str, Any]) -> _Series:
    texts = {name: _text(name, part) for name, part in parts.items()}
    meter = MeterName(*(texts[name] for name in METER_FIELDS))
    if not any(meter):
        raise ValueError(
            "there is no device, no meter_point_id, and no ven_name with resource_name"
        )
    if bool(meter.ven_name) != bool(meter.resource_name):
        raise ValueError("ven_name and resource_name go together")
    if bool(meter.device) + bool(meter.meter_point_id) + bool(meter.ven_name) > 1:
        raise ValueError("a meter has one name: device, meter_point_id, or ven_name")
    if len(texts["channel"]) > MAX_CHANNEL:
        raise ValueError(f"channel: it is longer than {MAX_CHANNEL} characters")
    quantity = _word(Quantity, "quantity", texts["quantity"])
    said = texts["direction"]
    direction = Direction.NET
    if said and quantity not in WITHOUT_DIRECTION:
        direction = _word(Direction, "direction", said)
    key = SeriesKey(meter, quantity, direction, texts["channel"])
    return _Series(key, ratio(texts["unit"], quantity))


def _text(name: str, part: Any) -> str:
    if part is None:
        return ""
    if not isinstance(part, str) or len(part) > MAX_TEXT or not part.isprintable():
        raise ValueError(f"{name}: {str(part)[:40]!r} is no text of at most {MAX_TEXT} characters")
    return part.strip()


def _word(words: Any, name: str, text: str) -> Any:
    try:
        return words(text.upper())
    except ValueError:
        known = ", ".join(words)
        raise ValueError(f"{name}: {text[:40]!r} is none of {known}") from None


def _quality(cell: Any) -> Quality:
    if cell is None or cell in ("", "OK"):
        return Quality.OK
    try:
        return Quality[str(cell).strip().upper()]
    except KeyError:
        known = ", ".join(Quality.__members__)
        raise ValueError(f"quality: {str(cell)[:40]!r} is none of {known}") from None


def _finite(given: float) -> float:
    try:
        number = float(given)
    except OverflowError:
        raise ValueError("value: it is no number that can be") from None
    if not math.isfinite(number):
        raise ValueError("value: it is no number that can be")
    return number
