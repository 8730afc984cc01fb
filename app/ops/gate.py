"""Who may change something: who knows OPS__TOKEN."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable

BETWEEN_TRIES_S = 1.0
"""After a wrong token, whoever gave it."""


class Gatekeeper:
    """Asks for the token where the page can be reached from elsewhere, or where there is one.

    Safe for several threads.
    """

    def __init__(
        self, *, token: str | None, is_local: bool, monotonic: Callable[[], float]
    ) -> None:
        self._token = token
        self._is_local = is_local
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next_try_s = monotonic()

    @property
    def has_token(self) -> bool:
        """Without one, nobody who is asked is let in."""
        return self._token is not None

    def asks(self, *, through_proxy: bool) -> bool:
        """Whether a token has to be given; behind a proxy it is not known who asks."""
        return self.has_token or not self._is_local or through_proxy

    def is_closed(self) -> bool:
        """Whether it is too soon after a wrong token."""
        return self._monotonic() < self._next_try_s

    def admits(self, given: str) -> bool:
        """Whether this is the token; False, too, while it is too soon."""
        with self._lock:
            if self._token is None or self.is_closed():
                return False
            if hmac.compare_digest(self._token.encode(), given.encode()):
                return True
            self._next_try_s = self._monotonic() + BETWEEN_TRIES_S
            return False
