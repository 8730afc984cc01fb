"""One `run` at a time on one store: two would meter and report everything twice."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from app.platform.claim import DatabaseClaim
from app.platform.errors import AnotherRunError, DatabaseError, RunLockError

logger = logging.getLogger(__name__)
FileId = tuple[int, int]
"""Device and inode."""


class RunLock:
    """Locks that the system gives back when the process ends, however it ends.

    On DATA_DIR, since the embedded VTN lives there, and on the database, wherever that is: a file
    beside that of SQLite, or an advisory lock of PostgreSQL.
    """

    former_end: datetime | None = None
    """Nobody who had it sends anything any more."""
    epoch: int | None = None
    """It does not tell one run from another."""

    def __init__(self, path: Path, claim: DatabaseClaim) -> None:
        self._path = path
        self._claim = claim
        self._descriptors: list[int] = []
        self._files: dict[Path, FileId] = {}
        """What is at the path of each file that this run has."""

    def acquire(self) -> None:
        """Take them. AnotherRunError: a run has them; RunLockError: nobody can."""
        try:
            self._lock(self._path, f"in {self._path.parent}; stop it, or change DATA_DIR")
            where = f"on the database {self._claim.name}; stop it, or change DATABASE__URL"
            file = self._claim.file
            if file is not None:
                file = file.resolve()  # one file may have several names
                self._lock(file.with_name(f"{file.name}.lock"), where)
            elif not self._claim.take():
                raise AnotherRunError(f"another run is going on {where}")
        except BaseException:
            self.release()
            raise

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no `run` is going on; as long as this lasts, none begins."""
        try:
            self.acquire()
        except (RunLockError, DatabaseError):
            yield False
            return
        try:
            yield True
        finally:
            self.release()

    def is_held(self) -> bool:
        """Whether a `run` is going on."""
        with self.alone() as nobody:
            return not nobody

    def database_opened(self) -> None:
        """Its file is there, if it has one: from now on that, too, must stay."""
        file = self._claim.file
        if file is not None and (file_id := _file_id(file)) is not None:
            self._files[file] = file_id

    def lost(self) -> str | None:
        """Why this run must stop, in words; None: it has what it took.

        Somebody replaced or removed its files, or PostgreSQL ended our session and another run
        came first.
        """
        for path in tuple(self._files):
            if self._is_replaced(path):
                return f"{path} was removed or replaced under this run"
        if self._claim.file is None and not self._claim.take():
            return "another run has taken the database over"
        return None

    def _is_replaced(self, path: Path) -> bool:
        try:
            return _file_id(path) != self._files[path]
        except OSError as error:  # such as a mount that does not answer: not known
            logger.debug("whether %s is still there is not known: %s", path, error)
            return False

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
            raise AnotherRunError(f"another run is going on {where}") from None
        self._descriptors.append(descriptor)
        there = os.fstat(descriptor)
        self._files[path] = (there.st_dev, there.st_ino)

    def release(self) -> None:
        """Give them back; may be called again."""
        while self._descriptors:
            os.close(self._descriptors.pop())
        self._files.clear()
        self._claim.give_back()


def _file_id(path: Path) -> FileId | None:
    """Its device and inode; None: it is not there."""
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.st_dev, stat.st_ino
