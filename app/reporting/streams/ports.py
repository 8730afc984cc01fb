"""What this room needs to know of others."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class FleetNames(Protocol):
    """Who is of the fleet."""

    def ven_names(self) -> list[str]: ...

    def names_of_removed(self, ven_name: str) -> list[str]: ...
