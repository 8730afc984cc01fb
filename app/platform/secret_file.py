"""Secrets: files that hold one, made once and for their owner only; and whether two are one."""

from __future__ import annotations

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


def is_same_secret(given: str, own: str) -> bool:
    """Compared in a time that tells nothing of `own`, which must not be blank."""
    one, other = (hashlib.sha256(text.encode()).digest() for text in (given, own))
    return hmac.compare_digest(one, other) and bool(own)
