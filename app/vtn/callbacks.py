"""Requests to webhooks (Definition, Webhooks): https, no redirects, no private hosts."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util.connection import create_connection

from app.vtn.wire import Wire, to_json

TIMEOUT_S = 10.0
MOST_ANSWERED_BYTES = 4096
NAT64 = ipaddress.ip_network("64:ff9b::/32")


class CallbackFailed(Exception):
    """A callback that cannot be reached, or does not answer with success; one line."""


def anywhere(_address: str) -> bool:
    """For tests and demonstrations: this machine, too."""
    return True


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, and hides none that is not."""
    found = ipaddress.ip_address(address.split("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and (
        found.sixtofour or found.teredo or found.is_site_local or found in NAT64
    ):
        return False
    return found.is_global and not found.is_multicast


class _CheckedConnection(HTTPSConnection):
    """Connects only to addresses that are allowed, whatever the name is resolved to.

    The address that was checked is the one that is connected to; the name is the certificate's.
    """

    allows: Callable[[str], bool]

    def _new_conn(self) -> socket.socket:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if not all(map(self.allows, addresses)):
            raise CallbackFailed(f"{self.host} is a private address")
        failure: OSError | None = None
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                failure = error
        raise failure or OSError(f"{self.host} has no address")


class Callbacks:
    """Asks and tells webhooks. Building it does no I/O.

    `verify_tls`: True, False or a CA file. `allows`: which addresses may be connected to.
    """

    def __init__(
        self,
        *,
        verify_tls: bool | Path = True,
        allows: Callable[[str], bool] = is_public,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        tls: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if verify_tls else ssl.CERT_NONE}
        if isinstance(verify_tls, Path):
            tls["ca_certs"] = str(verify_tls)
        self._pools = urllib3.PoolManager(
            timeout=timeout_s, retries=False, maxsize=4, num_pools=100, **tls
        )
        connection = type("Connection", (_CheckedConnection,), {"allows": staticmethod(allows)})
        pool = type("Pool", (HTTPSConnectionPool,), {"ConnectionCls": connection})
        self._pools.pool_classes_by_scheme = {"https": pool}

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
