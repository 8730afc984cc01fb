"""Requests to webhooks (Definition, Webhooks): https, no redirects, no private hosts."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url
from urllib3.util.connection import create_connection

from app.vtn.errors import CallbackFailed
from app.vtn.wire import Wire, to_json

TIMEOUT_S = 10.0
"""For everything: of one delivery, and of the challenges of one subscription."""
MAX_ANSWERED_BYTES = 4096
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments
            "192.88.99.0/24",  # 6to4 relays
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: holds an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
"""Of what Python's own table takes, or took, for global."""


def anywhere(_address: str) -> bool:
    """For tests and demonstrations: this machine, too."""
    return True


def is_public(address: str) -> bool:
    """Whether an address is global unicast, and hides none that is not (RFC 6890; IANA)."""
    parsed = ipaddress.ip_address(address)
    if any(parsed in network for network in NOT_PUBLIC if network.version == parsed.version):
        return False
    if parsed.version == 6 and parsed not in GLOBAL_UNICAST:
        return False
    return parsed.is_global and not parsed.is_multicast


class _CheckedConnection(HTTPSConnection):
    """Connects only to addresses that are allowed, whatever the name is resolved to.

    The address that was checked is the one that is connected to; the name is the certificate's.
    """

    def __init__(self, *args: Any, allows: Callable[[str], bool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._allows = allows
        self._raw: socket.socket | None = None
        self._lock = threading.Lock()
        self._given_up = False
        self._timeout_s = float(kwargs["timeout"])
        self._ends_s = time.monotonic() + self._timeout_s

    def _new_conn(self) -> socket.socket:
        try:
            infos = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            infos = []
        addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
        if not addresses or not all(map(self._allows, addresses)):
            # Who asks does not learn which names there are in a private network.
            raise CallbackFailed(f"{self.host} has no public address")
        failure: OSError | None = None
        for address in addresses:
            try:
                connected = create_connection(
                    (address, self.port),
                    max(self._ends_s - time.monotonic(), 0.001),
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                failure = error
                continue
            # TLS takes the socket over; this second handle can end it at any time.
            with self._lock:
                self._raw = connected.dup()
                if not self._given_up:
                    connected.settimeout(self._timeout_s)
                    return connected
            connected.close()
            raise OSError("it was connected too late")
        raise failure or OSError("no address")

    def give_up(self) -> None:
        """End it, whatever it waits for. From any thread."""
        with self._lock:
            self._given_up = True
            if self._raw is not None:
                with contextlib.suppress(OSError):  # it has just ended
                    self._raw.shutdown(socket.SHUT_RDWR)

    @property
    def was_given_up(self) -> bool:
        return self._given_up

    def close(self) -> None:
        super().close()
        if self._raw is not None:
            self._raw.close()


class Callbacks:
    """Asks and tells webhooks, each on a connection of its own. Building it does no I/O.

    `verify_tls`: True, False or a CA file. `allows`: which addresses may be connected to.
    `timeout_s`: how long a callback has, however it answers.
    """

    def __init__(
        self,
        *,
        verify_tls: bool | Path = True,
        allows: Callable[[str], bool] = is_public,
        timeout_s: float = TIMEOUT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tls: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED" if verify_tls else "CERT_NONE"}
        if isinstance(verify_tls, Path):
            self._tls["ca_certs"] = str(verify_tls)
        self._allows = allows
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s

    def verify(self, subscription: Wire) -> None:
        """Whether its callbacks are there and its client's. CallbackFailed names the first."""
        until_s = self._monotonic_s() + self._timeout_s
        operations = subscription["objectOperations"]
        for url, token in dict.fromkeys(
            (operation["callbackUrl"], operation.get("bearerToken")) for operation in operations
        ):
            try:
                self._challenge(url, token, until_s - self._monotonic_s())
            except CallbackFailed as error:
                raise CallbackFailed(f"callbackUrl {url[:200]}: {error}") from None

    def _challenge(self, url: str, token: str | None, timeout_s: float) -> None:
        """It has to say back what it is asked."""
        parts = _read(url)
        value = secrets.token_urlsafe(24)
        query = f"{parts.query}&echo={value}" if parts.query else f"echo={value}"
        answered = self._ask("GET", parts._replace(query=query), token, timeout_s)
        if answered.decode(errors="replace").strip().strip('"') != value:
            raise CallbackFailed("it does not say back the value of 'echo'")

    def tell(self, url: str, token: str | None, notification: Wire) -> None:
        """Deliver a notification. CallbackFailed: it was not accepted."""
        self._ask("POST", _read(url), token, self._timeout_s, to_json(notification))

    def _ask(
        self,
        method: str,
        url: Url,
        token: str | None,
        timeout_s: float,
        body: bytes | None = None,
    ) -> bytes:
        if timeout_s <= 0:
            raise CallbackFailed("there is no time left for it")
        headers = {"User-Agent": "openadr-vtn", "Connection": "close"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = _CheckedConnection(
            str(url.hostname).strip("[]"),
            url.port or 443,
            timeout=timeout_s,
            allows=self._allows,
            **self._tls,
        )
        # Time-outs of sockets start again with every byte.
        alarm = threading.Timer(timeout_s, connection.give_up)
        alarm.daemon = True
        alarm.start()
        try:
            connection.request(
                method, url.request_uri, body=body, headers=headers, preload_content=False
            )
            answer = connection.getresponse()
            with contextlib.closing(answer):
                content: bytes = answer.read(MAX_ANSWERED_BYTES)
        except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise CallbackFailed(self._words(error, connection)) from None
        finally:
            alarm.cancel()
            connection.close()
        if connection.was_given_up:
            raise CallbackFailed(self._words(None, connection))
        if not 200 <= answer.status < 300:
            raise CallbackFailed(f"it answers {answer.status}")
        return content

    def _words(self, error: Exception | None, connection: _CheckedConnection) -> str:
        if error is None or connection.was_given_up:
            return f"it does not answer within {self._timeout_s:.0f} s"
        return f"{type(error).__name__}: {str(error)[:200]}"


def _read(url: str) -> Url:
    try:
        read = parse_url(url)
    except HTTPError:
        raise CallbackFailed("it is no URL") from None
    if read.scheme != "https":
        raise CallbackFailed("it must be https")
    if not read.hostname:
        raise CallbackFailed("it names no host")
    return read
