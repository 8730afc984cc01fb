"""Sorts what came into days, and removes what is old, in short transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import text

from app.intake.store.columns import Rows, last_of_each, unpack
from app.intake.store.days import BLOCK_BYTES, blocks_of_import, merged, remove_of_import, store
from app.intake.store.session import LogSession, PublishedImport, grow
from app.platform import to_us

COMPACTED_ROWS = 200_000
"""That one step sorts into days, about."""
SORTED_AT_ONCE = 10_000
"""Of these, in one transaction."""
FOLDED_BLOCKS = 250
"""Of an import, that one transaction puts into those of everybody."""
MAX_BLOCKS = 2_000
"""Of old days, that one transaction removes."""
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

    def prune(self, before: datetime) -> bool:
        """Remove some days that came before this instant; whether there may be more.

        The last value of each register stays.
        """
        with self._session.changing() as (connection, _):
            chosen = connection.execute(
                text(_OLD_BLOCKS), {"before": to_us(before), "most": MAX_BLOCKS}
            ).all()
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
            removed = connection.execute(text(_BATCH_BYTES), where).scalar_one()
            connection.execute(text("DELETE FROM measurement_batch WHERE seq <= :through"), where)
            connection.execute(text("UPDATE measurement_state SET compacted_seq = :through"), where)
            grow(connection, -int(removed))
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
                by_age.setdefault(row.taken_at_us, []).append(unpack(row.body))
            for taken_at_us, parts in by_age.items():
                made = merged(connection, last_of_each(parts), taken_at_us=taken_at_us)
                store(connection, made.blocks)
                grown += sum(made.grown)
            grow(connection, grown - remove_of_import(connection, folded.import_id, blocks))
            if len(blocks) < FOLDED_BLOCKS:
                connection.execute(
                    text("DELETE FROM measurement_import WHERE import_id = :id"),
                    {"id": folded.import_id},
                )
                imports = self._session.memory.imports
                imports[:] = [each for each in imports if each != folded]


_BATCH_BYTES = (
    f"SELECT coalesce(sum(length(body) + {BLOCK_BYTES}), 0)"  # nosec B608
    " FROM measurement_batch WHERE seq <= :through"
)
_OLD_BLOCKS = (
    "SELECT series_id, day, length(body) AS bytes FROM measurement_day AS old"
    " WHERE taken_at_us < :before AND import_id = 0 AND NOT (EXISTS (SELECT 1 FROM"
    " measurement_series WHERE series_id = old.series_id AND quantity = 'REGISTER')"
    " AND day = (SELECT max(day) FROM measurement_day WHERE series_id = old.series_id"
    " AND import_id = 0)) ORDER BY taken_at_us LIMIT :most"
)
_DELETE_BLOCK = (
    "DELETE FROM measurement_day WHERE series_id = :series_id AND day = :day AND import_id = 0"
)
