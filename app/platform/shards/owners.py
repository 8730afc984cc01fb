"""Who runs each shard, as its lease says it: for the gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlalchemy import Engine, text

from app.platform.place import explained
from app.platform.shards.endpoint import Address
from app.platform.shards.file_lease import MAX_SILENCE_S, Owner
from app.platform.shards.machine import BOOT_ID, PID_NAMESPACE, started
from app.platform.shards.shard import Shard


class ShardOwner(NamedTuple):
    """The process that runs a shard."""

    holder: str
    """Its host and process id, for people."""
    epoch: int
    address: Address | None
    """None: it is not reached."""


class ReadsOwners(Protocol):
    """Where leases are."""

    def __call__(self) -> Sequence[ShardOwner | None]:
        """By number; None: nobody runs that shard. DatabaseError, OSError."""

    def close(self) -> None:
        """May be called again."""


class FileOwners:
    """Of SQLite: what owners write into their lock files. `boottime`: seconds."""

    def __init__(self, lock_files: Sequence[Path], *, boottime: Callable[[], float]) -> None:
        self._lock_files = lock_files
        self._boottime = boottime

    def __call__(self) -> Sequence[ShardOwner | None]:
        return [self._owner(file) for file in self._lock_files]

    def close(self) -> None:
        """Nothing is open."""

    def _owner(self, file: Path) -> ShardOwner | None:
        found = Owner.read(file)
        if found is None or not found.epoch or self._has_ended(found):
            return None
        return ShardOwner(found.holder, found.epoch, Address.read(found.address))

    def _has_ended(self, owner: Owner) -> bool:
        if owner.boot_id != BOOT_ID.read_text().strip():
            return True
        if self._boottime() - owner.alive_s > MAX_SILENCE_S:
            return True
        is_seen = owner.pid_namespace == str(PID_NAMESPACE.readlink())
        return is_seen and started(owner.pid) != owner.started


class ServerOwners:
    """Of PostgreSQL: the rows of the leases that are not over."""

    def __init__(self, engine: Engine, *, shards: int) -> None:
        self._engine = engine
        self._schemas = [str(Shard(number, shards).schema) for number in range(shards)]

    def __call__(self) -> Sequence[ShardOwner | None]:
        with explained(self._engine.url), self._engine.begin() as connection:
            made = set(connection.execute(text(_SCHEMAS)).scalars())
            leases = [
                f"SELECT {number} AS number, holder, epoch, address FROM {schema}.lease"  # nosec B608
                " WHERE expires_at > clock_timestamp()"
                for number, schema in enumerate(self._schemas)
                if schema in made
            ]
            rows = connection.execute(text(" UNION ALL ".join(leases))).all() if leases else ()
        owners: list[ShardOwner | None] = [None] * len(self._schemas)
        for row in rows:
            owners[row.number] = ShardOwner(row.holder, row.epoch, Address.read(row.address))
        return owners

    def close(self) -> None:
        self._engine.dispose()


_SCHEMAS = (
    "SELECT nspname FROM pg_namespace JOIN pg_class ON relnamespace = pg_namespace.oid"
    " WHERE relname = 'lease'"
)
"""With a lease."""
