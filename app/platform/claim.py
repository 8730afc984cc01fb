"""The claim of the one process that runs on a PostgreSQL database: a lock of its session."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from app.platform.errors import PoolerError, SharedSessionsError
from app.platform.place import explained, file_of, is_server, place

logger = logging.getLogger(__name__)

MIGRATING = 0x76656E01
RUNNING = 0x76656E02
"""The keys of our advisory locks."""
ENDS_WITHIN = 20
"""Tenths of a second that an old session of ours may take to end."""
TENTHS_OF_A_SECOND = 10
TRIES_AT_START = 5
"""Of a second session, to take the lock that the first one has."""
GIVES_BACK_WITHIN_S = 0.5
"""Less than a stop has for it at the least: else the last line of the log is not the last."""

_TAKE = text("SELECT pg_try_advisory_lock(:key), pg_backend_pid()")
_END_SESSION = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid = :pid"
    " AND classid = 0 AND objid = :key AND database = (SELECT oid FROM pg_database"
    " WHERE datname = current_database())"
)


class DatabaseClaim:
    """The right of one process to run on a database: of a file, its lock says all."""

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url
        self._session = SessionClaim(engine)

    @property
    def name(self) -> str:
        """Where the database is, without user-info."""
        return place(self._url)

    @property
    def file(self) -> Path | None:
        """SQLite's file; None where there is a server, or only memory."""
        return file_of(self._url)

    def take(self) -> bool:
        """Be the one process that runs on this server's database; False if another one is.

        The claim ends with `give_back`, with the process, and with the session at the server: to be
        called again from time to time. DatabaseError, too, where a claim holds nobody off.
        """
        if not is_server(self._url):
            return True
        with explained(self._url):
            try:
                return self._session.take()
            except PoolerError as error:
                raise SharedSessionsError(f"database {self.name} {error}") from None

    def give_back(self) -> None:
        """May be called again."""
        self._session.give_back()


class SessionClaim:
    """A session-level advisory lock. Safe for several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._session: Connection | None = None
        self._pid = 0
        """Of our session at the server, where it is known to be ours alone; else 0."""

    def take(self) -> bool:
        """Whether we have it; takes it if nobody has. Raises PoolerError and DBAPIError."""
        with self._lock:
            first = self._session is None
            if self._session is not None and not self._still_has_it(self._session):
                self._session = None
            if self._session is None and not self._take_within_a_second():
                return False
            for _ in range(TRIES_AT_START if first else 1):
                self._refuse_a_second_one()
            return True

    def give_back(self) -> None:
        """End the session, and the lock with it, unless the database is silent: the end of the
        process does so, too. May be called again.
        """
        if not self._lock.acquire(timeout=GIVES_BACK_WITHIN_S):
            logger.warning("the database does not answer: its lock ends with this process")
            return
        try:
            session, self._session = self._session, None
            if session is not None:
                session.invalidate()
                session.close()
        finally:
            self._lock.release()

    def _still_has_it(self, session: Connection) -> bool:
        try:
            pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        except DBAPIError:
            session.close()
            return False
        if self._pid and pid != self._pid:
            raise PoolerError
        return True

    def _take_within_a_second(self) -> bool:
        """The server may notice a moment late that the session of who ended is gone."""
        for _ in range(TENTHS_OF_A_SECOND):
            if self._take():
                return True
            time.sleep(0.1)
        return self._take()

    def _take(self) -> bool:
        session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            self._end_our_old_session(session)
            taken, pid = session.execute(_TAKE, {"key": RUNNING}).one()
            if taken:
                self._session, self._pid = session, pid
        finally:
            if self._session is not session:
                session.close()
        return bool(taken)

    def _end_our_old_session(self, session: Connection) -> None:
        """Where we are gone for the server only half, our old session still has the lock."""
        if not self._pid or _pid_that_the_driver_was_told(session) != _own_pid(session):
            return  # behind a pooler, the process at the server may be anybody's
        for _ in range(ENDS_WITHIN):
            if not session.execute(_END_SESSION, {"pid": self._pid, "key": RUNNING}).all():
                return
            time.sleep(0.1)

    def _refuse_a_second_one(self) -> None:
        """Another session of ours has to be refused the lock, as another run would be."""
        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as other:
            taken, pid = other.execute(_TAKE, {"key": RUNNING}).one()
            if not taken and pid != self._pid:
                return
            for session in (other, self._session):
                if session is not None:
                    session.execute(text("SELECT pg_advisory_unlock_all()"))
        raise PoolerError


def _own_pid(session: Connection) -> int:
    return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


def _pid_that_the_driver_was_told(session: Connection) -> int:
    driver: Any = session.connection.driver_connection
    return int(driver.info.backend_pid)
