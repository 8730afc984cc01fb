"""Reads rows, whatever file they come from: one per instant or interval, with values in columns."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import isodate

from app.intake.files.columns import Columns, Moment, moment
from app.intake.files.profile import Profile, Times
from app.intake.measurement import (
    HOUR_US,
    Direction,
    Measurements,
    MeterName,
    Quality,
    Quantity,
    Refusals,
    SeriesKey,
)
from app.intake.units import NO_ACTIVE_ENERGY, Ratio, ratio

MAX_POSITION = 1_000_000
MAX_LENGTH_S = 366 * 86_400
BLOCK_ROWS = 50_000
"""Values that are given back at a time, about."""
ABSENT = frozenset(
    {"", "null", "none", "nan", "n/a", "na", "-", "missing", "unavailable", "unknown"}
)
"""What stands where nothing was measured. It is no zero."""
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+")
"""Thousands, hundreds, and a decimal comma: without it, nobody can tell what a point is."""
ABSENT_QUALITY = "ABSENT"
"""What a profile says of a quality code that means that nothing was measured."""
Row = tuple[int, Mapping[str, str]]
"""Where it stands, counted from 1, and its cells by column; a cell that is not there is blank."""


class RowReader:
    """Reads by one profile. `device`: of a file that names none; `zone`: of local times.

    `skipped` counts values that no report can use, by their unit, such as reactive energy.
    """

    def __init__(
        self,
        profile: Profile,
        refusals: Refusals,
        *,
        device: str = "",
        zone: ZoneInfo | None = None,
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        self._block_rows = block_rows
        self._profile = profile
        self._device = device
        self._zone = zone or profile.zone
        self._refusals = refusals
        self._folded = {code.casefold(): word for code, word in profile.quality_codes.items()}
        self._ratios: dict[tuple[str, Quantity], Ratio] = {}
        self.skipped: Counter[str] = Counter()

    def read(self, rows: Iterable[Row]) -> Iterator[Measurements]:
        """All of them, block by block."""
        columns = Columns(
            self._refusals,
            zone=self._zone,
            step_us=self._profile.times.step_s * 1_000_000,
            takes_first=self._profile.twice == "first",
        )
        for line, row in rows:
            self._take(line, row, columns)
            if len(columns) >= self._block_rows:
                yield columns.take(is_last=False)
        yield columns.take(is_last=True)

    def _take(self, line: int, row: Mapping[str, str], columns: Columns) -> None:
        profile = self._profile
        try:
            start, end, length_us = self._times(row, profile.times)
        except ValueError as error:
            self._refusals.add(line, "", str(error))
            return
        device = row[profile.device].strip() if profile.device else self._device
        if not device:
            self._refusals.add(line, profile.device, "there is no device")
            return
        applies = False
        for value in profile.values:
            if any(row[column].strip() != wanted for column, wanted in value.when.items()):
                continue
            applies = True
            units = value.unit_columns or profile.unit
            unit = value.unit or "".join(row[column].strip() for column in units)
            if unit.strip().upper() in NO_ACTIVE_ENERGY or unit.startswith("uom "):
                self.skipped[unit.strip()] += 1
                continue
            try:
                quality, code = self._quality(row, value.quality or profile.quality)
                meter = MeterName(device=device)
                key = SeriesKey(meter, value.quantity, value.direction, value.channel)
                number = self._number(row[value.column], key, unit)
                if number is not None and quality is not None:
                    columns.add(line, key, start, end, number, quality, code, length_us=length_us)
            except ValueError as error:
                self._refusals.add(line, value.column, str(error))
        if not applies:
            said = {row[column].strip(): None for value in profile.values for column in value.when}
            self.skipped[" ".join(said)[:64]] += 1

    def _quality(self, row: Mapping[str, str], column: str) -> tuple[Quality | None, str]:
        """With what the source says; None: nothing was measured. ValueError: it is not known."""
        code = row[column].strip()[:64] if column else ""
        known = self._profile.quality_codes
        if not code or not known:
            return Quality.OK, code
        word = known.get(code) or self._folded.get(code.casefold())
        if word is None:
            raise ValueError(f"{column}: {code[:40]!r} is no quality that the profile knows")
        return None if word == ABSENT_QUALITY else Quality[word], code

    def _number(self, cell: str, key: SeriesKey, unit: str) -> float | None:
        """None: nothing was measured. ValueError: it is no number that can be."""
        number = number_of(cell, decimal=self._profile.decimal)
        if number is None:
            return None
        refuse_negative(number, key)
        scale = self._ratios.get((unit, key.quantity))
        if scale is None:
            scale = self._ratios[unit, key.quantity] = ratio(unit, key.quantity)
        return number * scale.multiplied / scale.divided

    def _times(
        self, row: Mapping[str, str], times: Times
    ) -> tuple[Moment | None, Moment | None, int | None]:
        """Start, end and length as they are written; ValueError: they cannot be read."""
        if times.day:
            return None, self._hour(row, times), None
        start, end = (
            self._moment(row, columns, times) if columns else None
            for columns in (times.start, times.end)
        )
        length_us = _duration_us(row[times.length]) if times.length else None
        if times.position and length_us is not None:
            start = _at_position(row[times.position], start, length_us)
        return start, end, length_us

    def _moment(self, row: Mapping[str, str], columns: Sequence[str], times: Times) -> Moment:
        """As these columns say. ValueError: it cannot be read."""
        text = " ".join(row[column].strip() for column in columns)
        if times.pattern:
            found = re.search(times.pattern, text)
            if found is None:
                raise ValueError(f"{text[:40]!r} is no time that can be read")
            text = found.group()
        return moment(text, times.format, self._zone)

    def _hour(self, row: Mapping[str, str], times: Times) -> Moment:
        """The end of an hour by its number, as the clock shows it: hour 3 ends at 03:00."""
        day = self._moment(row, (times.day,), times)
        text = row[times.hour].strip().removesuffix(":00")
        if not text.isdecimal() or not 1 <= int(text) <= 25:
            raise ValueError(f"{text[:40]!r} is no hour from 1 to 25")
        return Moment(day.us + int(text) * HOUR_US, is_local=True, hour=int(text))


def number_of(cell: str, *, decimal: str = ".") -> float | None:
    """None: nothing was measured. ValueError: it is no number that can be."""
    text = cell.strip()
    if text.lower() in ABSENT:
        return None
    if decimal == ",":
        if "." in text and not GROUPED.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is no number with a decimal comma")
        text = text.replace(".", "").replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{cell.strip()[:40]!r} is no number") from None
    if "_" in text or not text.isascii():
        raise ValueError(f"{cell.strip()[:40]!r} is no number")
    if not math.isfinite(number):
        raise ValueError(f"{cell.strip()[:40]!r} is no number that can be")
    return number


def refuse_negative(number: float, key: SeriesKey) -> None:
    """ValueError: it is negative, and values of this series cannot be."""
    if number < 0 and not key.may_be_negative:
        direction = "" if key.direction is Direction.NET else f" {key.direction.value}"
        raise ValueError(f"{key.quantity.value}{direction} is negative: {number:g}")


def _at_position(cell: str, begin: Moment | None, length_us: int) -> Moment:
    """The start of the n-th interval of a series, counted from 1."""
    text = cell.strip()
    if begin is None or not text.isdecimal() or not 1 <= int(text) <= MAX_POSITION:
        raise ValueError(f"{text[:40]!r} is no position in a series")
    return begin._replace(us=begin.us + (int(text) - 1) * length_us)


def _duration_us(cell: str) -> int:
    """An ISO 8601 duration, or seconds. ValueError: it is none, or of no fixed length."""
    text = cell.strip()
    if text.isascii() and text.isdecimal() and len(text) < 9 and 0 < int(text) < MAX_LENGTH_S:
        return int(text) * 1_000_000
    try:
        duration = isodate.parse_duration(text)
    except (isodate.ISO8601Error, TypeError, ValueError, OverflowError):
        raise ValueError(f"{cell.strip()[:40]!r} is no duration") from None
    if not isinstance(duration, timedelta) or duration <= timedelta(0):
        raise ValueError(f"{cell.strip()[:40]!r} is no length of an interval")
    return duration // timedelta(microseconds=1)
