"""Blocks of a series and a day, in which measurements are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from sqlalchemy import Connection, Row, select, text

from app.intake.measurement import DAY_US, Int64
from app.intake.store.columns import (
    Rows,
    Spans,
    days_of,
    last_of_each,
    pack,
    unpack,
)
from app.intake.store.tables import day_table

VISIBLE = 0
"""The import of what everybody sees."""
CHUNK = 500
"""Blocks that one statement asks for."""
BLOCK_BYTES = 40
"""What a block takes beside its body, about."""
Key = tuple[int, int]
"""A series and a day."""


def keys_of(series: Int64, first_us: Int64, last_us: Int64) -> set[Key]:
    """The blocks of measurements that begin between two instants; of each series those given."""
    first, last = first_us // DAY_US, last_us // DAY_US
    pairs = np.unique(np.column_stack((series, first, last)), axis=0)
    return {(number, day) for number, begin, end in pairs.tolist() for day in range(begin, end + 1)}


def read_days(
    connection: Connection, keys: Iterable[Key], spans: Spans, import_id: int = VISIBLE
) -> list[Rows]:
    """What begins in these spans, of these blocks."""
    place = {number: at for at, number in enumerate(spans.series.tolist())}
    first, last = spans.first_us.tolist(), spans.last_us.tolist()
    found: list[Rows] = []
    for block in _blocks(connection, sorted(keys), import_id):
        rows, at = unpack(block.body), place[block.series_id]
        begin = int(np.searchsorted(rows["start"], first[at], side="left"))
        end = int(np.searchsorted(rows["start"], last[at], side="right"))
        if begin < end:
            found.append(rows[begin:end])
    return found


def _blocks(connection: Connection, keys: Sequence[Key], import_id: int) -> Sequence[Row[Any]]:
    """As the table has them."""
    if not keys:
        return []
    on_server = connection.dialect.name != "sqlite"
    values: dict[str, Any] = {"import_id": import_id}
    if on_server:
        values["series"], values["days"] = (list(column) for column in zip(*keys, strict=True))
    else:
        values["keys"] = orjson.dumps(keys).decode()
    return connection.execute(text(_ON_SERVER if on_server else _ON_SQLITE), values).all()


def read_spans(connection: Connection, spans: Spans, import_id: int = VISIBLE) -> list[Rows]:
    """What begins in these spans."""
    place = {number: at for at, number in enumerate(spans.series.tolist())}
    first, last = spans.first_us.tolist(), spans.last_us.tolist()
    days = np.column_stack((spans.series, spans.first_us // DAY_US, spans.last_us // DAY_US))
    found: list[Rows] = []
    for chosen in np.split(days, range(CHUNK, len(days), CHUNK)):
        on_server = connection.dialect.name != "sqlite"
        values: dict[str, Any] = {"import_id": import_id}
        if on_server:
            values |= {
                name: chosen[:, at].tolist() for at, name in enumerate(("series", "first", "last"))
            }
        else:
            values["spans"] = orjson.dumps(chosen.tolist()).decode()
        query = text(_SPANS_ON_SERVER if on_server else _SPANS_ON_SQLITE)
        for block in connection.execute(query, values):
            rows, at = unpack(block.body), place[block.series_id]
            begin = int(np.searchsorted(rows["start"], first[at], side="left"))
            end = int(np.searchsorted(rows["start"], last[at], side="right"))
            if begin < end:
                found.append(rows[begin:end])
    return found


def blocks_of_import(connection: Connection, import_id: int, limit: int) -> Sequence[Row[Any]]:
    """Some blocks of an import."""
    query = (
        select(day_table)
        .where(day_table.c.import_id == import_id)
        .order_by(day_table.c.series_id, day_table.c.day)
        .limit(limit)
    )
    return connection.execute(query).all()


def remove_of_import(connection: Connection, import_id: int, blocks: Sequence[Row[Any]]) -> int:
    """Remove these blocks of it; returns how many bytes they took."""
    if blocks:
        connection.execute(
            text(_DELETE),
            [
                {"series_id": row.series_id, "day": row.day, "import_id": import_id}
                for row in blocks
            ],
        )
    return sum(len(row.body) + BLOCK_BYTES for row in blocks)


def keep_of_import(connection: Connection, import_id: int, blocks: Sequence[Row[Any]]) -> None:
    """Set these blocks of it apart, until what came with them is told."""
    if blocks:
        connection.execute(
            text(_KEEP),
            [
                {"series_id": row.series_id, "day": row.day, "import_id": import_id}
                for row in blocks
            ],
        )


class Merged(NamedTuple):
    """Blocks that are to be stored."""

    blocks: list[dict[str, Any]]
    """Rows of their table."""
    grown: list[int]
    """By how many bytes each is larger than the one that it replaces."""

    def parts(self, blocks: int) -> Iterator[tuple[list[dict[str, Any]], int]]:
        """So many of them at a time, with what those take more."""
        for at in range(0, len(self.blocks), blocks):
            yield self.blocks[at : at + blocks], sum(self.grown[at : at + blocks])


def merged(
    connection: Connection, rows: Rows, *, taken_at_us: int, import_id: int = VISIBLE
) -> Merged:
    """Rows, in order, over what is in the blocks of their days."""
    blocks: list[dict[str, Any]] = []
    grown: list[int] = []
    by_block = _by_block(rows) if len(rows) else {}
    keys = list(by_block)
    for at in range(0, len(keys), CHUNK):
        chosen = keys[at : at + CHUNK]
        before = {(row.series_id, row.day): row for row in _blocks(connection, chosen, import_id)}
        for key in chosen:
            there = before.get(key)
            if there is None:
                body, taken = pack(by_block[key]), taken_at_us
                grown.append(len(body) + BLOCK_BYTES)
            else:
                body = pack(last_of_each([unpack(there.body), by_block[key]]))
                taken = max(taken_at_us, there.taken_at_us)
                grown.append(len(body) - len(there.body))
            blocks.append(
                {
                    "series_id": key[0],
                    "day": key[1],
                    "import_id": import_id,
                    "taken_at_us": taken,
                    "body": body,
                }
            )
    return Merged(blocks, grown)


def store(connection: Connection, blocks: Sequence[dict[str, Any]]) -> None:
    """Write these in place of those of the same series and days."""
    if blocks:
        connection.execute(_UPSERT, blocks)


def existing(connection: Connection, keys: Iterable[Key], import_id: int) -> list[Key]:
    """Those of these blocks that are there."""
    rows = _blocks(connection, sorted(keys), import_id)
    return [(row.series_id, row.day) for row in rows]


def read_block(connection: Connection, key: Key, import_id: int) -> Rows:
    """The rows of one block that is there."""
    (row,) = _blocks(connection, [key], import_id)
    return unpack(row.body)


def replace_block(connection: Connection, key: Key, import_id: int, rows: Rows) -> int:
    """Write one block that is there anew, with these rows; by how many bytes it grew."""
    (row,) = _blocks(connection, [key], import_id)
    body = pack(rows)
    store(connection, [{**row._mapping, "body": body}])
    return len(body) - len(row.body)


def _by_block(rows: Rows) -> dict[Key, Rows]:
    """Rows in order, by series and day."""
    days = days_of(rows)
    changes = (
        np.flatnonzero((rows["series"][1:] != rows["series"][:-1]) | (days[1:] != days[:-1])) + 1
    )
    begins = [0, *changes.tolist()]
    series, day = rows["series"][begins].tolist(), days[begins].tolist()
    return dict(zip(zip(series, day, strict=True), np.split(rows, changes), strict=True))


_ON_SQLITE = (
    "SELECT day.* FROM json_each(:keys) AS wanted CROSS JOIN measurement_day AS day"
    " ON day.series_id = json_extract(wanted.value, '$[0]')"
    " AND day.day = json_extract(wanted.value, '$[1]') AND day.import_id = :import_id"
)
_ON_SERVER = (
    "SELECT day.* FROM unnest(CAST(:series AS bigint[]), CAST(:days AS bigint[]))"
    " AS wanted (series_id, day) JOIN measurement_day AS day"
    " ON day.series_id = wanted.series_id AND day.day = wanted.day AND day.import_id = :import_id"
)
_SPANS_ON_SQLITE = (
    "SELECT day.series_id, day.body FROM json_each(:spans) AS wanted"
    " CROSS JOIN measurement_day AS day"
    " ON day.series_id = json_extract(wanted.value, '$[0]')"
    " AND day.day BETWEEN json_extract(wanted.value, '$[1]') AND json_extract(wanted.value, '$[2]')"
    " AND day.import_id = :import_id"
)
_SPANS_ON_SERVER = (
    "SELECT day.series_id, day.body FROM unnest(CAST(:series AS bigint[]),"
    " CAST(:first AS bigint[]), CAST(:last AS bigint[])) AS wanted (series_id, first, last)"
    " JOIN measurement_day AS day ON day.series_id = wanted.series_id"
    " AND day.day BETWEEN wanted.first AND wanted.last AND day.import_id = :import_id"
)
_DELETE = (
    "DELETE FROM measurement_day WHERE series_id = :series_id AND day = :day"
    " AND import_id = :import_id"
)
_KEEP = (
    "UPDATE measurement_day SET import_id = -import_id WHERE series_id = :series_id"
    " AND day = :day AND import_id = :import_id"
)
_UPSERT = text(
    "INSERT INTO measurement_day (series_id, day, import_id, taken_at_us, body)"
    " VALUES (:series_id, :day, :import_id, :taken_at_us, :body)"
    " ON CONFLICT (series_id, day, import_id)"
    " DO UPDATE SET taken_at_us = excluded.taken_at_us, body = excluded.body"
)
