"""Says a thing once, however often it is met; and a problem when it begins, changes and ends."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

MAX_REMEMBERED = 200_000
"""Things said; of more, the oldest are said again."""


class LogOnce:
    """Knows what was said. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: OrderedDict[str, None] = OrderedDict()
        self._problems: dict[str, str] = {}

    def __call__(self, logger: logging.Logger, level: int, line: str, *, about: str = "") -> None:
        """Log a line the first time that it is met.

        `about`: what tells it apart from others, where that is not the whole line.
        """
        if self.is_new(about or line):
            logger.log(level, "%s", line)

    def is_new(self, about: str) -> bool:
        """Whether this is met for the first time; it is not from then on."""
        with self._lock:
            if about in self._said:
                self._said.move_to_end(about)
                return False
            self._said[about] = None
            if len(self._said) > MAX_REMEMBERED:
                self._said.popitem(last=False)
            return True

    def problem(
        self,
        logger: logging.Logger,
        about: str,
        problem: str | None,
        *,
        line: str = "",
        recovered: str = "",
        level: int = logging.WARNING,
        repeated: int | None = None,
    ) -> str | None:
        """Log a problem when it begins or is another one, and its end; None: there is none.

        Returns what the problem was before.

        `line`: what is logged, where that is not the problem itself; `well`: at its end;
        `repeated`: the level of a problem that is the same as before, None: it is not logged.
        """
        with self._lock:
            before = self._problems.pop(about, None)
            if problem is not None:
                self._problems[about] = problem
        if problem is None:
            if before is not None and recovered:
                logger.info("%s", recovered)
        elif problem != before:
            logger.log(level, "%s", line or problem)
        elif repeated is not None:
            logger.log(repeated, "%s", line or problem)
        return before
