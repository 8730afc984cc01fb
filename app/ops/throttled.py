"""Looking seldom enough that it costs little, however many ask and however large the fleet is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
REST = 100
"""How many times as long as a look took the next one waits: looking takes 1 % of the time."""
MAX_REST_S = 30.0
"""Who looks is not told what is older, whatever a look takes."""


class _Held(NamedTuple, Generic[T]):
    value: T
    holds_until_s: float


class ThrottledValue(Generic[T]):
    """What `look` finds; it is looked for at most every so many seconds, or more seldom.

    `rest`: how many times as long as a look took the next one waits; 0 where a look is no work.
    Who asks while another looks gets what was found before, unless that is old. What `look` raises
    reaches who asked, and the next one looks again. Safe for threads.
    """

    def __init__(
        self,
        *,
        look: Callable[[], T],
        every_s: float,
        monotonic: Callable[[], float],
        rest: float = REST,
    ) -> None:
        self._look = look
        self._every_s = every_s
        self._rest = rest
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._found: _Held[T] | None = None

    def __call__(self) -> T:
        found, now_s = self._found, self._monotonic()
        if found is None or now_s >= found.holds_until_s + MAX_REST_S:
            with self._looking:
                return self._newest()
        if now_s >= found.holds_until_s and self._looking.acquire(blocking=False):
            try:
                return self._newest()
            finally:
                self._looking.release()
        return found.value

    def _newest(self) -> T:
        """Unless somebody has just looked."""
        found, began_s = self._found, self._monotonic()
        if found is None or began_s >= found.holds_until_s:
            value = self._look()
            rest_s = min(self._rest * (self._monotonic() - began_s), MAX_REST_S)
            found = self._found = _Held(value, began_s + max(self._every_s, rest_s))
        return found.value
