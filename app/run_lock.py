"""One `run` at a time on one store: two would meter and report everything twice."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from app.fleet import Database, DatabaseError, SharedSessionsError
from app.stopping import Stopping

logger = logging.getLogger(__name__)


class RunLockError(RuntimeError):
    """Another `run` has the lock, or it cannot be taken; one line says which."""


class RunLock:
    """Locks that the system gives back when the process ends, however it ends.

    On DATA_DIR, since the embedded VTN lives there, and on the database, wherever that is: a file
    beside that of SQLite, or an advisory lock of PostgreSQL.
    """

    def __init__(self, path: Path, database: Database) -> None:
        self._path = path
        self._database = database
        self._descriptors: list[int] = []

    def acquire(self) -> None:
        """Take them, or raise RunLockError."""
        try:
            self._lock(self._path, f"in {self._path.parent}; stop it, or change DATA_DIR")
            where = f"on the database {self._database.name}; stop it, or change DATABASE__URL"
            file = self._database.file
            if file is not None:
                file = file.resolve()  # one file may have several names
                self._lock(file.with_name(f"{file.name}.lock"), where)
            elif not self._database.claim():
                raise RunLockError(f"another run is going on {where}")
        except BaseException:
            self.release()
            raise

    def is_lost(self) -> bool:
        """Whether somebody else runs by now: PostgreSQL ended our session, and they came first."""
        return self._database.file is None and not self._database.claim()

    def _lock(self, path: Path, where: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise RunLockError(
                f"{path} cannot be written: {error.strerror}; see DATA_DIR and DATABASE__URL"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise RunLockError(f"another run is going on {where}") from None
        self._descriptors.append(descriptor)

    def release(self) -> None:
        """Give them back; may be called again."""
        while self._descriptors:
            os.close(self._descriptors.pop())
        self._database.disclaim()


class RunLockGuard:
    """Stops the application if another one has taken its database over."""

    def __init__(self, *, run_lock: RunLock, stopping: Stopping) -> None:
        self._run_lock = run_lock
        self._stopping = stopping

    def __call__(self) -> None:
        """Look; to be called every few seconds."""
        if self._stopping.is_set():
            return
        try:
            why = "another run has taken the database over" if self._run_lock.is_lost() else None
        except SharedSessionsError as error:
            why = str(error)
        except DatabaseError as error:
            logger.debug("whether this run still has its database is not known: %s", error)
            return
        if why is not None:
            logger.error("%s; this run stops", why)
            self._stopping.fail()
