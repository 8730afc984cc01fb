"""What of a copied store belongs to one shard: the rest is removed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, MetaData, Table, bindparam, delete, func, select, update

from app.intake import pack, unpack
from app.platform import Shard

T = TypeVar("T")
VALUES_AT_ONCE = 500
BATCHES_AT_ONCE = 100
SERIES = "measurement_series"
OF_ONE_SHARD = ("unknown_device", "tally")
"""What is told of the fleet as a whole: kept in one of the stores that come of one."""


def prune(connection: Connection, tables: MetaData, shard: Shard, *, is_first: bool) -> None:
    """Remove what is of VENs in other shards.

    `tables`: those of the store. `is_first`: of those that come of one store. Numbers stay as they
    are: cursors, and what devices and brokers were told, go on.
    """
    ven = _named(tables, "ven")
    names = connection.execute(select(ven.c.ven_name)).scalars()
    others = [name for name in names if not shard.has(name)]
    resource = _named(tables, "resource")
    for chunk in _chunks(others):
        keys = select(ven.c.ven_key).where(ven.c.ven_name.in_(chunk))
        connection.execute(delete(resource).where(resource.c.ven_key.in_(keys)))
        for table in reversed(tables.sorted_tables):
            if "ven_name" in table.c and table.name != SERIES:
                connection.execute(delete(table).where(table.c.ven_name.in_(chunk)))
    _prune_measurements(connection, tables, shard)
    if not is_first:
        for name in OF_ONE_SHARD:
            connection.execute(delete(_named(tables, name)))
        # Its own sessions at brokers: the others of the same name are those of its sibling.
        state = _named(tables, "order_state")
        connection.execute(update(state).values(run=secrets.token_hex(8)))


def _prune_measurements(connection: Connection, tables: MetaData, shard: Shard) -> None:
    """Values of others; a batch may hold some of many. Their series stay, which are numbered
    without gaps, and have no values."""
    series, day, batch, state = (
        _named(tables, f"measurement_{name}") for name in ("series", "day", "batch", "state")
    )
    found = connection.execute(select(series.c.series_id, series.c.ven_name)).all()
    own = np.array([row.series_id for row in found if shard.has(row.ven_name)], dtype=np.int64)
    for chunk in _chunks([row.series_id for row in found if not shard.has(row.ven_name)]):
        connection.execute(delete(day).where(day.c.series_id.in_(chunk)))
    after = -1
    while rows := connection.execute(
        select(batch.c.seq, batch.c.body)
        .where(batch.c.seq > after)
        .order_by(batch.c.seq)
        .limit(BATCHES_AT_ONCE)
    ).all():
        after = rows[-1].seq
        changed, empty = [], []
        for row in rows:
            values = unpack(row.body)
            kept = values[np.isin(values["series"], own)]
            if not len(kept):
                empty.append(row.seq)
            elif len(kept) < len(values):
                changed.append({"of_seq": row.seq, "body": pack(kept)})
        if changed:
            connection.execute(update(batch).where(batch.c.seq == bindparam("of_seq")), changed)
        connection.execute(delete(batch).where(batch.c.seq.in_(empty)))
    sizes = [select(func.sum(func.length(each.c.body))) for each in (batch, day)]
    stored = sum(int(connection.execute(size).scalar() or 0) for size in sizes)
    connection.execute(update(state).values(bytes=stored))


def _named(tables: MetaData, name: str) -> Table:
    """Whatever schema they are in."""
    return next(table for table in tables.sorted_tables if table.name == name)


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[at : at + VALUES_AT_ONCE] for at in range(0, len(values), VALUES_AT_ONCE))
