"""Which part of a fleet a process looks after."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

HASHED_BY = "sha256-nfc-8"
"""How a name becomes a number, as it is written in stores: another way has another name."""


def shard_of(ven_name: str, shards: int) -> int:
    """The shard, from 0, of the VEN with this name, where there are so many.

    The first eight bytes of SHA-256 of the name (Unicode NFC, UTF-8), big-endian, modulo `shards`:
    where there are N times as many, each shard becomes N.
    """
    name = unicodedata.normalize("NFC", ven_name).encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") % shards


@dataclass(frozen=True)
class Shard:
    """One of `of` parts of a fleet; the only one where a fleet is not cut."""

    number: int = 0
    """From 0."""
    of: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the fleet."""
        return self.of == 1

    @property
    def name(self) -> str:
        """Of its directory under DATA_DIR."""
        return f"shard-{self.number}"

    @property
    def title(self) -> str:
        """For people."""
        return f"shard {self.number}"

    @property
    def schema(self) -> str | None:
        """Its schema in PostgreSQL; None: the one that a session has by itself."""
        return None if self.is_whole else f"shard_{self.number}"

    def has(self, ven_name: str) -> bool:
        """Whether the VEN of this name is in it."""
        return self.is_whole or shard_of(ven_name, self.of) == self.number


THE_FLEET = Shard()
"""All of it, in one shard."""
