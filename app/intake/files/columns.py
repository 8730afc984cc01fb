"""Collects values as they are read, and gives them back with instants, in blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from app.intake.errors import MeterFileError
from app.intake.files.local_time import resolve
from app.intake.measurement import (
    DAY_US,
    FIRST_YEAR,
    HOUR_US,
    LAST_YEAR,
    Bools,
    Int64,
    Measurements,
    Quality,
    Refusals,
    SeriesKey,
)
from app.platform import from_us, to_us

MIN_STEPS = 4
"""Between rows, before it is said that they are of another length."""
ABSENT_US = -(1 << 62)
"""An end of an interval that is not written."""


class Moment(NamedTuple):
    """A time as it was written."""

    us: int
    """In microseconds since 1970: UTC, or what a local clock showed."""
    is_local: bool
    hour: int = 0
    """The number of the hour that ends then; 0: it is not given so."""


NEVER = Moment(ABSENT_US, is_local=False)
_Written = tuple[int, int, int, bool, int, float, int, int, int, int]
"""Key, start, end, whether they are local, hour, value, quality, code, line, length."""


@dataclass(eq=False)
class _Ends:
    """One end of each interval, as instants; those of local times may be undecided."""

    utc_us: Int64
    second_us: Int64
    """The other instant of an undecided one."""
    is_impossible: Bools
    is_undecided: Bools
    is_twice: Bools

    @classmethod
    def of_utc(cls, utc_us: Int64) -> _Ends:
        none = np.zeros(len(utc_us), dtype=np.bool_)
        return cls(utc_us.copy(), utc_us.copy(), none, none.copy(), none.copy())


class Columns:
    """Values as they are read, row by row.

    `zone`: of times without an offset; None: they are refused where they are read. `step_us`: how
    long an interval is of which one end is not written; 0: it is an instant. `takes_first`: an hour
    that the clock showed twice, and that is there once, is the first of the two, ESTIMATED; else it
    is refused.
    """

    def __init__(
        self,
        refusals: Refusals,
        *,
        zone: ZoneInfo | None = None,
        step_us: int = 0,
        takes_first: bool = False,
    ) -> None:
        self._refusals = refusals
        self._zone = zone
        self._step_us = step_us
        self._takes_first = takes_first
        self._keys: dict[SeriesKey, int] = {}
        self._codes: dict[str, int] = {"": 0}
        self._directions = np.zeros(2, dtype=np.int64)
        """How often the local time of a series rose and fell, so far."""
        self._lengths: Counter[int] = Counter()
        """Of intervals, so far."""
        self._rows: list[_Written] = []
        self._new = 0

    def __len__(self) -> int:
        """How many were added since the last block."""
        return self._new

    def add(
        self,
        line: int,
        key: SeriesKey,
        start: Moment | None,
        end: Moment | None,
        value: float,
        quality: Quality = Quality.OK,
        code: str = "",
        *,
        length_us: int | None = None,
    ) -> None:
        """A value; of `start` and `end` one may be missing, which is `length_us` from the other, or
        `step_us`. ValueError: one has an offset and the other has none."""
        if start is not None and end is not None and start.is_local != end.is_local:
            raise ValueError("of start and end, one has an offset and the other has none")
        begins, ends = start or NEVER, end or NEVER
        self._rows.append(
            (
                self._keys.setdefault(key, len(self._keys)),
                begins.us,
                ends.us,
                begins.is_local or ends.is_local,
                ends.hour,
                value,
                quality,
                self._codes.setdefault(code, len(self._codes)) if code else 0,
                line,
                self._step_us if length_us is None else length_us,
            )
        )
        self._new += 1

    def take(self, *, is_last: bool) -> Measurements:
        """What was added, with instants. Rows of a night in which clocks are set back are kept for
        the next block, unless this is the last one: only what follows may decide them."""
        columns = list(zip(*self._rows, strict=True)) or [()] * 10
        key, lines = (np.array(columns[place], dtype=np.int64) for place in (0, 8))
        quality = np.array(columns[6], dtype=np.int8)
        start, end, kept_back = self._ends(columns, key, is_last=is_last)
        undecided = start.is_undecided | end.is_undecided
        impossible = start.is_impossible | end.is_impossible
        backwards = ~undecided & ~impossible & (end.utc_us < start.utc_us)
        refused = impossible | backwards
        if self._takes_first:
            quality[undecided] = np.maximum(quality[undecided], Quality.ESTIMATED)
        else:
            refused = refused | undecided
        now = ~kept_back
        self._check_step(key, start.utc_us, ~refused & now)
        for why, which in (
            ("no clock of the time zone showed this time", impossible),
            (
                "the clock showed this time twice, and the rows do not say which is meant",
                refused & undecided,
            ),
            ("it ends before it starts", backwards),
        ):
            self._refusals.add_each(lines[which & now], why)
        made = Measurements(
            keys=list(self._keys),
            key=key,
            start_us=start.utc_us,
            end_us=end.utc_us,
            value=np.array(columns[5], dtype=np.float64),
            quality=quality,
            codes=list(self._codes),
            code=np.array(columns[7], dtype=np.int64),
            lines=lines,
        ).only(~refused & now)
        self._rows = [self._rows[place] for place in np.flatnonzero(kept_back).tolist()]
        self._new = 0
        return made

    def _check_step(self, key: Int64, start_us: Int64, chosen: Bools) -> None:
        """MeterFileError: intervals of which one end is written do not follow each other."""
        if not self._step_us:
            return
        order = np.lexsort((start_us[chosen], key[chosen]))
        steps = np.diff(start_us[chosen][order])[np.diff(key[chosen][order]) == 0]
        steps = steps[steps > 0]
        if len(steps) >= MIN_STEPS and np.median(steps) != self._step_us:
            apart_s, step_s = int(np.median(steps)) // 1_000_000, self._step_us // 1_000_000
            raise MeterFileError(
                f"its values are {apart_s} s apart, and the profile says {step_s} s"
            )

    def _ends(
        self, columns: Sequence[Sequence[float]], key: Int64, *, is_last: bool
    ) -> tuple[_Ends, _Ends, Bools]:
        """The starts, the ends, and which rows are kept for the next block."""
        start, end = (_Ends.of_utc(np.array(columns[at], dtype=np.int64)) for at in (1, 2))
        no_start, no_end = start.utc_us == ABSENT_US, end.utc_us == ABSENT_US
        hours = np.array(columns[4], dtype=np.int64)
        kept_back = np.zeros(len(key), dtype=np.bool_)
        local = np.flatnonzero(np.array(columns[3], dtype=np.bool_))
        local = local[np.argsort(key[local], kind="stable")]
        groups = np.split(local, np.flatnonzero(np.diff(key[local])) + 1) if len(local) else []
        for places in groups:
            wall_us = np.where(no_start[places], end.utc_us[places], start.utc_us[places])
            steps = np.diff(wall_us)
            self._directions += np.array([int((steps > 0).sum()), int((steps < 0).sum())])
        length_us = np.array(columns[9], dtype=np.int64)
        begins_us = end.utc_us - length_us
        for places in groups:
            self._resolve(start, places[~no_start[places]], None)
            self._resolve(end, places[~no_end[places]], hours)
            only_ends = places[no_start[places] & (length_us[places] > 0)]
            if (end.is_undecided | end.is_impossible)[only_ends].any():
                self._resolve_by_begins(end, only_ends, begins_us[only_ends], length_us[only_ends])
        _complete(start, end, no_start, no_end, length_us)
        for places in groups:
            self._decide_by_length(start, end, places)
            if not is_last:
                kept_back[places] = _is_of_last_night(
                    start, end, places, by_hours=bool(hours[places].any())
                )
        return start, end, kept_back

    def _resolve(self, ends: _Ends, places: Int64, hours: Int64 | None) -> None:
        if self._zone is None or not len(places):
            return
        wall_us = ends.utc_us[places].copy()
        is_falling = bool(self._directions[1] > self._directions[0])
        found = resolve(wall_us, self._zone, is_falling=is_falling)
        ends.utc_us[places], ends.second_us[places] = found.utc_us, found.second_us
        ends.is_impossible[places] = found.is_impossible
        ends.is_undecided[places] = found.is_undecided
        ends.is_twice[places] = found.is_twice
        if hours is None or not (hours[places] == 25).any():
            return
        # A day with an hour 25 is counted through.
        midnight_us = wall_us - hours[places] * HOUR_US
        of_25 = np.isin(midnight_us, midnight_us[hours[places] == 25])
        counted = places[of_25]
        begins = resolve(midnight_us[of_25], self._zone, is_falling=is_falling)
        ends.utc_us[counted] = begins.utc_us + hours[counted] * HOUR_US
        ends.second_us[counted] = ends.utc_us[counted]
        ends.is_impossible[counted] = ends.is_undecided[counted] = False

    def _resolve_by_begins(
        self, end: _Ends, places: Int64, begins_us: Int64, length_us: Int64
    ) -> None:
        """Of rows that end at 02:45, 03:00 and 02:15, which begin at 02:30, 02:45 and 02:00; and of
        one that ends at 02:00 when the clock goes on at 03:00, which begins before."""
        if self._zone is None:
            return
        is_falling = bool(self._directions[1] > self._directions[0])
        found = resolve(begins_us, self._zone, is_falling=is_falling)
        chosen = end.is_impossible[places] & ~found.is_impossible & ~found.is_undecided
        if not found.is_undecided.any():
            chosen[:] = True
        rows = places[chosen]
        end.utc_us[rows] = end.second_us[rows] = (found.utc_us + length_us)[chosen]
        end.is_impossible[rows] = found.is_impossible[chosen]
        end.is_undecided[rows] = False
        end.is_twice[rows] = found.is_twice[chosen]

    def _shorten(self, start: _Ends, end: _Ends, places: Int64, usual_us: int) -> None:
        """Of rows such as 02:00 to 03:00, which stand twice and end at a time that was shown once:
        the first one is as long as the others, too."""
        length_us = end.utc_us[places] - start.utc_us[places]
        decided = start.is_twice[places] & ~start.is_undecided[places]
        too_long = decided & (length_us == usual_us + HOUR_US)
        end.utc_us[places[too_long]] -= HOUR_US

    def _decide_by_length(self, start: _Ends, end: _Ends, places: Int64) -> None:
        """Of an undecided interval, the ends between which it is as long as most of the others."""
        undecided = start.is_undecided[places] | end.is_undecided[places]
        impossible = start.is_impossible[places] | end.is_impossible[places]
        known = places[~undecided & ~impossible]
        lengths, counts = np.unique(end.utc_us[known] - start.utc_us[known], return_counts=True)
        self._lengths.update(dict(zip(lengths.tolist(), counts.tolist(), strict=True)))
        if not self._lengths:
            return
        usual_us = self._lengths.most_common(1)[0][0]
        self._shorten(start, end, places, usual_us)
        if not undecided.any():
            return
        for place in places[undecided].tolist():
            fitting = [
                (at, until)
                for at in {int(start.utc_us[place]), int(start.second_us[place])}
                for until in {int(end.utc_us[place]), int(end.second_us[place])}
                if until - at == usual_us
            ]
            if len(fitting) == 1:
                ((start.utc_us[place], end.utc_us[place]),) = fitting
                start.is_undecided[place] = end.is_undecided[place] = False


def _complete(start: _Ends, end: _Ends, no_start: Bools, no_end: Bools, length_us: Int64) -> None:
    """An end that is not written follows from the other one: in time, not on the clock."""
    for ends, others, missing, by_us in (
        (start, end, no_start, -length_us),
        (end, start, no_end, length_us),
    ):
        if missing.any():
            ends.utc_us[missing] = (others.utc_us + by_us)[missing]
            ends.second_us[missing] = (others.second_us + by_us)[missing]
            for name in ("is_impossible", "is_undecided", "is_twice"):
                getattr(ends, name)[missing] = getattr(others, name)[missing]


def _is_of_last_night(start: _Ends, end: _Ends, places: Int64, *, by_hours: bool) -> Bools:
    """Whether each is at the end of its series, where rows of the same night may follow."""
    twice = start.is_twice[places] | end.is_twice[places]
    kept = np.zeros(len(places), dtype=np.bool_)
    if not twice.any():
        return kept
    at_us = end.utc_us[places]
    is_near = np.abs(at_us - at_us[twice][-1]) < DAY_US
    if twice[-1] or (by_hours and is_near[-1]):
        kept[np.flatnonzero(twice & is_near)[0] :] = True
    return kept


def moment(cell: str, format_: str, zone: ZoneInfo | None) -> Moment:
    """A time in ISO 8601 (`iso`), in seconds since 1970 (`unix`), or as of strptime. ValueError."""
    text = cell.strip()
    try:
        if format_ == "unix":
            at = from_us(0) + timedelta(seconds=float(text))
        elif format_ == "iso":
            at = datetime.fromisoformat(text)
        else:
            at = datetime.strptime(text, format_)  # noqa: DTZ007 - it may be local
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no time that can be read") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"{text[:40]!r} is no time of a measurement")
    if at.tzinfo is not None:
        return Moment(to_us(at), is_local=False)
    if zone is None:
        raise ValueError(f"{text[:40]!r} has no offset, and no time zone is given")
    return Moment(to_us(at.replace(tzinfo=UTC)), is_local=True)
