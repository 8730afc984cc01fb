"""Who waits for the database, and since when."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Waits:
    """By thread: since when it waits for an answer. Safe for several threads."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}

    def begin(self, *_: object) -> None:
        """This thread asks something."""
        self._since_s[threading.get_ident()] = time.monotonic()

    def end(self, *_: object) -> None:
        """It has its answer, or an error."""
        self._since_s.pop(threading.get_ident(), None)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """It waits as long as the block lasts."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def longest_s(self) -> float:
        """How long the one has waited that has waited longest; 0.0: nobody waits."""
        since_s = list(self._since_s.values())
        return time.monotonic() - min(since_s) if since_s else 0.0
