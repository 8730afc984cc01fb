"""How the gateway proves to the owner of a shard who it is."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from pathlib import Path

from app.platform.secret_file import read_or_make

FILE = "gateway.token"
KEY_HEADER = "x-gateway-key"


class GatewayToken:
    """What the gateway and all shards know: GATEWAY__TOKEN, or else a file of DATA_DIR, which is
    made where it is missing. Building it does no I/O.

    The token itself is never sent: whoever listens where an owner has listened before learns a key
    that opens one part of that owner only.
    """

    def __init__(self, token: str | None, *, directory: Path) -> None:
        self._token = token
        self._directory = directory
        self._lock = threading.Lock()

    def key(self, *, shard: int, of: int, epoch: int, address: str, part: str) -> str:
        """For requests to a part of the owner of that epoch, who listens there. `of`: into how many
        shards the fleet is cut. OSError: the file cannot be read or made."""
        about = f"{shard} {of} {epoch} {address} {part}".encode()
        return hmac.new(self._known().encode(), about, hashlib.sha256).hexdigest()

    def derived(self, purpose: str) -> bytes:
        """A secret of its own for something else, the same for all that have the token. OSError."""
        return hmac.new(self._known().encode(), purpose.encode(), hashlib.sha256).digest()

    def _known(self) -> str:
        with self._lock:
            if self._token is None:
                made = read_or_make(self._directory / FILE, lambda: secrets.token_hex(32).encode())
                self._token = made.decode("ascii")
            return self._token
