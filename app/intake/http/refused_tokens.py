"""Says that somebody is not let in: whoever sends with a wrong token may not say so himself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from starlette.requests import Request

from app.intake.errors import RequestRefused
from app.intake.status import IntakeStats

logger = logging.getLogger(__name__)
SAID_EVERY_S = 600.0


class RefusedTokens:
    """Counts requests without the token of a source, and names the first of ten minutes."""

    def __init__(self, *, stats: IntakeStats, monotonic: Callable[[], float]) -> None:
        self._stats = stats
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._say_at_s = float("-inf")
        self._since = 0
        """Requests that were not named."""

    def refuse(self, request: Request, words: str, headers: Mapping[str, str]) -> RequestRefused:
        """What it is answered; 401."""
        self._stats.not_let_in()
        with self._lock:
            now_s = self._monotonic()
            is_to_be_said = now_s >= self._say_at_s
            others, self._since = self._since, 0 if is_to_be_said else self._since + 1
            if is_to_be_said:
                self._say_at_s = now_s + SAID_EVERY_S
        if is_to_be_said:
            logger.warning(
                "%s %s from %s is not let in: %s%s",
                request.method,
                request.url.path,
                "an unknown address" if request.client is None else request.client.host,
                words,
                f"; {others} others since the last such line" if others else "",
            )
        return RequestRefused(401, words, headers)
