"""What keeps a process that is no longer the owner of its shard from doing anything."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from sqlalchemy import Connection


@runtime_checkable
class Fence(Protocol):
    """Says whether this process may still write, and send. Safe for several threads."""

    def check(self, connection: Connection) -> None:
        """The last statement of a transaction. LeaseLostError: another process is the owner."""

    def wait(self) -> None:
        """Return when something may leave: at once while it is certain that this is the owner.

        LeaseLostError: another process is, or this one stops before it is known.
        """

    def is_certain(self) -> bool:
        """Whether something may leave now; False: it is not known yet, or never will be."""

    def is_owner(self) -> bool:
        """Whether this process runs a shard, from which another one may take over."""


class NoFence:
    """Of a process that shares its store with nobody, or owns nothing."""

    def check(self, connection: Connection) -> None:
        """Nothing to check."""

    def wait(self) -> None:
        """Nothing to wait for."""

    def is_certain(self) -> bool:
        """Always."""
        return True

    def is_owner(self) -> bool:
        """It shares its store with nobody."""
        return False


NO_FENCE = NoFence()
