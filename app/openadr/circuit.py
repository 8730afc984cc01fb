"""A circuit breaker: a VTN that is down is asked seldom, by one request at a time (an outage)."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

OPENS_AFTER = 3
"""Attempts in a row for which no connection was made; one request makes as many."""
INITIAL_PAUSE_S = 1.0
MAX_PAUSE_S = 8.0
"""So that a VTN that is back is found within 10 s."""


class Circuit:
    """Closed while the VTN answers; open when it cannot be connected to, or `open` is called.

    While it is open, one request after each pause is let through, to try once; the pauses grow.
    `monotonic` returns seconds that never go back. Safe for several threads.
    """

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._opened = False
        self.outages = 0
        """How often it opened."""
        self._pause_s = INITIAL_PAUSE_S
        self._tried_again_at_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the VTN counts as down."""
        return self._opened

    @property
    def probe_due(self) -> bool:
        """Whether it is open and the next request would be let through."""
        return self._opened and self._monotonic() >= self._tried_again_at_s

    def allow_request(self) -> bool:
        """Whether a request may be made now; while open, this claims the next attempt."""
        if not self._opened:
            return True
        with self._lock:
            if not self._opened:
                return True
            if self._monotonic() < self._tried_again_at_s:
                return False
            self._plan()
            return True

    def answered(self) -> None:
        """The VTN answered a request as a VTN does: whatever was wrong is over."""
        if not self._failures and not self._opened:
            return  # as nearly always
        with self._lock:
            self._failures, self._opened, self._pause_s = 0, False, INITIAL_PAUSE_S

    def connected(self) -> None:
        """A connection was made, whatever the outcome of the request."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def not_connected(self) -> None:
        """No connection could be made."""
        with self._lock:
            self._failures += 1
            opens = self._failures >= OPENS_AFTER
        if opens:
            self.open()

    def open(self) -> None:
        """From now on the VTN counts as down."""
        with self._lock:
            if not self._opened:
                self._opened = True
                self.outages += 1
                self._plan()

    def _plan(self) -> None:
        """The next attempt, spread so that many clients of one VTN do not come together."""
        self._tried_again_at_s = self._monotonic() + self._pause_s * random.uniform(0.5, 1.0)
        self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
