"""Who may change something: who knows OPS__TOKEN."""

from __future__ import annotations

import hmac


class Gatekeeper:
    """Asks for the token where the page can be reached from elsewhere, or where there is one."""

    def __init__(self, *, token: str | None, is_local: bool) -> None:
        self._token = token
        self.asks = not is_local or token is not None
        """Whether a token has to be given."""

    @property
    def lets_nobody(self) -> bool:
        """Whether it asks for a token that there is not."""
        return self.asks and self._token is None

    def admits(self, given: str) -> bool:
        """Whether this is the token."""
        expected = self._token
        return expected is not None and hmac.compare_digest(expected.encode(), given.encode())
