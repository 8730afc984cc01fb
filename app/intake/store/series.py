"""Which series of measurements there are, by number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, select, text

from app.intake.measurement import Bools, Int64, Quality
from app.intake.store.columns import NO_ROWS, ROW, Rows
from app.intake.store.tables import code_table, series_table

LONG_AGO = -(1 << 62)
NEVER = 1 << 62
"""How short the intervals of a series are that has nothing yet."""
MAX_CODES = 10_000
"""Of qualities, that are kept; a column that was taken for one may hold anything."""


class SeriesName(NamedTuple):
    """What tells series apart."""

    ven_name: str
    resource_name: str
    quantity: str
    direction: str
    channel: str = ""


class KnownSeries(NamedTuple):
    """What is known of a series without reading it."""

    number: int
    name: SeriesName
    newest_us: int
    """Its newest end, in microseconds since 1970; far below 0: it has none."""
    longest_us: int
    """How long its intervals are at most; 0: it has none."""
    shortest_us: int
    """How long they are at the least; 0: it has instants."""


class SeriesBook:
    """The numbers of series and of quality codes, and how far each series goes.

    Numbers are given in the order in which they are needed, by whoever holds the lock of the log.
    """

    def __init__(self) -> None:
        self._ids: dict[SeriesName, int] = {}
        self._names: list[SeriesName] = []
        self._of_resource: dict[tuple[str, str], list[int]] = {}
        self._codes: dict[str, int] = {"": 0}
        self._newest_end = np.zeros(0, dtype=np.int64)
        self._longest = np.zeros(0, dtype=np.int64)
        self._shortest = np.zeros(0, dtype=np.int64)
        self._last, self._before = NO_ROWS, NO_ROWS
        """By number, the newest row that is not BAD, and the one before it; zeros: not known."""

    def load(self, connection: Connection) -> None:
        """What is stored, and not known yet."""
        rows = connection.execute(
            select(series_table)
            .where(series_table.c.series_id >= len(self._names))
            .order_by(series_table.c.series_id)
        ).all()
        for row in rows:
            self._add(SeriesName(*row[1:6]))
        newest, longest, shortest = (
            np.array([getattr(row, name) for row in rows], dtype=np.int64)
            for name in ("newest_end_us", "longest_us", "shortest_us")
        )
        self._newest_end = np.concatenate((self._newest_end, newest))
        self._longest = np.concatenate((self._longest, longest))
        self._shortest = np.concatenate((self._shortest, shortest))
        self._make_room()
        codes = connection.execute(select(code_table))
        self._codes = {"": 0, **{row.code: row.code_id for row in codes}}

    def __len__(self) -> int:
        return len(self._names)

    def all(self) -> Iterable[tuple[int, SeriesName]]:
        """Every series."""
        return enumerate(self._names)

    def of_resource(self, ven_name: str, resource_name: str) -> Iterable[KnownSeries]:
        """The series of one resource."""
        for number in self._of_resource.get((ven_name, resource_name), ()):
            yield KnownSeries(
                number,
                self._names[number],
                int(self._newest_end[number]),
                int(self._longest[number]),
                int(self._shortest[number]),
            )

    def name(self, number: int) -> SeriesName:
        """Of a series."""
        return self._names[number]

    def leading(self, number: int) -> SeriesName | None:
        """The name of a series, if it was the first of its resource and quantity."""
        name = self._names[number]
        first = next(
            each
            for each in self._of_resource[name.ven_name, name.resource_name]
            if self._names[each].quantity == name.quantity
        )
        return name if first == number else None

    def knows(self, names: Sequence[SeriesName], codes: Sequence[str]) -> bool:
        """Whether none of these is to be made."""
        return all(name in self._ids for name in names) and all(
            code in self._codes or len(self._codes) >= MAX_CODES for code in codes
        )

    def ids(self, connection: Connection, names: Sequence[SeriesName]) -> Int64:
        """The number of each, made where there is none."""
        new: list[SeriesName] = []
        for name in names:
            if name not in self._ids:
                self._add(name)
                new.append(name)
        if new:
            fresh = np.full(len(new), LONG_AGO, dtype=np.int64)
            self._newest_end = np.concatenate((self._newest_end, fresh))
            self._longest = np.concatenate((self._longest, np.zeros(len(new), dtype=np.int64)))
            self._shortest = np.concatenate((self._shortest, np.full(len(new), NEVER)))
            self._make_room()
            connection.execute(
                series_table.insert(),
                [
                    {
                        **name._asdict(),
                        "series_id": self._ids[name],
                        "newest_end_us": LONG_AGO,
                        "longest_us": 0,
                        "shortest_us": NEVER,
                    }
                    for name in new
                ],
            )
        return np.array([self._ids[name] for name in names], dtype=np.int64)

    def code_ids(self, connection: Connection, codes: Sequence[str]) -> Int64:
        """The number of each, made where there is none; of too many, that of the blank one."""
        for code in codes:
            if code not in self._codes and len(self._codes) < MAX_CODES:
                self._codes[code] = len(self._codes)
                connection.execute(
                    code_table.insert(), {"code_id": self._codes[code], "code": code}
                )
        return np.array([self._codes.get(code, 0) for code in codes], dtype=np.int64)

    def may_be_known(self, rows: Rows) -> Rows:
        """Those that do not follow everything that their series has."""
        newest = self._newest_end[rows["series"]]
        is_instant = rows["end"] == rows["start"]
        chosen = (rows["start"] < newest) | (is_instant & (rows["start"] == newest))
        return np.asarray(rows[chosen])

    def is_behind(self, rows: Rows) -> Bools:
        """Whether each begins before the newest end of its series."""
        return np.asarray(rows["start"] < self._newest_end[rows["series"]])

    def longest_us(self, series: Int64) -> Int64:
        """How long an interval of each series may be."""
        return self._longest[series]

    def newest_end_us(self, series: int) -> int:
        """The newest end of a series; far below 0: it has none."""
        return int(self._newest_end[series])

    def follow(self, rows: Rows) -> None:
        """These are stored."""
        np.maximum.at(self._newest_end, rows["series"], rows["end"])
        np.maximum.at(self._longest, rows["series"], rows["end"] - rows["start"])
        np.minimum.at(self._shortest, rows["series"], rows["end"] - rows["start"])
        self.remember(rows)

    def remember(self, rows: Rows) -> None:
        """These, in order, may be the newest of their series."""
        good = rows[rows["quality"] != Quality.BAD]
        if not len(good):
            return
        ends = np.flatnonzero(np.append(good["series"][1:] != good["series"][:-1], True))
        for at in (ends - 1, ends):  # the last but one first: it may be the one before
            begins = np.append(0, ends[:-1] + 1)
            rising = good[at[at >= begins]]
            numbers = rising["series"]
            follows = rising["end"] > self._last["end"][numbers]
            self._before[numbers[follows]] = self._last[numbers[follows]]
            replaces = rising["end"] >= self._last["end"][numbers]
            self._last[numbers[replaces]] = rising[replaces]

    def newest(self, series: Int64) -> tuple[Rows, Rows]:
        """The newest row of each, and the one before it; all zeros where that is not known."""
        return self._last[series], self._before[series]

    def save(self, connection: Connection, rows: Rows) -> None:
        """How far the series of these rows go."""
        values = [
            {
                "id": number,
                "newest": int(self._newest_end[number]),
                "longest": int(self._longest[number]),
                "shortest": int(self._shortest[number]),
            }
            for number in np.unique(rows["series"]).tolist()
        ]
        if values:
            connection.execute(_FOLLOW, values)

    def _make_room(self) -> None:
        more = np.zeros(len(self._names) - len(self._last), dtype=ROW)
        self._last = np.concatenate((self._last, more))
        self._before = np.concatenate((self._before, more))

    def _add(self, name: SeriesName) -> None:
        number = self._ids[name] = len(self._names)
        self._names.append(name)
        self._of_resource.setdefault((name.ven_name, name.resource_name), []).append(number)


_FOLLOW = text(
    "UPDATE measurement_series SET"
    " newest_end_us = CASE WHEN newest_end_us < :newest THEN :newest ELSE newest_end_us END,"
    " longest_us = CASE WHEN longest_us < :longest THEN :longest ELSE longest_us END,"
    " shortest_us = CASE WHEN shortest_us > :shortest THEN :shortest ELSE shortest_us END"
    " WHERE series_id = :id"
    " AND (newest_end_us < :newest OR longest_us < :longest OR shortest_us > :shortest)"
)
