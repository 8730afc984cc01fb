"""One `run` at a time on one DATA_DIR: two would meter and report everything twice."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class RunLockError(RuntimeError):
    """Another `run` has the lock, or it cannot be taken; one line says which."""


class RunLock:
    """A lock on a file, which the system gives back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take it, or raise RunLockError."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise RunLockError(
                f"{self._path} cannot be written: {error.strerror}; see DATA_DIR"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise RunLockError(
                f"another run is going on in {self._path.parent}; stop it, or change DATA_DIR"
            ) from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back; may be called again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
