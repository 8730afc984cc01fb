"""Imports: staged where nobody sees them, and then there at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, select, text

from app.intake.store.columns import CORRECTS, last_of_each
from app.intake.store.days import (
    Key,
    Merged,
    blocks_of_import,
    existing,
    merged,
    read_block,
    read_days,
    remove_of_import,
    replace_block,
    store,
)
from app.intake.store.judge import Judged, judge
from app.intake.store.session import (
    PUBLISHED,
    STAGING,
    Arrival,
    LogSession,
    PublishedImport,
    grow,
)
from app.intake.store.tables import import_table
from app.platform import OperationalError, to_us

STORED_BLOCKS = 250
"""That one transaction writes."""
MAX_BLOCKS = 2_000
"""That one transaction removes."""
ABANDONED_AFTER = timedelta(days=7)
"""Since it was begun, or gone on with."""


class Begun(NamedTuple):
    """An import that is staged."""

    import_id: int
    owner: str
    """Who stages it: another one that begins it takes it over."""
    values: int
    """Of its files that were read before it was interrupted."""
    receipt: str
    """What became of those, as it was given to `stage`."""


class Imports:
    """Safe for several threads."""

    def __init__(
        self,
        *,
        session: LogSession,
        clock: Callable[[], datetime],
        make_owner: Callable[[], str] = secrets.token_hex,
    ) -> None:
        self._session = session
        self._clock = clock
        self._make_owner = make_owner

    def begin(self, digest: str) -> Begun:
        """`digest`: what tells one import from another, so that a repeat goes on.

        Another command that is at the same import fails with its next step.
        """
        owner, now_us = self._make_owner(), to_us(self._clock())
        with self._session.changing() as (connection, _):
            known = connection.execute(
                select(import_table).where(import_table.c.digest == digest)
            ).first()
            if known is not None:
                chosen = import_table.update().where(import_table.c.import_id == known.import_id)
                if known.state == STAGING:
                    connection.execute(chosen.values(owner=owner, touched_at_us=now_us))
                    return Begun(known.import_id, owner, known.values_staged, known.receipt)
                # The same files once more.
                connection.execute(chosen.values(digest=str(known.import_id)))
            import_id = connection.execute(text(_NEXT_NUMBER)).scalar_one()
            values = {
                "import_id": import_id,
                "digest": digest,
                "begun_at_us": now_us,
                "touched_at_us": now_us,
                "owner": owner,
                "values_staged": 0,
                "published_seq": 0,
                "state": STAGING,
                "receipt": "",
            }
            connection.execute(import_table.insert(), values)
            return Begun(import_id, owner, 0, "")

    def stage(
        self, begun: Begun, arrival: Arrival, *, values: int, receipt: Callable[[Judged], str]
    ) -> Judged:
        """Store what is new of it; nobody sees it before `publish`, which makes it durable.

        `values`: how many of its files are read with these; `receipt`: what is kept beside it, for
        an import that goes on. IntakeFull. OperationalError: another command is at the same import.
        """
        judged, made = self._judged(begun.import_id, arrival)
        # The rest is done in quick steps, so that who meters and reports need not wait; what is
        # interrupted in between is stored once more, over itself.
        for blocks, grown in made.parts(STORED_BLOCKS):
            with self._session.changing(durable=False, needs_room=True) as (connection, _):
                _goes_on(connection, begun)
                store(connection, blocks)
                grow(connection, grown)
        with self._session.changing(durable=False) as (connection, _):
            self._session.memory.series.follow(judged.rows)
            self._session.memory.series.save(connection, judged.rows)
            _goes_on(connection, begun, values_staged=values, receipt=receipt(judged))
        return judged

    def publish(self, begun: Begun, *, whole: bool) -> int:
        """From now on, everybody sees what was staged; returns 0.

        Of what others took meanwhile, a value of the same time stays, being newer. Intervals of
        theirs that overlap are counted and returned, and then nothing is published where it is to
        be `whole`; else those of the import are left out.
        """
        with self._session.changing(numbers=1) as (connection, state):
            overlapping = self._give_way(connection, begun)
            if overlapping and whole:
                return overlapping
            _goes_on(connection, begun, state=PUBLISHED, published_seq=state.newest_seq)
            memory = self._session.memory
            memory.imports.append(PublishedImport(begun.import_id, state.newest_seq))
            memory.recent.seal()
            return overlapping

    def discard(self, begun: Begun) -> None:
        """Forget what was staged."""
        more = True
        while more:
            with self._session.changing() as (connection, _):
                _goes_on(connection, begun)
                more = _discard_some(connection, begun.import_id)

    def discard_abandoned(self) -> bool:
        """Forget some of what was staged long ago and never taken; whether there may be more."""
        before_us = to_us(self._clock() - ABANDONED_AFTER)
        with self._session.changing() as (connection, _):
            found = connection.execute(
                select(import_table.c.import_id).where(
                    import_table.c.state == STAGING, import_table.c.touched_at_us < before_us
                )
            ).first()
            if found is None:
                return False
            _discard_some(connection, found.import_id)
            return True

    def _give_way(self, connection: Connection, begun: Begun) -> int:
        """Leave out what others took meanwhile; how many intervals overlap theirs.

        What was there before it was staged, it corrects, and says so.
        """
        memory = self._session.memory
        overlapping = 0
        for key in self._touched_meanwhile(connection, begun):
            rows = read_block(connection, key, begun.import_id)
            known = memory.known(connection, rows)
            judged = judge(rows, known)
            times = set(known[["series", "start", "end"]].tolist())
            is_there = [each in times for each in rows[["series", "start", "end"]].tolist()]
            kept = ((rows["flags"] & CORRECTS) != 0) | ~np.array(is_there, dtype=np.bool_)
            kept[judged.overlapping] = False
            overlapping += len(judged.overlapping)
            if not kept.all():
                grow(connection, replace_block(connection, key, begun.import_id, rows[kept]))
        return overlapping

    def _touched_meanwhile(self, connection: Connection, begun: Begun) -> list[Key]:
        """Blocks of the import about which others have said something since it was begun."""
        found = connection.execute(text(_TOUCHED), {"import_id": begun.import_id}).all()
        near = {
            (series_id, day + by)
            for series_id, day in self._session.memory.recent.days()
            for by in (-1, 0, 1)
        }
        return sorted({*map(tuple, found), *existing(connection, near, begun.import_id)})

    def _judged(self, import_id: int, arrival: Arrival) -> tuple[Judged, Merged]:
        """What is new of it, in blocks."""
        self._make_series(arrival)
        with self._session.reading() as connection:
            with self._session.up_to_date(connection) as memory:
                rows = memory.numbered(connection, arrival)
                known = memory.known(connection, rows)
                keys, spans = memory.keys(rows), memory.spans(rows)
            own = read_days(connection, keys, spans, import_id)
            judged = judge(rows, last_of_each([known, *own]))
            now_us = to_us(self._clock())
            made = merged(connection, judged.rows, taken_at_us=now_us, import_id=import_id)
        return judged, made

    def _make_series(self, arrival: Arrival) -> None:
        """Those that there are none of."""
        with (
            self._session.reading() as connection,
            self._session.up_to_date(connection) as memory,
        ):
            if memory.series.knows(arrival.names, arrival.codes):
                return
        # With a number, so that other processes look for them.
        with self._session.changing(numbers=1) as (connection, _):
            self._session.memory.numbered(connection, arrival)


def _goes_on(connection: Connection, begun: Begun, **values: Any) -> None:
    """Change the import as its owner. OperationalError: it is no longer ours, or published."""
    changed = connection.execute(
        import_table.update()
        .where(
            import_table.c.import_id == begun.import_id,
            import_table.c.owner == begun.owner,
            import_table.c.state == STAGING,
        )
        .values(owner=begun.owner, **values)
    )
    if changed.rowcount != 1:
        raise OperationalError("another command imports the same files")


def _discard_some(connection: Connection, import_id: int) -> bool:
    """Whether there is more of it."""
    blocks = blocks_of_import(connection, import_id, MAX_BLOCKS)
    grow(connection, -remove_of_import(connection, import_id, blocks))
    if len(blocks) == MAX_BLOCKS:
        return True
    connection.execute(import_table.delete().where(import_table.c.import_id == import_id))
    return False


_TOUCHED = (
    "SELECT DISTINCT staged.series_id, staged.day FROM measurement_import AS own"
    " JOIN measurement_day AS seen"
    " ON seen.taken_at_us >= own.begun_at_us AND seen.import_id = 0"
    " JOIN measurement_day AS staged ON staged.series_id = seen.series_id"
    " AND staged.day BETWEEN seen.day - 1 AND seen.day + 1"
    " AND staged.import_id = own.import_id WHERE own.import_id = :import_id"
)
_NEXT_NUMBER = (
    "UPDATE measurement_state SET newest_import = newest_import + 1 RETURNING newest_import"
)
