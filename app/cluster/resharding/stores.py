"""Where the stores of a fleet are, and how one becomes several: files, or schemas."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, MetaData, inspect, text

from app.platform import AnyStore, Database, Shard, make_engine, shard_tables

KEPT_ASIDE = "before-reshard"
"""The folder, or what the names of schemas begin with, of stores that were cut."""
DRAFT = "reshard-draft"
"""The same of stores that are being made."""
VERSION = "schema_version"
Fill = Callable[[Engine, str | None], None]
"""Given the engine of a store, and its schema."""


class Stores(Protocol):
    """Finds stores, and copies them. Nothing of it is in use meanwhile."""

    def make_draft(self, parent: Shard, child: Shard, fill: Fill) -> None:
        """A copy of the parent's store, which `fill` makes the child's; one of before is gone."""

    def engine(self, shard: Shard) -> Engine | None:
        """Of a store that is in place; None: it is not."""


class Moves(Protocol):
    """Moves and removes stores. All of it may be called again."""

    def keep_aside(self, parent: Shard) -> None:
        """Nobody finds it where it is now."""

    def put_in_place(self, child: Shard) -> None:
        """The draft is the child's store from now on."""

    def put_back(self, parent: Shard) -> None:
        """It is where it was."""

    def remove(self, shard: Shard) -> None:
        """A store."""

    def remove_kept(self) -> None:
        """What was kept aside, and drafts."""


class FileStores:
    """Of SQLite, under DATA_DIR. Both of the above: a file is moved at once."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def engine(self, shard: Shard) -> Engine | None:
        file = self._folder(shard) / "fleet.db"
        return make_engine(f"sqlite:///{file}", pools=False) if file.exists() else None

    def make_draft(self, parent: Shard, child: Shard, fill: Fill) -> None:
        draft = self._data_dir / DRAFT / child.name
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        file = draft / "fleet.db"
        with (
            closing(sqlite3.connect(self._folder(parent) / "fleet.db")) as source,
            closing(sqlite3.connect(file)) as copy,
        ):
            source.backup(copy)
        file.chmod(0o600)
        audit = self._folder(parent) / "audit.log"
        if child.number == parent.number and audit.exists():
            shutil.copy2(audit, draft / audit.name)
        engine = make_engine(f"sqlite:///{file}", pools=False)
        with engine.begin() as connection:
            for name in shard_tables.TABLES_OF_SHARDS & set(inspect(connection).get_table_names()):
                connection.exec_driver_sql(f"DROP TABLE {name}")
        fill(engine, None)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM")  # and a copy without a log beside it
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def keep_aside(self, parent: Shard) -> None:
        aside = self._aside(parent)
        if not parent.is_whole:
            aside.parent.mkdir(exist_ok=True, mode=0o700)
            self._folder(parent).rename(aside)
            return
        aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(self._data_dir.glob("fleet.db*")):
            path.rename(aside / path.name)

    def put_in_place(self, child: Shard) -> None:
        draft, place = self._data_dir / DRAFT / child.name, self._folder(child)
        if not draft.exists():
            return
        if not (place / "fleet.db").exists():  # what was left of another one, such as a lock
            shutil.rmtree(place, ignore_errors=True)
        draft.rename(place)

    def put_back(self, parent: Shard) -> None:
        aside = self._aside(parent)
        if not parent.is_whole:
            if aside.exists():
                aside.rename(self._folder(parent))
            return
        for path in sorted(aside.glob("*")):
            path.rename(self._data_dir / path.name)

    def remove(self, shard: Shard) -> None:
        gone = self._data_dir / DRAFT / f"removed-{shard.name}"
        gone.parent.mkdir(exist_ok=True, mode=0o700)
        shutil.rmtree(gone, ignore_errors=True)
        self._folder(shard).rename(gone)  # at once: half of a store would be taken for one
        shutil.rmtree(gone, ignore_errors=True)

    def remove_kept(self) -> None:
        for name in (KEPT_ASIDE, DRAFT):
            shutil.rmtree(self._data_dir / name, ignore_errors=True)

    def _folder(self, shard: Shard) -> Path:
        return self._data_dir if shard.is_whole else self._data_dir / shard.name

    def _aside(self, shard: Shard) -> Path:
        return self._data_dir / KEPT_ASIDE / ("fleet" if shard.is_whole else shard.name)


class SchemaStores:
    """Of PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def engine(self, shard: Shard) -> Engine | None:
        engine = make_engine(self._url, schema=shard.schema, pools=False)
        with engine.begin() as connection:
            return engine if shard.schema in inspect(connection).get_schema_names() else None

    def make_draft(self, parent: Shard, child: Shard, fill: Fill) -> None:
        draft = _draft(child)
        engine = make_engine(self._url, schema=draft, pools=False)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {draft} CASCADE")
            connection.exec_driver_sql(f"CREATE SCHEMA {draft}")
        Database(engine, store=AnyStore(schema=draft)).open()
        source = parent.schema or self._own_schema()
        with engine.begin() as connection:
            _copy(connection, tables_of(connection, source), draft, source)
        fill(engine, draft)

    def _own_schema(self) -> str:
        """Where a session is by itself, and where a fleet is that is not cut."""
        with make_engine(self._url, pools=False).begin() as connection:
            return str(connection.execute(text("SELECT current_schema()")).scalar())


class SchemaMoves:
    """Of PostgreSQL. What is moved is so when the transaction of `connection` is committed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep_aside(self, parent: Shard) -> None:
        aside = _aside(parent)
        if parent.schema is not None:
            self._connection.exec_driver_sql(f"ALTER SCHEMA {parent.schema} RENAME TO {aside}")
            return
        self._connection.exec_driver_sql(f"CREATE SCHEMA {aside}")
        _move_tables(self._connection, None, aside)

    def put_in_place(self, child: Shard) -> None:
        self._connection.exec_driver_sql(f"ALTER SCHEMA {_draft(child)} RENAME TO {child.schema}")

    def put_back(self, parent: Shard) -> None:
        aside = _aside(parent)
        if parent.schema is not None:
            self._connection.exec_driver_sql(f"ALTER SCHEMA {aside} RENAME TO {parent.schema}")
            return
        _move_tables(self._connection, aside, None)
        self._connection.exec_driver_sql(f"DROP SCHEMA {aside}")

    def remove(self, shard: Shard) -> None:
        self._connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {shard.schema} CASCADE")

    def remove_kept(self) -> None:
        names = inspect(self._connection).get_schema_names()
        for name in names:
            if name.startswith((KEPT_ASIDE.replace("-", "_"), DRAFT.replace("-", "_"))):
                self._connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")


def tables_of(connection: Connection, schema: str | None) -> MetaData:
    """The tables of a store, but for those of its version and of shards."""
    found = MetaData()
    left_out = shard_tables.TABLES_OF_SHARDS | {VERSION}
    found.reflect(connection, schema=schema, only=lambda name, _: name not in left_out)
    return found


def _move_tables(connection: Connection, source: str | None, target: str | None) -> None:
    into = target or str(connection.execute(text("SELECT current_schema()")).scalar())
    names = [table.name for table in tables_of(connection, source).sorted_tables]
    for name in (*names, VERSION):
        where = f"{source}.{name}" if source else name
        connection.exec_driver_sql(f"ALTER TABLE {where} SET SCHEMA {into}")


def _copy(connection: Connection, source: MetaData, target: str, schema: str) -> None:
    """All rows, with their numbers, and the numbers that come next."""
    for table in reversed(source.sorted_tables):
        connection.exec_driver_sql(f"DELETE FROM {target}.{table.name}")  # nosec B608
    for table in source.sorted_tables:
        columns = ", ".join(column.name for column in table.c)
        where = f"{schema}.{table.name}"
        connection.exec_driver_sql(
            f"INSERT INTO {target}.{table.name} ({columns}) OVERRIDING SYSTEM VALUE"  # nosec B608
            f" SELECT {columns} FROM {where}"
        )
        for column in table.c:
            if column.identity is not None:
                old, new = (
                    connection.execute(
                        text("SELECT pg_get_serial_sequence(:table, :column)"),
                        {"table": name, "column": column.name},
                    ).scalar()
                    for name in (where, f"{target}.{table.name}")
                )
                connection.exec_driver_sql(
                    f"SELECT setval('{new}', last_value, is_called) FROM {old}"  # nosec B608
                )


def _draft(child: Shard) -> str:
    return f"{DRAFT}_{child.number}".replace("-", "_")


def _aside(parent: Shard) -> str:
    return f"{KEPT_ASIDE}_{parent.number}".replace("-", "_")
