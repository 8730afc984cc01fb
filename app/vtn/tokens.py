"""Tokens of the embedded VTN: opaque, in memory, gone with the process; and what they allow."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.vtn.credentials import EmbeddedCredentials
from app.vtn.errors import ScopeRefused

LIFETIME_S = 3600
VEN_SCOPES = frozenset(
    ("read_targets", "read_ven_objects", "write_reports", "write_subscriptions", "write_vens")
)
BL_SCOPES = frozenset(
    ("read_all", "write_programs", "write_events", "write_subscriptions", "write_vens")
)
READ_SCOPES = {
    "PROGRAM": ("read_all", "read_targets"),
    "EVENT": ("read_all", "read_targets"),
    "REPORT": ("read_all", "read_ven_objects"),
    "SUBSCRIPTION": ("read_all", "read_ven_objects"),
    "VEN": ("read_all", "read_ven_objects"),
    "RESOURCE": ("read_all", "read_ven_objects"),
}
"""One of these, by kind of object. 3.0.1 knows read_all only, which its VENs have, too."""
WRITE_SCOPES = {
    "PROGRAM": ("write_programs",),
    "EVENT": ("write_events",),
    "REPORT": ("write_reports",),
    "SUBSCRIPTION": ("write_subscriptions",),
    "VEN": ("write_vens",),
    "RESOURCE": ("write_vens",),
}


@dataclass(frozen=True)
class Client:
    """Who asks, and what they may."""

    client_id: str
    is_ven: bool
    scopes: frozenset[str]


class Tokens:
    """Makes and knows tokens. `monotonic_s`: a clock in seconds that never goes back.

    `on_issue` is told of every token with its client's id before anybody else has it: where a
    broker knows clients by their tokens, it learns them here.
    """

    def __init__(
        self,
        credentials: EmbeddedCredentials,
        *,
        lifetime_s: int = LIFETIME_S,
        monotonic_s: Callable[[], float] = time.monotonic,
        on_issue: Callable[[str, str], None] = lambda _client_id, _token: None,
    ) -> None:
        self._credentials = credentials
        self.lifetime_s = lifetime_s
        self._monotonic_s = monotonic_s
        self._on_issue = on_issue
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Client, float]] = {}

    def issue(
        self, client_id: str, client_secret: str, scope: str = ""
    ) -> tuple[str, Client] | None:
        """A token for these credentials, or None. `scope`: of all that the client has, only these.

        ScopeRefused: one of them is not the client's.
        """
        is_bl = client_id == self._credentials.bl_client_id
        right = self._credentials.bl_client_secret if is_bl else self._credentials.ven_secret
        if not client_id or not hmac.compare_digest(client_secret.encode(), right.encode()):
            return None
        own = BL_SCOPES if is_bl else VEN_SCOPES
        asked = frozenset(scope.split())
        if not is_bl and "read_all" in asked:  # what 3.0.1 calls what VENs may read
            asked = asked - {"read_all"} | {"read_targets", "read_ven_objects"}
        if not asked <= own:
            raise ScopeRefused
        client = Client(client_id, is_ven=not is_bl, scopes=asked or own)
        token = secrets.token_urlsafe(24)
        self._on_issue(client_id, token)
        now_s = self._monotonic_s()
        with self._lock:
            self._known = {old: kept for old, kept in self._known.items() if kept[1] > now_s}
            self._known[token] = (client, now_s + self.lifetime_s)
        return token, client

    def client(self, authorization: str | None) -> Client | None:
        """The client behind an Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        with self._lock:
            client, expires_s = self._known.get(token, (None, 0.0))
        return client if scheme.lower() == "bearer" and expires_s > self._monotonic_s() else None
