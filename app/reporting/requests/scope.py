"""Which resources of a VEN a report is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """Some of a VEN's resources, by name."""

    only: frozenset[str] | None = None
    """None: all."""
    without: frozenset[str] = frozenset()
    """But for these."""

    @property
    def is_all(self) -> bool:
        """Whether it is every resource of the VEN."""
        return self.only is None and not self.without

    def __contains__(self, name: str) -> bool:
        return (self.only is None or name in self.only) and name not in self.without

    def of(self, names: Iterable[str]) -> list[str]:
        """Those of these names that it is about, in their order."""
        return [name for name in names if name in self]


EVERYTHING = Scope()
