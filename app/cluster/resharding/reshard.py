"""Cuts each store of a fleet into several: a shard is split, and never merged."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, func, insert, select

from app.cluster.resharding.errors import ReshardError
from app.cluster.resharding.prune import prune
from app.cluster.resharding.stores import Moves, Stores, tables_of
from app.platform import HASHED_BY, Registry, Shard, is_server, shard_tables

logger = logging.getLogger(__name__)
RESHARD = "reshard"
"""The holder of the lease of a shard that nobody has run yet."""
Lost = Callable[[], str | None]
"""Why somebody else may run a shard by now; None: nobody does."""
Alone = Callable[[Shard], AbstractContextManager[Lost | None]]
"""None: somebody runs the shard."""


@dataclass(frozen=True, kw_only=True)
class Resharded:
    """What came of it."""

    shards_before: int
    shards_after: int


class Reshard:
    """Of a fleet that is stopped. Interrupted, it goes on when it is called again.

    `moves`: in a transaction of the registry. `alone`: keeps others from running this shard, whose
    store is brought up to date.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        stores: Stores,
        moves: Callable[[Connection], Moves],
        alone: Alone,
    ) -> None:
        self._registry = registry
        self._stores = stores
        self._moves = moves
        self._alone = alone

    def into(self, shards: int) -> Resharded:
        """Cut it into so many. ReshardError."""
        before, last = self._registry.shards() or 1, self._registry.last_reshard()
        if last is not None and (
            last.state != shard_tables.SWITCHING or last.shards_after != shards
        ):
            raise ReshardError(
                f"the fleet was cut into {last.shards_after} shards, and that is not finished:"
                " `reshard --finish` removes the stores of before, `reshard --undo` goes back"
            )
        if last is not None:
            return self._switch(last.shards_before, shards, str(last.fleet_id), lambda: None)
        if shards % before or shards == before:
            raise ReshardError(
                f"the fleet has {before} shards, and each is split into as many others: into"
                f" {2 * before}, {3 * before} and so on in all, not {shards}"
            )
        parents = [Shard(number, before) for number in range(before)]
        with self._nobody_runs(parents) as is_still_so:
            fleet_id = self._fleet_id()
            for number in range(shards):
                parent, child = parents[number % before], Shard(number, shards)
                fill = partial(_fill, child, fleet_id, self._epoch(parent) + 1, number < before)
                self._stores.make_draft(parent, child, fill)
                logger.info("shard %d of %d is copied from shard %d", number, shards, parent.number)
            return self._switch(before, shards, fleet_id, is_still_so)

    def undo(self) -> Resharded:
        """Go back to the stores of before. ReshardError: a shard has run since."""
        last = self._registry.last_reshard()
        if last is None or last.state == shard_tables.SWITCHING:
            raise ReshardError("there is no reshard that could be undone")
        children = [Shard(number, last.shards_after) for number in range(last.shards_after)]
        if last.state == shard_tables.DONE:
            for child in children:
                if self._has_run(child):
                    raise ReshardError(
                        f"shard {child.number} has run since: the stores of before do not know what"
                        " it was told, and told"
                    )
            with self._nobody_runs(children):
                self._go_back(last, children)
        else:
            self._go_back(last, children)
        return Resharded(shards_before=last.shards_after, shards_after=last.shards_before)

    def _go_back(self, last: Row[Any], children: Sequence[Shard]) -> None:
        before = last.shards_before
        self._say(before, last.shards_after, last.fleet_id, shard_tables.UNDOING)
        with self._registry.changing() as connection:
            moves = self._moves(connection)
            for child in children:
                if self._identity(child) == (child.number, child.of):  # and no parent put back
                    moves.remove(child)
            for number in range(before):
                moves.put_back(Shard(number, before))
            moves.remove_kept()
            _write_sharding(connection, before, last.fleet_id)
            connection.execute(delete(shard_tables.reshard_table))

    def finish(self) -> None:
        """Remove the stores of before. ReshardError: there are none, or a shard has not run."""
        last = self._registry.last_reshard()
        if last is None or last.state != shard_tables.DONE:
            raise ReshardError("there is no reshard that could be finished")
        for number in range(last.shards_after):
            if not self._has_run(Shard(number, last.shards_after)):
                raise ReshardError(
                    f"shard {number} has not run yet, and brokers keep nothing for it; let all of"
                    " them run first"
                )
        with self._registry.changing() as connection:
            self._moves(connection).remove_kept()
            connection.execute(delete(shard_tables.reshard_table))

    def _switch(
        self, before: int, after: int, fleet_id: str, is_still_so: Callable[[], None]
    ) -> Resharded:
        self._say(before, after, fleet_id, shard_tables.SWITCHING)
        try:
            is_still_so()  # from now on nobody begins
        except ReshardError:
            with self._registry.changing() as connection:
                connection.execute(delete(shard_tables.reshard_table))
            raise
        with self._registry.changing() as connection:
            moves = self._moves(connection)
            for parent in [Shard(number, before) for number in range(before)]:
                # Of several, one of the same name may have been put in its place already.
                if parent.is_whole or self._identity(parent) == (parent.number, parent.of):
                    moves.keep_aside(parent)
            for number in range(after):
                moves.put_in_place(Shard(number, after))
            _write_sharding(connection, after, fleet_id)
            _write_reshard(connection, before, after, fleet_id, shard_tables.DONE)
        return Resharded(shards_before=before, shards_after=after)

    def _say(self, before: int, after: int, fleet_id: str, state: str) -> None:
        """Before the first store is moved: no run begins until the last one is."""
        with self._registry.changing() as connection:
            _write_reshard(connection, before, after, fleet_id, state)

    @contextmanager
    def _nobody_runs(self, shards: Sequence[Shard]) -> Iterator[Callable[[], None]]:
        """What is given raises ReshardError where somebody may do so by now."""
        with ExitStack() as stack:
            held: list[Lost] = []
            for shard in shards:
                lost = stack.enter_context(self._alone(shard))
                if lost is None:
                    raise ReshardError(f"shard {shard.number} is run; stop it first")
                held.append(lost)

            def check() -> None:
                for lost in held:
                    why = lost()
                    if why is not None:
                        raise ReshardError(f"nothing is changed: {why}")

            yield check

    def _epoch(self, parent: Shard) -> int:
        """Of who ran it last; 0: nobody did, or it is of a fleet that is not cut."""
        if parent.is_whole:
            return 0
        row = self._first(parent, select(shard_tables.lease_table))
        return 0 if row is None else int(row.epoch)

    def _fleet_id(self) -> str:
        with self._registry.changing() as connection:
            found = connection.execute(select(shard_tables.sharding_table.c.fleet_id)).scalar()
            return str(found or uuid.uuid4())

    def _has_run(self, child: Shard) -> bool:
        row = self._first(child, select(shard_tables.lease_table))
        return row is not None and row.holder != RESHARD

    def _identity(self, shard: Shard) -> tuple[int, int] | None:
        """Number and shards, as the store that is in its place says it; None: there is none."""
        row = self._first(shard, select(shard_tables.identity_table))
        return None if row is None else (row.number, row.shards)

    def _first(self, shard: Shard, query: Select[Any]) -> Row[Any] | None:
        engine = self._stores.engine(shard)
        if engine is None:
            return None
        schema = shard.schema if is_server(engine.url) else None
        with engine.begin() as connection:
            translated = connection.execution_options(
                schema_translate_map={shard_tables.STORE: schema}
            )
            return translated.execute(query).first()


def _fill(
    child: Shard,
    fleet_id: str,
    epoch: int,
    is_first: bool,
    engine: Engine,
    schema: str | None,
) -> None:
    """Make a copy the child's. `epoch`: above every one that the parent had, so that nobody who ran
    that runs this."""
    engine = engine.execution_options(schema_translate_map={shard_tables.STORE: schema})
    with engine.begin() as connection:
        prune(connection, tables_of(connection, schema), child, is_first=is_first)
        shard_tables.store_metadata.create_all(connection)
        own = {"fleet_id": fleet_id, "shards": child.of, "number": child.number}
        connection.execute(
            insert(shard_tables.identity_table), {"one": 1, **own, "hashed_by": HASHED_BY}
        )
        before = {"holder": RESHARD, "address": "", "expires_at": func.now()}
        connection.execute(insert(shard_tables.lease_table).values(epoch=epoch, **before))


def _write_sharding(connection: Connection, shards: int, fleet_id: str) -> None:
    for table in (shard_tables.sharding_table, shard_tables.shard_table):
        connection.execute(delete(table))
    if shards > 1:
        cut = {"one": 1, "fleet_id": fleet_id, "shards": shards, "hashed_by": HASHED_BY}
        connection.execute(insert(shard_tables.sharding_table), cut)
        connection.execute(
            insert(shard_tables.shard_table), [{"number": number} for number in range(shards)]
        )


def _write_reshard(
    connection: Connection, before: int, after: int, fleet_id: str, state: str
) -> None:
    connection.execute(delete(shard_tables.reshard_table))
    values = {"shards_before": before, "shards_after": after, "fleet_id": fleet_id}
    connection.execute(insert(shard_tables.reshard_table), {"one": 1, **values, "state": state})
