"""Sorts what came into days, and removes what is old, in short transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, select, text

from app.intake.measurement import DAY_US, END_US
from app.intake.store.columns import Rows, last_of_each, numbered, unpack
from app.intake.store.days import (
    BLOCK_BYTES,
    blocks_of_import,
    keep_of_import,
    merged,
    remove_of_import,
    store,
)
from app.intake.store.session import FOLDED, LogSession, PublishedImport, grow
from app.intake.store.tables import import_table
from app.platform import to_us

COMPACTED_ROWS = 200_000
"""That one step sorts into days, about."""
SORTED_AT_ONCE = 10_000
"""Of these, in one transaction."""
FOLDED_BLOCKS = 250
"""Of an import, that one transaction puts into those of everybody."""
MAX_BLOCKS = 2_000
"""Of old days, that one transaction removes."""
DAYS_BEFORE_OWED = 3
"""That are kept with what is owed: the values of registers before it."""
PAUSE_S = 0.001
"""Between two transactions, for others that write."""


class Compaction:
    """Each step is a few short transactions: what is not done when it is interrupted is done by the
    next one. Safe for several threads and processes, of which one sorts at a time.

    `pause`: waits so many seconds.
    """

    def __init__(
        self,
        *,
        session: LogSession,
        clock: Callable[[], datetime],
        pause: Callable[[float], object],
    ) -> None:
        self._session = session
        self._clock = clock
        self._pause = pause
        self._compacting = threading.Lock()
        """Held by the one who sorts."""

    @property
    def rows_waiting(self) -> int:
        """How many rows that this process knows of are in no block yet."""
        return self._session.memory.recent.count

    def newest_seq(self) -> int:
        """The number of the newest batch."""
        with self._session.reading() as connection:
            query = text("SELECT newest_seq FROM measurement_state")
            return int(connection.execute(query).scalar_one())

    def compact(self, through: int | None = None) -> bool:
        """Sort some of what came into days; whether there is more.

        `through`: of batches up to this number, so that it comes to an end.
        """
        with self._compacting:
            with self._session.changing(durable=False) as (_, state):
                memory = self._session.memory
                newest = state.newest_seq if through is None else through
                imports = [each for each in memory.imports if each.published_seq <= newest]
                last = imports[0].published_seq - 1 if imports else newest
                runs = list(memory.recent.oldest(COMPACTED_ROWS, through=last))
                compacted = state.compacted_seq
            if runs:
                self._sort(compacted, runs[-1].last_seq, last_of_each([run.rows for run in runs]))
            elif imports:
                self._fold(compacted, imports[0])
            return bool(runs or imports)

    def drop_told(self) -> bool:
        """Remove what is sorted and was told to all who tell it; whether there may be more."""
        with self._session.changing() as (connection, state):
            _drop_batches(connection, min(state.compacted_seq, state.told_seq))
            query = select(import_table.c.import_id).where(
                import_table.c.state == FOLDED, import_table.c.published_seq <= state.told_seq
            )
            import_id = connection.execute(query).scalar()
            if import_id is None:
                return False
            blocks = blocks_of_import(connection, -import_id, MAX_BLOCKS)
            grow(connection, -remove_of_import(connection, -import_id, blocks))
            if len(blocks) < MAX_BLOCKS:
                gone = import_table.c.import_id == import_id
                connection.execute(import_table.delete().where(gone))
            return True

    def prune(self, before: datetime) -> bool:
        """Remove some days that came before this instant; whether there may be more.

        The last value of each register stays, and what a report owes.
        """
        with self._session.changing() as (connection, state):
            owed_from_us = END_US if state.owed_from_us is None else state.owed_from_us
            where = {
                "before": to_us(before),
                "owed_from": owed_from_us // DAY_US - DAYS_BEFORE_OWED,
                "most": MAX_BLOCKS,
            }
            chosen = connection.execute(text(_OLD_BLOCKS), where).all()
            if chosen:
                connection.execute(
                    text(_DELETE_BLOCK),
                    [{"series_id": row.series_id, "day": row.day} for row in chosen],
                )
                grow(connection, -sum(row.bytes + BLOCK_BYTES for row in chosen))
            return len(chosen) == MAX_BLOCKS

    def _sort(self, compacted: int, through: int, rows: Rows) -> None:
        """Put rows into their days, some at a time, and only then remove their batches: in between
        they are in both, and the same. `compacted`: what was sorted when they were found."""
        for at in range(0, len(rows), SORTED_AT_ONCE):
            with self._session.changing(durable=False) as (connection, state):
                if state.compacted_seq != compacted:
                    return  # another process was faster
                part = rows[at : at + SORTED_AT_ONCE]
                made = merged(connection, part, taken_at_us=to_us(self._clock()))
                store(connection, made.blocks)
                grow(connection, sum(made.grown))
                self._session.memory.series.save(connection, part)
            self._pause(PAUSE_S)
        with self._session.changing() as (connection, state):
            if state.compacted_seq != compacted:
                return
            where = {"through": through}
            connection.execute(text("UPDATE measurement_state SET compacted_seq = :through"), where)
            _drop_batches(connection, min(through, state.told_seq))
            self._session.memory.compacted_seq = through
            self._session.memory.recent.drop_through(through)

    def _fold(self, compacted: int, folded: PublishedImport) -> None:
        """Put some blocks of an import into those of everybody."""
        with self._session.changing(durable=False) as (connection, state):
            if state.compacted_seq != compacted:
                return  # another process goes on
            blocks = blocks_of_import(connection, folded.import_id, FOLDED_BLOCKS)
            grown = 0
            by_age: dict[int, list[Rows]] = {}
            for row in blocks:
                rows = numbered([unpack(row.body)], folded.published_seq)
                by_age.setdefault(row.taken_at_us, []).extend(rows)
            for taken_at_us, parts in by_age.items():
                made = merged(connection, last_of_each(parts), taken_at_us=taken_at_us)
                store(connection, made.blocks)
                grown += sum(made.grown)
            if folded.published_seq > state.told_seq:
                keep_of_import(connection, folded.import_id, blocks)
            else:
                grown -= remove_of_import(connection, folded.import_id, blocks)
            grow(connection, grown)
            if len(blocks) < FOLDED_BLOCKS:
                connection.execute(
                    import_table.update()
                    .where(import_table.c.import_id == folded.import_id)
                    .values(state=FOLDED)
                )
                imports = self._session.memory.imports
                imports[:] = [each for each in imports if each != folded]


def _drop_batches(connection: Connection, through: int) -> None:
    where = {"through": through}
    removed = connection.execute(text(_BATCH_BYTES), where).scalar_one()
    if removed:
        connection.execute(text("DELETE FROM measurement_batch WHERE seq <= :through"), where)
        grow(connection, -int(removed))


_BATCH_BYTES = (
    f"SELECT coalesce(sum(length(body) + {BLOCK_BYTES}), 0)"  # nosec B608
    " FROM measurement_batch WHERE seq <= :through"
)
_OLD_BLOCKS = (
    "SELECT series_id, day, length(body) AS bytes FROM measurement_day AS old"
    " WHERE taken_at_us < :before AND day < :owed_from AND import_id = 0"
    " AND NOT (EXISTS (SELECT 1 FROM measurement_series"
    " WHERE series_id = old.series_id AND quantity = 'REGISTER')"
    " AND day = (SELECT max(day) FROM measurement_day WHERE series_id = old.series_id"
    " AND import_id = 0)) ORDER BY taken_at_us LIMIT :most"
)
_DELETE_BLOCK = (
    "DELETE FROM measurement_day WHERE series_id = :series_id AND day = :day AND import_id = 0"
)
