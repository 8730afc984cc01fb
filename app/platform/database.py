"""The database of the fleet and its readings: opened when first used, migrated by number."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from app.platform.claim import MIGRATING
from app.platform.errors import (
    DatabaseError,
    DatabaseUrlError,
)
from app.platform.migrations import MIGRATIONS, Migration
from app.platform.place import explained, file_of, is_server, place
from app.platform.secret_file import make_private_file
from app.platform.shards import ANY_STORE, NO_FENCE, TABLES_OF_SHARDS, Fence, Store
from app.platform.waits import Waits

logger = logging.getLogger(__name__)
BUSY_TIMEOUT_S = 30
ASKS_EVERY_S = 0.01
MAX_CONNECTIONS = 100
"""Beside the five that are kept: a thread that waits for one would look like a broken database."""
SERVER_ARGUMENTS = {
    "connect_timeout": 10,
    "prepare_threshold": None,  # behind a pooler, a statement may be prepared elsewhere
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A server that is gone without a word is known to be gone within half a minute."""


MAX_PAUSE_S, MAX_STATEMENT_S = 3, 5
"""Of a transaction of the owner of a shard: after that the server ends it, so that who takes the
shard over does not wait for one that is frozen."""


def make_engine(url: str | URL, *, schema: str | None = None, pools: bool = True) -> Engine:
    """An engine that has not connected yet. SQLite: WAL, synchronous FULL, BEGIN IMMEDIATE.

    `schema`: of PostgreSQL, in which every transaction takes place. It is said in each, since a
    pooler forgets what is said of a session. Not `pools`: what is rarely used leaves no connection
    open.
    """
    try:
        parsed = make_url(url)
        server = is_server(parsed)
        pool: dict[str, Any] = {"pool_pre_ping": server, "max_overflow": MAX_CONNECTIONS}
        engine = create_engine(
            parsed,
            hide_parameters=True,
            connect_args=SERVER_ARGUMENTS if server else {},
            **(pool if pools else {"poolclass": NullPool}),
        )
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise DatabaseUrlError("DATABASE__URL: is not a database URL that is understood") from None
    except ModuleNotFoundError as error:
        raise DatabaseUrlError(
            f"DATABASE__URL: needs the package {error.name} (psycopg: pip install '.[postgres]')"
        ) from None
    if not is_server(parsed):
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    elif schema is not None:
        event.listen(engine, "begin", partial(_in_schema, schema))
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see below
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
    _use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _use_wal(connection: sqlite3.Connection) -> None:
    """One of those that open a new file at once begins its log; SQLite itself waits for anybody but
    that one."""
    until_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                raise
            time.sleep(ASKS_EVERY_S)
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that reads before it writes cannot wait for another writer.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _in_schema(schema: str, connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql(f"SET LOCAL search_path TO {schema}")


@contextmanager
def _lazily(connection: Connection) -> Iterator[None]:
    """SQLite's next commits do not wait for the disk; a server is told in the transaction."""
    session = connection.connection.driver_connection
    if not isinstance(session, sqlite3.Connection):
        yield
        return
    try:
        session.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error:
        yield  # it waits, then; what is wrong shows in the transaction
        return
    try:
        yield
    finally:
        try:
            session.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.invalidate()  # nobody after us may take it for one that waits


class Database:
    """Transactions on the engine. The first use makes the file and brings the schema up to date.

    Several threads and processes may begin at once. DatabaseError for a file that is no database,
    is somebody else's, or is from a newer version. `store`: what says whose it is; `fence`: what
    says whether this process may still write.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        migrations: Sequence[Migration] = MIGRATIONS,
        store: Store = ANY_STORE,
        fence: Fence = NO_FENCE,
    ) -> None:
        self._engine = engine
        self._migrations = migrations
        self._store = store
        self._fence = fence
        self._lock = threading.Lock()
        self._ready = False
        self._waits = Waits()
        event.listen(engine, "before_cursor_execute", self._waits.begin)
        event.listen(engine, "after_cursor_execute", self._waits.end)
        event.listen(engine, "handle_error", self._waits.end)

    @property
    def name(self) -> str:
        """Where it is, without user-info."""
        return place(self._engine.url)

    @property
    def file(self) -> Path | None:
        """SQLite's file; None where there is a server, or only memory."""
        return file_of(self._engine.url)

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """One transaction, durable when the block ends; rolled back if it raises.

        Not `durable`: a loss of power, or a crash of the database's server, may undo it, as long as
        nothing after it is durable; for what is found out or done again. It does not wait for the
        disk.
        """
        self.open()
        with explained(self._engine.url), ExitStack() as transaction:
            with self._waits.noted():
                connection = transaction.enter_context(self._engine.connect())
                if not durable:
                    transaction.enter_context(_lazily(connection))
                transaction.enter_context(connection.begin())
            if is_server(self._engine.url):
                self._set_up(connection, durable=durable)
            yield connection
            self._fence.check(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Reading, beside a writer."""
        self.open()
        with explained(self._engine.url), ExitStack() as reading:
            with self._waits.noted():
                connection = reading.enter_context(self._engine.connect())
            # A server reads large results in a transaction; SQLite needs none beside a writer.
            level = "READ COMMITTED" if is_server(self._engine.url) else "AUTOCOMMIT"
            yield connection.execution_options(isolation_level=level)

    def _set_up(self, connection: Connection, *, durable: bool) -> None:
        chosen = {} if durable else {"synchronous_commit": "off"}
        if self._store.schema is not None and self._fence.is_owner():
            chosen["idle_in_transaction_session_timeout"] = f"'{MAX_PAUSE_S}s'"
            chosen["statement_timeout"] = f"'{MAX_STATEMENT_S}s'"
        if chosen:
            connection.exec_driver_sql(
                "; ".join(f"SET LOCAL {name} = {value}" for name, value in chosen.items())
            )

    def open(self) -> None:
        """Make it ready to use; may be called again."""
        with self._lock:
            if self._ready:
                return
            with explained(self._engine.url):
                self._store.admit()
                self._make_file()
                self._store.prepare()
                self._migrate()
            self._ready = True

    def waits_s(self) -> float:
        """How long somebody has been waiting for it to answer; 0.0: nobody has."""
        return self._waits.longest_s()

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        self._engine.dispose()

    def _make_file(self) -> None:
        file = self.file
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_private_file(file)
        except OSError as error:
            raise DatabaseError(
                f"{file} cannot be written: {error.strerror}; see DATA_DIR and DATABASE__URL"
            ) from None

    def _migrate(self) -> None:
        newest = len(self._migrations)
        with self._engine.begin() as connection:
            self._one_migrates(connection)
            version = self._version(connection)
            if version is None:
                connection.execute(text("CREATE TABLE schema_version (version INTEGER NOT NULL)"))
                connection.execute(text("INSERT INTO schema_version VALUES (0)"))
                version = 0
        if version > newest:
            raise DatabaseError(
                f"database {self.name} has schema {version}, and this version knows {newest};"
                " install the newer version again"
            )
        for number in range(version + 1, newest + 1):
            if number == version + 1 > 1:
                self._copy(version)
            with self._engine.begin() as connection:
                self._one_migrates(connection)
                if (self._version(connection) or 0) < number:  # no other process came first
                    self._migrations[number - 1](connection)
                    connection.execute(
                        text("UPDATE schema_version SET version = :number"), {"number": number}
                    )

    def _one_migrates(self, connection: Connection) -> None:
        """Until the transaction ends; SQLite's BEGIN IMMEDIATE does the same."""
        if is_server(self._engine.url):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})

    def _version(self, connection: Connection) -> int | None:
        found = inspect(connection).get_table_names(schema=self._store.schema)
        tables = [name for name in found if name not in TABLES_OF_SHARDS]
        if "schema_version" in tables:
            return int(connection.execute(text("SELECT version FROM schema_version")).scalar_one())
        if tables:
            raise DatabaseError(f"database {self.name} holds something else ({tables[0]}, …)")
        return None

    def _copy(self, version: int) -> None:
        file = self.file
        if file is None:
            return
        target = file.with_name(f"{file.name}.schema-{version}")
        if target.exists():
            return
        # Named only when it is whole; of several that begin at once each has its own.
        draft = file.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
        try:
            with sqlite3.connect(file) as source, sqlite3.connect(draft) as copy:
                source.backup(copy)
            source.close()
            copy.close()
        except sqlite3.Error as error:
            raise DatabaseError(f"database {file} cannot be copied to {target}: {error}") from None
        draft.replace(target)
        logger.info("database %s was copied to %s before its schema changes", file, target)
