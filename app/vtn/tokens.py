"""Tokens of the embedded VTN: opaque, in memory, gone with the process."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.vtn.credentials import EmbeddedCredentials

LIFETIME_S = 3600
VEN_SCOPES = "read_targets read_ven_objects write_reports write_subscriptions write_vens"
BL_SCOPES = "read_all write_programs write_events write_subscriptions write_vens"


@dataclass(frozen=True)
class Client:
    """Who asks."""

    client_id: str
    is_ven: bool


class Tokens:
    """Makes and knows tokens. `monotonic_s`: a clock in seconds that never goes back."""

    def __init__(
        self,
        credentials: EmbeddedCredentials,
        *,
        lifetime_s: int = LIFETIME_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self.lifetime_s = lifetime_s
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Client, float]] = {}

    def issue(self, client_id: str, client_secret: str) -> tuple[str, Client] | None:
        """A token for these credentials, or None."""
        is_bl = client_id == self._credentials.bl_client_id
        right = self._credentials.bl_client_secret if is_bl else self._credentials.ven_secret
        if not client_id or not hmac.compare_digest(client_secret.encode(), right.encode()):
            return None
        client = Client(client_id, is_ven=not is_bl)
        token = secrets.token_urlsafe(24)
        now_s = self._monotonic_s()
        with self._lock:
            self._known = {old: kept for old, kept in self._known.items() if kept[1] > now_s}
            self._known[token] = (client, now_s + self.lifetime_s)
        return token, client

    def revoke_all(self) -> None:
        """Every token that was issued is worth nothing from now on."""
        with self._lock:
            self._known.clear()

    def client(self, authorization: str | None) -> Client | None:
        """The client behind an Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        with self._lock:
            client, expires_s = self._known.get(token, (None, 0.0))
        return client if scheme.lower() == "bearer" and expires_s > self._monotonic_s() else None
