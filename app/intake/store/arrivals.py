"""The order in which measurements came: who tells of them reads on from where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
from sqlalchemy import select, text

from app.intake.measurement import DAY_US, END_US, FIRST_US, Int64
from app.intake.store.columns import BEHIND, NO_ROWS, Rows, Spans, in_order, numbered, unpack
from app.intake.store.days import read_spans
from app.intake.store.series import SeriesName
from app.intake.store.session import FOLDED, PUBLISHED, LogSession
from app.intake.store.tables import batch_table, import_table
from app.platform import to_us

PIECEWISE = {"yield_per": 64}


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrived:
    """What came at once."""

    seq: int
    """Its number, which rises."""
    taken_at_us: int
    """When, in microseconds since 1970."""
    rows: Rows = field(default_factory=NO_ROWS.copy)
    """Of a batch, in order. Those with another `seq` correct what came before."""
    import_id: int | None = None
    """Of an import, whose rows are read for some series at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrivals:
    """What came between two numbers."""

    after: int
    through: int
    """Nothing else came up to this number."""
    arrived: Sequence[Arrived]
    """In order."""


class ChangedSeries(NamedTuple):
    """A time of a series of which something came."""

    number: int
    name: SeriesName
    first_us: int
    last_us: int
    is_behind: bool
    """Whether some of it came behind something later, or corrects something."""


class ArrivalLog:
    """Reads batches and imports in the order in which they came. Safe for several threads.

    They are kept until `told_through` says that everybody has passed them.
    """

    def __init__(self, session: LogSession) -> None:
        self._session = session

    def newest_seq(self) -> int:
        """The number of what came last; 0 when nothing did."""
        return self.told_and_newest()[1]

    def told_and_newest(self) -> tuple[int, int]:
        """The number up to which nobody needs anything, and that of what came last."""
        with self._session.reading() as connection:
            query = text("SELECT told_seq, newest_seq FROM measurement_state")
            told, newest = connection.execute(query).one()
            return int(told), int(newest)

    def told_through(self, seq: int) -> None:
        """Nobody needs what came up to this number any more."""
        if self.told_and_newest()[0] >= seq:
            return
        with self._session.changing(durable=False) as (connection, _):
            connection.execute(
                text("UPDATE measurement_state SET told_seq = :seq WHERE told_seq < :seq"),
                {"seq": seq},
            )

    def owed_from(self, instant: datetime | None) -> None:
        """A report owes what was measured from this instant on; None: nothing that came is owed."""
        owed_us = None if instant is None else to_us(instant)
        with self._session.reading() as connection:
            known = connection.execute(text("SELECT owed_from_us FROM measurement_state")).scalar()
        if known != owed_us:
            with self._session.changing(durable=False) as (connection, _):
                connection.execute(
                    text("UPDATE measurement_state SET owed_from_us = :owed"), {"owed": owed_us}
                )

    def since(self, after: int, *, most_rows: int) -> Arrivals:
        """What came after this number, the oldest first: about so many rows, at least one batch."""
        arrived: list[Arrived] = []
        with self._session.reading() as connection:
            query = text("SELECT newest_seq FROM measurement_state")
            through = int(connection.execute(query).scalar_one())
            batches = (
                select(batch_table.c.seq, batch_table.c.taken_at_us, batch_table.c.body)
                .where(batch_table.c.seq > after, batch_table.c.seq <= through)
                .order_by(batch_table.c.seq)
            )
            with connection.execute(batches, execution_options=PIECEWISE) as found:
                for seq, taken_at_us, body in found:
                    rows = unpack(body)
                    arrived.append(Arrived(seq=seq, taken_at_us=taken_at_us, rows=rows))
                    most_rows -= len(arrived[-1].rows)
                    if most_rows <= 0:
                        through = seq
                        break
            imports = select(
                import_table.c.import_id,
                import_table.c.published_seq,
                import_table.c.touched_at_us,
            ).where(
                import_table.c.state.in_((PUBLISHED, FOLDED)),
                import_table.c.published_seq > after,
                import_table.c.published_seq <= through,
            )
            arrived += [
                Arrived(seq=seq, taken_at_us=taken_at_us, import_id=import_id)
                for import_id, seq, taken_at_us in connection.execute(imports)
            ]
        arrived.sort(key=lambda each: each.seq)
        return Arrivals(after=after, through=through, arrived=arrived)

    def of_import(self, arrived: Arrived, series: Int64) -> Rows:
        """The rows of some series of an import, in order."""
        if arrived.import_id is None or not len(series):
            return NO_ROWS
        always = Spans(
            np.sort(series), np.full(len(series), FIRST_US), np.full(len(series), END_US)
        )
        with self._session.reading() as connection:
            parts = [
                *read_spans(connection, always, arrived.import_id),
                *read_spans(connection, always, -arrived.import_id),
            ]
        return in_order(np.concatenate(numbered(parts, arrived.seq))) if parts else NO_ROWS

    def changed_series(self, arrived: Arrived) -> list[ChangedSeries]:
        """The series of which something came, with the time that it is about."""
        with self._session.reading() as connection, self._session.up_to_date(connection) as memory:
            if arrived.import_id is not None:
                where = {"own": arrived.import_id, "kept": -arrived.import_id}
                spans = [
                    (number, first * DAY_US, (last + 1) * DAY_US)
                    for number, first, last in connection.execute(text(_DAYS_OF_IMPORT), where)
                ]
                longest = memory.series.longest_us(np.array([each[0] for each in spans], int))
                spans = [
                    (number, first, last + more)
                    for (number, first, last), more in zip(spans, longest.tolist(), strict=True)
                ]
            else:
                rows = arrived.rows
                numbers, begins = np.unique(rows["series"], return_index=True)
                spans = list(
                    zip(
                        numbers.tolist(),
                        np.minimum.reduceat(rows["start"], begins).tolist() if len(rows) else [],
                        np.maximum.reduceat(rows["end"], begins).tolist() if len(rows) else [],
                        strict=True,
                    )
                )
            behind = _series_behind(arrived)
            return [
                ChangedSeries(
                    number,
                    memory.series.name(number),
                    first,
                    last,
                    behind is None or number in behind,
                )
                for number, first, last in spans
            ]


def _series_behind(arrived: Arrived) -> set[int] | None:
    """Those of which something came behind something later; None, of an import: perhaps all."""
    if arrived.import_id is not None:
        return None
    rows = arrived.rows
    is_behind = ((rows["flags"] & BEHIND) != 0) | (rows["seq"] < arrived.seq)
    return set(rows["series"][is_behind].tolist())


_DAYS_OF_IMPORT = (
    "SELECT series_id, min(day), max(day) FROM measurement_day"
    " WHERE import_id IN (:own, :kept) AND import_id <> 0 GROUP BY series_id"
)
