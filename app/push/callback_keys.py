"""One path and one token per VEN for its callback, the same over restarts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from pathlib import Path

from app.platform import read_or_make

FILE = "callback.key"
KEY_BYTES = 32


class CallbackKeys:
    """Made from one secret in a file that only its owner may read. Building it does no I/O."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._secret: bytes | None = None

    def path(self, ven_name: str) -> str:
        """A name that cannot be guessed."""
        return self._derived("path", ven_name)[:32]

    def token(self, ven_name: str) -> str:
        """What the VTN has to show."""
        return self._derived("token", ven_name)

    def _derived(self, use: str, ven_name: str) -> str:
        digest = hmac.new(self._key(), f"{use}\0{ven_name}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _key(self) -> bytes:
        with self._lock:
            if self._secret is None:
                self._secret = self._read()
            return self._secret

    def _read(self) -> bytes:
        path = self._directory / FILE
        secret = read_or_make(path, lambda: secrets.token_bytes(KEY_BYTES))
        if len(secret) != KEY_BYTES:  # one that can be guessed
            path.unlink()
            return self._read()
        return secret
