"""Whether something that is done again and again still comes to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable

LOOKS = 10
"""In the time that a round may take."""


class Rounds(threading.Thread):
    """Gives up when a round takes longer than `within_s`, which Ray does not bound."""

    def __init__(
        self, give_up: Callable[[], object], *, within_s: float, monotonic: Callable[[], float]
    ) -> None:
        super().__init__(name="rounds", daemon=True)
        self._give_up = give_up
        self._within_s = within_s
        self._monotonic = monotonic
        self._began_s = monotonic()
        self._ended = threading.Event()

    def begin(self) -> None:
        """A round begins; the one before has ended."""
        self._began_s = self._monotonic()

    def run(self) -> None:
        while self._monotonic() - self._began_s < self._within_s:
            if self._ended.wait(self._within_s / LOOKS):
                return
        self._give_up()

    def end(self) -> None:
        """There are no more rounds."""
        self._ended.set()
