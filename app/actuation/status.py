"""How actuators are: for the page, the metrics and readiness."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ActuatorStatus:
    """One actuator."""

    away: str | None = None
    """Why no order reaches it; None: they do."""
    not_taken: int = 0
    """Orders that its broker did not take, or that did not arrive."""


class ActuatorStats:
    """What channels say. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, ActuatorStatus] = {}
        self._missing: Counter[str] = Counter()

    def connection(self, name: str, problem: str | None) -> str | None:
        """Whether orders reach it, or why not; what it was before."""
        with self._lock:
            before = self._known.get(name, ActuatorStatus())
            self._known[name] = replace(before, away=problem)
            return before.away

    def not_taken(self, name: str) -> None:
        """Count an order that a broker refuses, or that does not arrive."""
        with self._lock:
            before = self._known.get(name, ActuatorStatus())
            self._known[name] = replace(before, not_taken=before.not_taken + 1)

    def resources(self, names: Iterable[str], known: Collection[str]) -> None:
        """By which actuators resources are given orders, a name each; and which there are."""
        self._missing = Counter(name for name in names if name not in known)

    @property
    def missing(self) -> Mapping[str, int]:
        """Actuators that are in no file, and how many resources name each."""
        return self._missing

    def all(self) -> Mapping[str, ActuatorStatus]:
        """By name."""
        with self._lock:
            return dict(self._known)
