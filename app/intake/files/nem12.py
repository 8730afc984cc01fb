"""Reads NEM12 files (AEMO, Meter Data File Format): a row per day, channel and meter."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from app.intake.errors import MeterFileError
from app.intake.files.delimited import cells as numbered_cells
from app.intake.files.profile import Profile
from app.intake.measurement import (
    FIRST_YEAR,
    LAST_YEAR,
    Direction,
    Measurements,
    MeterName,
    Quality,
    Quantity,
    Refusals,
    SeriesKey,
)
from app.intake.units import NO_ACTIVE_ENERGY, Ratio, ratio
from app.platform import to_us

DAY_MINUTES = 24 * 60
DIRECTIONS = {"E": Direction.IMPORT, "B": Direction.EXPORT}
"""By the first letter of the channel's suffix; K and Q are reactive energy."""
QUALITIES = {
    "A": Quality.OK,
    "E": Quality.ESTIMATED,
    "F": Quality.ESTIMATED,
    "S": Quality.ESTIMATED,
}
"""By the first letter of the quality flag; N: nothing was measured; V: it varies (record 400)."""
NULL, VARIES = "N", "V"


@dataclass(frozen=True)
class _Channel:
    """A record 200: what the days after it are of."""

    key: SeriesKey
    minutes: int
    ratio: Ratio


@dataclass(eq=False)
class _Day:
    """A record 300, until the next one: records 400 say more of its quality."""

    line: int
    channel: _Channel
    begin: datetime
    values: Sequence[str]
    quality: list[int | None]
    """By interval; None: nothing was measured."""
    codes: list[str]
    """The quality flags, by interval."""


class Nem12Reader:
    """Reads one file; the device is the NMI. `zone`: as the market's, without summer time.

    MeterFileError: there is none, and the profile has none. `skipped` counts values of other
    channels, by their suffix and unit.
    """

    def __init__(
        self, profile: Profile, refusals: Refusals, *, zone: ZoneInfo | None = None
    ) -> None:
        known = zone or profile.zone
        if known is None:
            raise MeterFileError("its days have no offset, and no time zone is given")
        self._zone = known
        self._refusals = refusals
        self._what, self._intervals = "", 1
        self.skipped: Counter[str] = Counter()

    def read(self, lines: Iterable[str]) -> Iterator[Measurements]:
        """All of it, day by day. MeterFileError: it is no NEM12 file, or is cut off."""
        channel: _Channel | None = None
        day: _Day | None = None
        record = ""
        for number, (line, row) in enumerate(numbered_cells(lines)):
            cells = [cell.strip() for cell in row]
            record = cells[0] if cells else record
            if number == 0 and cells[:2] != ["100", "NEM12"]:
                raise MeterFileError(
                    f"line 1: it begins with {','.join(cells[:2])[:40]!r}: no NEM12"
                )
            if record in ("200", "300", "900") and day is not None:
                yield self._measured(day)
                day = None
            if record == "200":
                channel = self._channel(line, cells)
            elif record == "300" and channel is not None:
                day = self._day(line, cells, channel)
            elif record == "300" and not self._what:
                self._refusals.add(line, "", "a record 300 stands before any record 200")
            elif record == "300":
                self.skipped[self._what] += self._intervals
            elif record == "400" and day is not None:
                self._vary(line, cells, day)
        if record != "900":
            raise MeterFileError("the last record is not 900: the file is cut off")

    def _channel(self, line: int, cells: Sequence[str]) -> _Channel | None:
        """None: its days are skipped."""
        nmi, suffix, unit, minutes = (cells[at] if at < len(cells) else "" for at in (1, 4, 7, 8))
        self._what = f"{suffix} in {unit}"
        known = minutes.isdecimal() and int(minutes) > 0
        self._intervals = DAY_MINUTES // int(minutes) if known else 1
        direction = DIRECTIONS.get(suffix[:1].upper())
        if unit.upper() in NO_ACTIVE_ENERGY or direction is None:
            return None
        try:
            scale = ratio(unit, Quantity.ENERGY)
            if not minutes.isdecimal() or DAY_MINUTES % max(int(minutes), 1):
                raise ValueError(f"{minutes[:20]!r} is no length of an interval, in minutes")
            if not nmi:
                raise ValueError("there is no NMI")
        except ValueError as error:
            self._refusals.add(line, "", str(error))
            return None
        key = SeriesKey(MeterName(device=nmi), Quantity.ENERGY, direction, suffix[1:])
        return _Channel(key, int(minutes), scale)

    def _day(self, line: int, cells: Sequence[str], channel: _Channel) -> _Day | None:
        count = DAY_MINUTES // channel.minutes
        values, flag = cells[2 : 2 + count], "".join(cells[2 + count : 3 + count])
        try:
            begin = datetime.strptime(cells[1] if len(cells) > 1 else "", "%Y%m%d")  # noqa: DTZ007
        except ValueError:
            begin = datetime(1, 1, 1)  # noqa: DTZ001 - none that can be
        if not FIRST_YEAR <= begin.year <= LAST_YEAR:
            self._refusals.add(line, "", f"{''.join(cells[1:2])[:20]!r} is no day")
            return None
        if flag[:1].upper() == NULL:
            return None
        if len(values) < count or not all(map(_is_number, values)) or _is_number(flag):
            self._refusals.add(line, "", f"there are not {count} values in its day")
            return None
        quality = QUALITIES.get(flag[:1].upper()) if flag[:1].upper() != VARIES else Quality.OK
        if quality is None:
            self._refusals.add(line, "", f"{flag[:10]!r} is no quality")
            return None
        return _Day(line, channel, begin, values, [quality] * count, [flag] * count)

    def _vary(self, line: int, cells: Sequence[str], day: _Day) -> None:
        """A record 400: the quality of some intervals of the day, counted from 1."""
        first, last, flag = (cells[at] if at < len(cells) else "" for at in (1, 2, 3))
        known = QUALITIES.get(flag[:1].upper())
        in_day = first.isdecimal() and last.isdecimal()
        if not in_day or not 1 <= int(first) <= int(last) <= len(day.quality):
            self._refusals.add(line, "", "it names no intervals of its day")
            return
        if known is None and flag[:1].upper() != NULL:
            self._refusals.add(line, "", f"{flag[:10]!r} is no quality")
            return
        for place in range(int(first) - 1, int(last)):
            day.quality[place], day.codes[place] = known, flag

    def _measured(self, day: _Day) -> Measurements:
        measured = np.array([quality is not None for quality in day.quality])
        begin_us = to_us(day.begin.replace(tzinfo=self._zone))
        step_us = day.channel.minutes * 60_000_000
        start_us = begin_us + step_us * np.arange(len(day.values), dtype=np.int64)
        scale = day.channel.ratio
        value = np.array(day.values, dtype=np.float64) * scale.multiplied / scale.divided
        bad = measured & ((value < 0) | ~np.isfinite(value))
        if bad.any():
            self._refusals.add(day.line, "", "a value is negative, or none that can be")
        codes = list(dict.fromkeys(code[:64] for code in day.codes))
        return Measurements(
            keys=[day.channel.key],
            key=np.zeros(len(value), dtype=np.int64),
            start_us=start_us,
            end_us=start_us + step_us,
            value=value,
            quality=np.array([each or 0 for each in day.quality], dtype=np.int8),
            codes=codes,
            code=np.array([codes.index(code[:64]) for code in day.codes], dtype=np.int64),
            lines=np.full(len(value), day.line, dtype=np.int64),
        ).only(measured & ~bad)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
