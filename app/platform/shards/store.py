"""Which shard of which fleet a store belongs to, written in the store itself.

Beside the stores there is a registry, a file or a schema: into how many shards the fleet is cut,
and which of them have a store. So neither another number of shards nor an empty disk is taken for
a new fleet.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Row, Table, exists, inspect, select, text
from sqlalchemy.engine import URL

from app.platform.claim import MIGRATING
from app.platform.errors import ShardError
from app.platform.place import explained, file_of, is_server, place
from app.platform.shards.schema import (
    DONE,
    REGISTRY,
    STORE,
    UNDOING,
    identity_table,
    lease_table,
    registry_metadata,
    reshard_table,
    shard_table,
    sharding_table,
    store_metadata,
)
from app.platform.shards.shard import HASHED_BY, Shard

REGISTRY_SCHEMA = "fleet_shards"


class Store(Protocol):
    """Whose a store is."""

    @property
    def schema(self) -> str | None:
        """In which schema of PostgreSQL it is; None: where a session is by itself."""

    @property
    def client_suffix(self) -> str:
        """What tells its clients at a broker from those of other shards; after `admit`."""

    def former_suffix(self) -> str | None:
        """What `client_suffix` was before the last reshard, until that is finished; None: there was
        no reshard, or another shard goes on with those sessions."""

    def admit(self) -> None:
        """Before it is opened. ShardError: the fleet is cut otherwise."""

    def prepare(self) -> None:
        """Before its schema is brought up to date. ShardError: it is the store of another shard."""


class AnyStore:
    """Nobody looks whose it is."""

    client_suffix = ""

    def __init__(self, *, schema: str | None = None) -> None:
        self.schema = schema

    def former_suffix(self) -> str | None:
        """It is not cut."""
        return None

    def admit(self) -> None:
        """Nothing to look at."""

    def prepare(self) -> None:
        """Nothing to write."""


ANY_STORE = AnyStore()


class Registry:
    """Into how many shards a fleet is cut, and which of them have a store."""

    def __init__(self, engine: Engine) -> None:
        schema = REGISTRY_SCHEMA if is_server(engine.url) else None
        self._engine = engine.execution_options(
            schema_translate_map={REGISTRY: schema, STORE: schema}
        )
        self.schema = schema
        """Of PostgreSQL; None: it is a file."""

    @property
    def place(self) -> str:
        """Where it is, without user-info."""
        return place(self._engine.url)

    def shards(self) -> int | None:
        """How many they are; None: the fleet is not cut."""
        row = self._row(sharding_table)
        return None if row is None else int(row.shards)

    def refuse_another_number(self, shards: int) -> int | None:
        """ShardError: the fleet is cut into another number than FLEET__SHARDS says. Returns how
        many there are; None: it is not cut yet."""
        cut = self.shards()
        if cut is None or cut == shards:
            return cut
        is_possible = shards > cut and shards % cut == 0
        raise ShardError(
            f"FLEET__SHARDS: is {shards}, and the fleet in {self.place} has {cut} shards: set"
            f" FLEET__SHARDS={cut}"
            + (f", or call `ven-fleet reshard {shards}`" if is_possible else "")
        )

    def refuse_while_stores_move(self) -> None:
        """ShardError: a reshard was interrupted."""
        row = self._row(reshard_table)
        if row is not None and row.state != DONE:
            words = "--undo" if row.state == UNDOING else str(row.shards_after)
            raise ShardError(
                f"the stores of the fleet in {self.place} are being moved, or were when that was"
                f" interrupted; then call `reshard {words}` again"
            )

    def last_reshard(self) -> Row[Any] | None:
        """What `reshard_table` says of it; None: it is finished, or there was none."""
        return self._row(reshard_table)

    def _row(self, table: Table) -> Row[Any] | None:
        return next(iter(self.rows(table)), None)

    def has(self, table: Table) -> bool:
        """Whether one of its tables is there. DatabaseError."""
        if not is_there(self._engine.url):
            return False
        with explained(self._engine.url), self._engine.begin() as connection:
            return inspect(connection).has_table(table.name, schema=self.schema)

    def rows(self, table: Table) -> Sequence[Row[Any]]:
        """All of one of its tables; none where it is not there. DatabaseError."""
        if not is_there(self._engine.url):
            return ()
        with explained(self._engine.url), self._engine.begin() as connection:
            if not inspect(connection).has_table(table.name, schema=self.schema):
                return ()
            return connection.execute(select(table)).all()

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """A transaction, one at a time, on its tables, which are made where they are missing."""
        with (
            explained(self._engine.url),
            transaction(self._engine, schema=self.schema) as connection,
        ):
            registry_metadata.create_all(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction on its tables, which are there; it waits for no store that is brought up to
        date. DatabaseError."""
        with explained(self._engine.url), self._engine.begin() as connection:
            yield connection


class KeeperStore(AnyStore):
    """Where the lease of those who keep the shards running is: beside the registry."""

    def __init__(self, registry: Registry, *, shards: int) -> None:
        super().__init__(schema=registry.schema)
        self._registry = registry
        self._shards = shards

    def admit(self) -> None:
        """ShardError: the fleet is cut otherwise."""
        self._registry.refuse_while_stores_move()
        self._registry.refuse_another_number(self._shards)

    def prepare(self) -> None:
        """Make the table of the lease where it is missing: else it would wait for stores that are
        brought up to date."""
        if self._registry.has(lease_table):
            return
        with self._registry.changing() as connection:
            lease_table.create(connection, checkfirst=True)


class WholeStore(AnyStore):
    """Of a fleet that is not cut."""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self._registry = registry

    def admit(self) -> None:
        """ShardError: the fleet was cut, and has its readings elsewhere."""
        self._registry.refuse_while_stores_move()
        self._registry.refuse_another_number(1)


class ShardStore:
    """Of one shard. `engine`: of the store; `whole`: of the one before the fleet was cut."""

    def __init__(self, shard: Shard, *, engine: Engine, registry: Registry, whole: Engine) -> None:
        self._shard = shard
        self._engine = engine.execution_options(
            schema_translate_map={STORE: shard.schema if is_server(engine.url) else None}
        )
        self._registry = registry
        self._whole = whole
        self._fleet_id = ""

    @property
    def schema(self) -> str | None:
        return self._shard.schema if is_server(self._engine.url) else None

    @property
    def client_suffix(self) -> str:
        return self._suffix(self._shard)

    def former_suffix(self) -> str | None:
        """The first of its children has what a shard had at a broker. DatabaseError."""
        last = self._registry.last_reshard()
        if last is None or self._shard.number >= last.shards_before:
            return None
        before = Shard(self._shard.number, last.shards_before)
        return "" if before.is_whole else self._suffix(before)

    def _suffix(self, shard: Shard) -> str:
        return f"-{self._fleet_id[:8]}-{shard.number}-of-{shard.of}"

    def admit(self) -> None:
        """The first shard of a new fleet writes how it is cut."""
        self._registry.refuse_while_stores_move()
        if self._registry.refuse_another_number(self._shard.of) is None:
            self._refuse_a_whole_fleet()
        with self._registry.changing() as connection:
            row = connection.execute(select(sharding_table)).first()
            if row is None:
                self._fleet_id = str(uuid.uuid4())
                connection.execute(
                    sharding_table.insert(),
                    {
                        "one": 1,
                        "fleet_id": self._fleet_id,
                        "shards": self._shard.of,
                        "hashed_by": HASHED_BY,
                    },
                )
                return
        if row.hashed_by != HASHED_BY:
            raise ShardError(
                f"the fleet in {self._registry.place} is cut by {row.hashed_by}, which this version"
                " does not know; install the newer version again"
            )
        self._fleet_id = row.fleet_id

    def prepare(self) -> None:
        """Write in it whose it is, or see that it is what it has to be. After `admit`."""
        own = {
            "fleet_id": self._fleet_id,
            "shards": self._shard.of,
            "number": self._shard.number,
            "hashed_by": HASHED_BY,
        }
        with self._registry.changing() as connection:
            this_one = select(exists().where(shard_table.c.number == self._shard.number))
            was_there = bool(connection.execute(this_one).scalar())
        with (
            explained(self._engine.url),
            transaction(self._engine, schema=self.schema) as connection,
        ):
            store_metadata.create_all(connection)
            row = connection.execute(select(identity_table)).first()
            if row is None and was_there:
                raise ShardError(
                    f"the store of shard {self._shard.number} in {place(self._engine.url)} is"
                    " empty, and it was not; restore it from a backup"
                )
            if row is None:
                connection.execute(identity_table.insert(), {"one": 1, **own})
            elif any(getattr(row, name) != value for name, value in own.items()):
                raise ShardError(
                    f"the store in {place(self._engine.url)} is shard {row.number} of {row.shards}"
                    f" of fleet {row.fleet_id}, not shard {self._shard.number} of"
                    f" {self._shard.of} of fleet {self._fleet_id}"
                )
        if not was_there:  # after the store: one that was not made is not missed
            with self._registry.changing() as connection:
                if not connection.execute(this_one).scalar():
                    connection.execute(shard_table.insert(), {"number": self._shard.number})

    def _refuse_a_whole_fleet(self) -> None:
        with explained(self._whole.url):
            has_vens = _has_vens(self._whole)
        if has_vens:
            raise ShardError(
                f"FLEET__SHARDS: is {self._shard.of}, and the fleet in {place(self._whole.url)} is"
                f" not cut into shards; stop it, and call `ven-fleet reshard {self._shard.of}`"
            )


@contextmanager
def transaction(engine: Engine, *, schema: str | None) -> Iterator[Connection]:
    """One at a time, with this schema, or in a file with its directory."""
    file = file_of(engine.url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with engine.begin() as connection:
        if file is None:  # SQLite's BEGIN IMMEDIATE does the same
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
        if schema is not None:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        yield connection


def is_there(url: URL) -> bool:
    """Whether its file is, if it is one."""
    file = file_of(url)
    return file is None or file.exists()


def _has_vens(engine: Engine) -> bool:
    if not is_there(engine.url):
        return False
    with engine.begin() as connection:
        if not inspect(connection).has_table("ven"):
            return False
        return connection.execute(text("SELECT 1 FROM ven LIMIT 1")).first() is not None
