"""The database of the fleet and its readings: opened when first used, migrated by number."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.platform.claim import MIGRATING, SessionClaim
from app.platform.errors import (
    DatabaseError,
    DatabaseUrlError,
    PoolerError,
    SharedSessionsError,
)
from app.platform.migrations import MIGRATIONS, Migration
from app.platform.waits import Waits

logger = logging.getLogger(__name__)
BUSY_TIMEOUT_S = 30
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


def make_engine(url: str | URL) -> Engine:
    """An engine that has not connected yet. SQLite: WAL, synchronous FULL, BEGIN IMMEDIATE."""
    try:
        parsed = make_url(url)
        server = _is_server(parsed)
        engine = create_engine(
            parsed,
            hide_parameters=True,
            pool_pre_ping=server,
            max_overflow=MAX_CONNECTIONS,
            connect_args=SERVER_ARGUMENTS if server else {},
        )
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise DatabaseUrlError("DATABASE__URL: is not a database URL that is understood") from None
    except ModuleNotFoundError as error:
        raise DatabaseUrlError(
            f"DATABASE__URL: needs the package {error.name} (psycopg: pip install '.[postgres]')"
        ) from None
    if not _is_server(parsed):
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _is_server(url: URL) -> bool:
    return url.get_backend_name() != "sqlite"


def _configure_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see below
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that reads before it writes cannot wait for another writer.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


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
    is somebody else's, or is from a newer version.
    """

    def __init__(self, engine: Engine, *, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self._engine = engine
        self._migrations = migrations
        self._lock = threading.Lock()
        self._ready = False
        self._claim = SessionClaim(engine)
        self._waits = Waits()
        event.listen(engine, "before_cursor_execute", self._waits.begin)
        event.listen(engine, "after_cursor_execute", self._waits.end)
        event.listen(engine, "handle_error", self._waits.end)

    @property
    def name(self) -> str:
        """Where it is, without user-info."""
        url = self._engine.url
        return (
            str(self.file) if self.file else f"{url.get_backend_name()}://{url.host}/{url.database}"
        )

    @property
    def file(self) -> Path | None:
        """SQLite's file; None where there is a server, or only memory."""
        url = self._engine.url
        on_disk = not _is_server(url) and url.database not in (None, "", ":memory:")
        return Path(str(url.database)) if on_disk else None

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """One transaction, durable when the block ends; rolled back if it raises.

        Not `durable`: a loss of power, or a crash of the database's server, may undo it, as long as
        nothing after it is durable; for what is found out or done again. It does not wait for the
        disk.
        """
        self.open()
        with self._explained(), ExitStack() as transaction:
            with self._waits.noted():
                connection = transaction.enter_context(self._engine.connect())
                if not durable:
                    transaction.enter_context(_lazily(connection))
                transaction.enter_context(connection.begin())
            if not durable and _is_server(self._engine.url):
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Reading, beside a writer."""
        self.open()
        with self._explained(), ExitStack() as reading:
            with self._waits.noted():
                connection = reading.enter_context(self._engine.connect())
            # A server reads large results in a transaction; SQLite needs none beside a writer.
            level = "READ COMMITTED" if _is_server(self._engine.url) else "AUTOCOMMIT"
            yield connection.execution_options(isolation_level=level)

    def open(self) -> None:
        """Make it ready to use; may be called again."""
        with self._lock:
            if self._ready:
                return
            self._make_file()
            with self._explained():
                self._migrate()
            self._ready = True

    def claim(self) -> bool:
        """Be the one process that runs on this server's database; False if another one is.

        The claim ends with `disclaim`, with the process, and with the session at the server: to be
        called again from time to time. DatabaseError, too, where a claim holds nobody off.
        """
        if not _is_server(self._engine.url):
            return True
        with self._explained():
            try:
                return self._claim.take()
            except PoolerError as error:
                raise SharedSessionsError(f"database {self.name} {error}") from None

    def disclaim(self) -> None:
        """Give the claim back; may be called again."""
        self._claim.give_back()

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
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise DatabaseError(
                f"{file} cannot be written: {error.strerror}; see DATA_DIR and DATABASE__URL"
            ) from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The driver's errors in one line that names the database."""
        try:
            yield
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "fails"
            raise DatabaseError(f"database {self.name}: {reason}") from error
        except PoolTimeout as error:
            raise DatabaseError(f"database {self.name}: no connection is free") from error

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
        if _is_server(self._engine.url):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})

    def _version(self, connection: Connection) -> int | None:
        tables = inspect(connection).get_table_names()
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
