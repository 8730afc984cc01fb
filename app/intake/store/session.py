"""The log of measurements in memory and in the database, for who reads and for who changes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select, text

from app.intake.errors import IntakeFull
from app.intake.measurement import Int64
from app.intake.store.columns import NO_ROWS, Rows, Spans, last_of_each, numbered, unpack
from app.intake.store.days import Key, keys_of, read_days
from app.intake.store.recent import RecentRows
from app.intake.store.series import SeriesBook, SeriesName
from app.intake.store.tables import batch_table, import_table
from app.platform import Database

FULL_SHARE = 0.99
"""Of INTAKE__MAX_BYTES: what is taken last may take a little more."""
STAGING, PUBLISHED, FOLDED = "staging", "published", "folded"
"""States of an import: nobody sees it, everybody does, and its blocks are among those of all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrival:
    """Measurements as they came."""

    names: Sequence[SeriesName]
    codes: Sequence[str]
    rows: Rows
    """In the order in which they came; `series` and `code` are places in `names` and `codes`."""


@dataclass(frozen=True)
class PublishedImport:
    """An import whose blocks are not among those of everybody yet."""

    import_id: int
    published_seq: int


class Memory:
    """What is known of the log without reading it: series, recent rows, imports."""

    def __init__(self) -> None:
        self.series = SeriesBook()
        self.recent = RecentRows()
        self.imports: list[PublishedImport] = []
        self.seen_seq = self.compacted_seq = -1

    def numbered(self, connection: Connection, arrival: Arrival) -> Rows:
        """The rows that came, with the numbers of their series and codes."""
        rows = arrival.rows.copy()
        if len(rows):
            rows["series"] = self.series.ids(connection, arrival.names)[rows["series"]]
            rows["code"] = self.series.code_ids(connection, arrival.codes)[rows["code"]]
        return rows

    def known(self, connection: Connection, rows: Rows) -> Rows:
        """What is there of the times of these rows."""
        asked = self.series.may_be_known(rows)
        if not len(asked):
            return NO_ROWS
        keys, spans = self.keys(asked), self.spans(asked)
        recent = self.recent_layers(spans)
        layers = [*read_days(connection, keys, spans), *recent[0]]
        for number, each in enumerate(self.imports, start=1):
            of_import = read_days(connection, keys, spans, each.import_id)
            layers += [*numbered(of_import, each.published_seq), *recent[number]]
        return last_of_each(layers)

    def spans(self, rows: Rows) -> Spans:
        """The times in which something begins that may touch these rows, by series."""
        order = np.argsort(rows["series"], kind="stable")
        series, begins = np.unique(rows["series"][order], return_index=True)
        numbers = series.astype(np.int64)
        first = np.minimum.reduceat(rows["start"][order], begins) - self.series.longest_us(numbers)
        return Spans(numbers, first, np.maximum.reduceat(rows["end"][order], begins))

    def keys(self, rows: Rows) -> set[Key]:
        """The blocks in which something of the times of these rows may stand."""
        first = rows["start"] - self.series.longest_us(rows["series"])
        return keys_of(rows["series"], first, rows["end"])

    def recent_layers(self, spans: Spans) -> list[list[Rows]]:
        """The recent rows of these times: before the first import, and behind each."""
        cuts = [0, *(each.published_seq for each in self.imports), None]
        return [
            self.recent.of(spans, after=after or 0, through=through)
            for after, through in pairwise(cuts)
        ]


class LogSession:
    """Transactions on the log, with its memory as it is in the database.

    Several processes may change the log: each reads what the others wrote when it has the lock of
    the database. Safe for several threads.
    """

    def __init__(self, database: Database, *, max_bytes: int) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self.writing = threading.RLock()
        """Held by who changes the log."""
        self._lock = threading.RLock()
        """Guards what is in memory."""
        self.memory = Memory()

    @contextmanager
    def changing(
        self, *, numbers: int = 0, durable: bool = True, needs_room: bool = False
    ) -> Iterator[tuple[Connection, Row[Any]]]:
        """A transaction, alone of all threads and processes; and the state of the log, in which
        `newest_seq` is the caller's where it asks for a number.

        It is to be short: nobody else writes meanwhile. `durable`: as of `Database.write`.
        IntakeFull, before anything is done: it needs room, and there is none. After another error
        what is in memory is read again: the log may have changed all the same.
        """
        with self.writing, ExitStack() as until_committed:
            is_touched = False
            try:
                with self._database.write(durable=durable) as connection:
                    until_committed.enter_context(self._lock)
                    state = connection.execute(text(_LOCK_STATE), {"numbers": numbers}).one()
                    if needs_room and state.bytes >= self._max_bytes * FULL_SHARE:
                        raise _full()
                    is_touched = True
                    self._catch_up(connection, state, state.newest_seq - numbers)
                    yield connection, state
                self.memory.seen_seq = state.newest_seq
            except BaseException:
                if is_touched:
                    self.memory = Memory()
                raise

    def leading(self, series: Int64) -> list[SeriesName | None]:
        """The name of each series that was the first of its resource and quantity."""
        with self.reading() as connection, self.up_to_date(connection) as memory:
            return [memory.series.leading(number) for number in series.tolist()]

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection."""
        with self._database.read() as connection:
            yield connection

    @contextmanager
    def up_to_date(self, connection: Connection) -> Iterator[Memory]:
        """What is in memory, as it is in the database."""
        with self._lock:
            state = connection.execute(
                text("SELECT newest_seq, compacted_seq FROM measurement_state")
            ).one()
            try:
                self._catch_up(connection, state, state.newest_seq)
            except BaseException:
                self.memory = Memory()
                raise
            yield self.memory

    def _catch_up(self, connection: Connection, state: Row[Any], newest_seq: int) -> None:
        """What other processes wrote."""
        known = self.memory
        if (known.seen_seq, known.compacted_seq) == (newest_seq, state.compacted_seq):
            return
        imports = _published(connection)
        if known.compacted_seq != state.compacted_seq or imports != known.imports:
            known = Memory()
            known.imports, known.seen_seq = imports, state.compacted_seq
        known.series.load(connection)
        seals = [each.published_seq for each in imports if each.published_seq > known.seen_seq]
        batches = select(batch_table).where(
            batch_table.c.seq > known.seen_seq, batch_table.c.seq <= newest_seq
        )
        for row in connection.execute(batches.order_by(batch_table.c.seq)):
            while seals and seals[0] < row.seq:
                known.recent.seal()
                del seals[0]
            rows = unpack(row.body)
            known.series.follow(rows)
            known.recent.add(row.seq, rows)
        if seals:
            known.recent.seal()
        known.seen_seq, known.compacted_seq = newest_seq, state.compacted_seq
        self.memory = known


def _published(connection: Connection) -> list[PublishedImport]:
    query = (
        select(import_table.c.import_id, import_table.c.published_seq)
        .where(import_table.c.state == PUBLISHED)
        .order_by(import_table.c.published_seq)
    )
    return [PublishedImport(*row) for row in connection.execute(query)]


def _full() -> IntakeFull:
    return IntakeFull(
        "the store of measurements is full (INTAKE__MAX_BYTES): nothing is taken until there is"
        " more room, or what is older than INTAKE__KEEP is removed"
    )


def grow(connection: Connection, by_bytes: int) -> None:
    """The log takes so much more."""
    connection.execute(
        text("UPDATE measurement_state SET bytes = bytes + :grown"), {"grown": by_bytes}
    )


_LOCK_STATE = (
    "UPDATE measurement_state SET newest_seq = newest_seq + :numbers"
    " RETURNING newest_seq, compacted_seq, told_seq, owed_from_us, bytes"
)
