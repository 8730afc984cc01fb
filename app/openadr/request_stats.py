"""What became of the requests to a VTN, counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from app.observability import Histogram

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNREACHABLE = "unreachable"
"""There was no connection."""
BROKEN = "broken"
"""It was sent, and no answer came."""


class RequestStats:
    """Counts each attempt once. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self.latency_s = Histogram(BOUNDS_S)
        """Of the requests that were answered."""

    def answered(self, method: str, status: int, latency_s: float) -> None:
        """An answer came, whatever it says."""
        self.latency_s.observe(latency_s)
        self._count(method, str(status))

    def failed(self, method: str, kind: str) -> None:
        """None came; `kind`: UNREACHABLE or BROKEN."""
        self._count(method, kind)

    def outcomes(self) -> Mapping[tuple[str, str], int]:
        """How many attempts by method, and by status or kind of failure."""
        with self._lock:
            return dict(self._outcomes)

    def _count(self, method: str, outcome: str) -> None:
        with self._lock:
            self._outcomes[method, outcome] += 1
