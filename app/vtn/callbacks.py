"""Requests to webhooks (Definition, Webhooks): https, no redirects, no private hosts."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from app.vtn.wire import Wire, to_json

TIMEOUT_S = 10.0
MOST_ANSWERED_BYTES = 4096


class CallbackFailed(Exception):
    """A callback that cannot be reached, or does not answer with success; one line."""


class _PublicConnection(HTTPSConnection):
    """Connects to addresses of the open internet only, whatever the name is resolved to.

    The address that was checked is the one that is connected to.
    """

    def _new_conn(self) -> socket.socket:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = {str(each[4][0]) for each in found}
        if not all(ipaddress.ip_address(each.split("%")[0]).is_global for each in addresses):
            raise urllib3.exceptions.LocationValueError(f"{self.host} is a private address")
        self._dns_host = sorted(addresses)[0]
        return super()._new_conn()


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class Callbacks:
    """Asks and tells webhooks. Building it does no I/O.

    `verify_tls`: True, False or a CA file. `allow_private`: also hosts that are not on the open
    internet, for tests and demonstrations.
    """

    def __init__(
        self,
        *,
        verify_tls: bool | Path = True,
        allow_private: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        tls: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if verify_tls else ssl.CERT_NONE}
        if isinstance(verify_tls, Path):
            tls["ca_certs"] = str(verify_tls)
        self._pools = urllib3.PoolManager(
            timeout=timeout_s, retries=False, maxsize=4, num_pools=100, **tls
        )
        if not allow_private:
            self._pools.pool_classes_by_scheme = {"https": _PublicPool}

    def verify(self, subscription: Wire) -> None:
        """Whether its callbacks are there and its client's. CallbackFailed names the first."""
        for each in subscription["objectOperations"]:
            url = each["callbackUrl"]
            try:
                self._challenge(url, each.get("bearerToken"))
            except CallbackFailed as error:
                raise CallbackFailed(f"callbackUrl {url[:200]}: {error}") from None

    def _challenge(self, url: str, token: str | None) -> None:
        """It has to say back what it is asked."""
        parts = urlsplit(url)
        if parts.scheme.lower() != "https":
            raise CallbackFailed("it must be https")
        value = secrets.token_urlsafe(24)
        echo = f"{parts.query}&echo={value}" if parts.query else f"echo={value}"
        answered = self._ask("GET", urlunsplit(parts._replace(query=echo, fragment="")), token)
        if answered.decode(errors="replace").strip().strip('"') != value:
            raise CallbackFailed("it does not say back the value of 'echo'")

    def tell(self, url: str, token: str | None, notification: Wire) -> None:
        """Deliver a notification. CallbackFailed: it was not accepted."""
        self._ask("POST", url, token, to_json(notification))

    def close(self) -> None:
        self._pools.clear()

    def _ask(self, method: str, url: str, token: str | None, body: bytes | None = None) -> bytes:
        headers = {"User-Agent": "openadr-vtn"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = self._pools.request(
                method, url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                content: bytes = answer.read(MOST_ANSWERED_BYTES)
            finally:
                answer.close()
        except (HTTPError, OSError, ValueError) as error:
            raise CallbackFailed(f"{type(error).__name__}: {str(error)[:200]}") from None
        if not 200 <= answer.status < 300:
            raise CallbackFailed(f"it answers {answer.status}")
        return content
