"""What this room needs to know of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from app.intake import KnownMeters


@runtime_checkable
class FleetNames(Protocol):
    """Who is of the fleet."""

    def ven_names(self) -> list[str]: ...

    def names_of_removed(self, ven_name: str) -> list[str]: ...


@runtime_checkable
class KnowsMeters(Protocol):
    """Which resources have real meters."""

    def known(self) -> KnownMeters: ...


@runtime_checkable
class CountsArrivals(Protocol):
    """How much came of real meters."""

    def refresh(self) -> None: ...

    def count(
        self, ven_name: str, quantities: Sequence[str], after: int, through: int | None = None
    ) -> int: ...


@runtime_checkable
class NumbersArrivals(Protocol):
    """Measurements in the order in which they came."""

    def newest_seq(self) -> int: ...
