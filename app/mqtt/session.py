"""One connection to an MQTT broker: who connects, with what, and what it wants to hear."""

from __future__ import annotations

import itertools
import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from app.mqtt.errors import BrokerRefused
from app.openadr import BrokerAddress

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 60
MAX_PACKET_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a connection is made with."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    renew_at_s: float = float("inf")
    """By the monotonic clock: when it has to be made again with another login."""


class _BoundedClient(Client):
    """paho reads a packet of any size into memory; this one breaks off."""

    def _sock_recv(self, bufsize: int) -> bytes:
        packet: Any = self._in_packet
        if packet["have_remaining"] and packet["remaining_length"] > MAX_PACKET_BYTES:
            raise OSError("the broker sends a packet that is too large")
        return super()._sock_recv(bufsize)


class Session:
    """One identity at one broker. All but `filters` is the loop's own.

    `addresses`: where the broker is, tried in turn. `login` and `tls` fetch what it connects with,
    and may wait for the VTN; `refused` is told of a login that the broker did not take.
    `on_message` gets each message: topic, body, whether it was retained. `on_subscribed` is told
    the filters that the broker has confirmed, with every SUBACK; `on_disconnected`, why none of
    them holds any more.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[BrokerAddress],
        client_id: str,
        tls: Callable[[BrokerAddress], ssl.SSLContext | None],
        login: Callable[[], Login],
        refused: Callable[[Login], None],
        on_message: Callable[[str, bytes, bool], None],
        on_subscribed: Callable[[frozenset[str]], None],
        on_disconnected: Callable[[str], None],
    ) -> None:
        self.addresses = tuple(addresses)
        self._in_turn = itertools.cycle(addresses)
        self.address = next(self._in_turn)
        self.client_id = client_id
        self.tls = tls
        self.login = login
        self.refused = refused
        self.on_message = on_message
        self.on_subscribed = on_subscribed
        self.on_disconnected = on_disconnected
        self.filters: frozenset[str] = frozenset()
        self.closed = False
        self.client: Client | None = None
        self.used: Login | None = None
        self.rejected: Login | None = None
        self.subscribed: frozenset[str] = frozenset()
        self.asked: dict[int, list[str]] = {}
        """Filters by the id of the SUBSCRIBE that asks for them."""
        self.events = 0
        """What the selector waits for."""
        self.is_up = False
        self.deadline_s: float | None = None
        """Until when the broker has to answer."""
        self.up_since_s = 0.0
        self.failures = 0
        self.reason: str | None = None
        """Why the last connection ended."""

    def try_next_address(self) -> None:
        """This one does not work."""
        self.address = next(self._in_turn)

    def connect(self) -> Client:
        """A client that has sent its CONNECT. Blocks for the VTN's token and the broker's TLS.

        Any error of the VTN or of the network leaves as it is.
        """
        rejected, self.rejected = self.rejected, None
        if rejected is not None:
            self.refused(rejected)
        self.used = self.login()
        client = _BoundedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self.used.username is not None:
            client.username_pw_set(self.used.username, self.used.password)
        address = self.address
        context = self.tls(address)
        if context is not None:
            client.tls_set_context(context)
        client.connect(address.host, address.port, KEEPALIVE_S)
        if client.socket() is None:
            raise BrokerRefused("the broker closes the connection")
        return client


def tls_context(
    *,
    verify: bool | str = True,
    ca: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
) -> ssl.SSLContext:
    """TLS 1.2 or newer by the rules of HTTPS. `verify`: True, False or a CA file; the others: PEM.

    ValueError (ssl.SSLError is one): something of it cannot be used.
    """
    file = verify if isinstance(verify, str) else None
    context = ssl.create_default_context(cafile=file, cadata=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None and key is not None:
        # The ssl module wants a file; this one is in memory only.
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, f"{key.rstrip()}\n{certificate}".encode())
            context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=b"")
        finally:
            os.close(descriptor)
    return context
