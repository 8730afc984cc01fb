"""Which series of measurements there are, by number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Row, select, text

from app.intake.measurement import Int64
from app.intake.store.columns import Rows
from app.intake.store.tables import code_table, series_table

LONG_AGO = -(1 << 62)
MAX_CODES = 10_000
"""Of qualities, that are kept; a column that was taken for one may hold anything."""


class SeriesName(NamedTuple):
    """What tells series apart."""

    ven_name: str
    resource_name: str
    quantity: str
    direction: str
    channel: str = ""


class SeriesBook:
    """The numbers of series and of quality codes, and how far each series goes.

    Numbers are given in the order in which they are needed, by whoever holds the lock of the log.
    """

    def __init__(self) -> None:
        self._ids: dict[SeriesName, int] = {}
        self._names: list[SeriesName] = []
        self._codes: dict[str, int] = {"": 0}
        self._newest_end = np.zeros(0, dtype=np.int64)
        self._longest = np.zeros(0, dtype=np.int64)

    def load(self, connection: Connection) -> None:
        """What is stored, and not known yet."""
        rows = connection.execute(
            select(series_table)
            .where(series_table.c.series_id >= len(self._names))
            .order_by(series_table.c.series_id)
        ).all()
        for row in rows:
            name = SeriesName(*row[1:6])
            self._ids[name] = len(self._names)
            self._names.append(name)
        newest, longest = (np.array(column, dtype=np.int64) for column in _ends(rows))
        self._newest_end = np.concatenate((self._newest_end, newest))
        self._longest = np.concatenate((self._longest, longest))
        codes = connection.execute(select(code_table))
        self._codes = {"": 0, **{row.code: row.code_id for row in codes}}

    def all(self) -> Iterable[tuple[int, SeriesName]]:
        """Every series."""
        return enumerate(self._names)

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
                self._ids[name] = len(self._names)
                self._names.append(name)
                new.append(name)
        if new:
            fresh = np.full(len(new), LONG_AGO, dtype=np.int64)
            self._newest_end = np.concatenate((self._newest_end, fresh))
            self._longest = np.concatenate((self._longest, np.zeros(len(new), dtype=np.int64)))
            connection.execute(
                series_table.insert(),
                [
                    {
                        **name._asdict(),
                        "series_id": self._ids[name],
                        "newest_end_us": LONG_AGO,
                        "longest_us": 0,
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

    def save(self, connection: Connection, rows: Rows) -> None:
        """How far the series of these rows go."""
        values = [
            {
                "id": number,
                "newest": int(self._newest_end[number]),
                "longest": int(self._longest[number]),
            }
            for number in np.unique(rows["series"]).tolist()
        ]
        if values:
            connection.execute(_FOLLOW, values)


def _ends(rows: Sequence[Row[Any]]) -> tuple[list[int], list[int]]:
    return [row.newest_end_us for row in rows], [row.longest_us for row in rows]


_FOLLOW = text(
    "UPDATE measurement_series SET"
    " newest_end_us = CASE WHEN newest_end_us < :newest THEN :newest ELSE newest_end_us END,"
    " longest_us = CASE WHEN longest_us < :longest THEN :longest ELSE longest_us END"
    " WHERE series_id = :id AND (newest_end_us < :newest OR longest_us < :longest)"
)
