"""Who may change something: who knows OPS__TOKEN."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable

BETWEEN_TRIES_S = 1.0
"""Between the answers to wrong tokens from one address."""
MAX_WAIT_S = 30.0


class TokenGuard:
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
        self._answered_s: dict[str, float] = {}
        """By address: when the last wrong token of it is answered."""

    @property
    def has_token(self) -> bool:
        """Without one, nobody who is asked is let in."""
        return self._token is not None

    def asks(self, *, through_proxy: bool) -> bool:
        """Whether a token has to be given; behind a proxy it is not known who asks."""
        return self.has_token or not self._is_local or through_proxy

    def accepts(self, given: str) -> bool:
        """Whether this is the token. The right one is let in whatever others tried."""
        token = self._token
        return token is not None and hmac.compare_digest(token.encode(), given.encode())

    def refuse(self, who: str) -> float:
        """Seconds after which the address `who` is told that its token is wrong.

        Each further one waits for those before it, so that an address guesses once in a second.
        """
        with self._lock:
            now_s = self._monotonic()
            for address, answered_s in list(self._answered_s.items()):
                if answered_s <= now_s:
                    del self._answered_s[address]
            last_s = min(self._answered_s.get(who, now_s) + BETWEEN_TRIES_S, now_s + MAX_WAIT_S)
            self._answered_s[who] = last_s
            return last_s - now_s
