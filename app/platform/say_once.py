"""Says a thing once, however often it is met."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

MAX_REMEMBERED = 10_000
"""Things said; of more, the oldest are said again."""


class SayOnce:
    """Logs a line the first time that it is met. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: OrderedDict[str, None] = OrderedDict()

    def __call__(self, logger: logging.Logger, level: int, line: str, *, about: str = "") -> None:
        """`about`: what tells it apart from others, where that is not the whole line."""
        key = about or line
        with self._lock:
            if key in self._said:
                self._said.move_to_end(key)
                return
            self._said[key] = None
            if len(self._said) > MAX_REMEMBERED:
                self._said.popitem(last=False)
        logger.log(level, "%s", line)
