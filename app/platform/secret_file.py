"""Files that are their owner's only: secrets, made once, and whether two are one; databases."""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds, or what `make` gives for it where there is none. OSError.

    Several processes that begin at once agree on one secret, and nobody sees half of it.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(make())
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # the first one wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()


def make_private_file(path: Path) -> None:
    """Make it where it is missing, for its owner only. OSError: it cannot be made or written.

    One that is there is not opened: SQLite loses all of a process's locks on a file when any
    descriptor of it is closed (How To Corrupt An SQLite Database File, 2.2).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def is_same_secret(given: str, own: str) -> bool:
    """Compared in a time that tells nothing of `own`, which must not be blank."""
    one, other = (hashlib.sha256(text.encode()).digest() for text in (given, own))
    return hmac.compare_digest(one, other) and bool(own)
