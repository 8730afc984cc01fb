"""One connection to an MQTT broker: who connects, with what, and what it wants to hear."""

from __future__ import annotations

import itertools
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from app.mqtt.errors import BrokerRefused
from app.openadr import BrokerAddress

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 60
FILTERS_AT_ONCE = 100
"""In one SUBSCRIBE; brokers bound their packets."""
MAX_IN_FLIGHT = 20
"""Messages that we have sent and the broker has not confirmed; it may allow fewer."""
MAX_BODY_BYTES = 1 << 20
"""Of a message; of a larger one the rest is left out."""
MAX_PACKET_BYTES = 16 << 20
"""What is kept of a packet while it is read; brokers of MQTT 5 send none that is larger."""
READ_BYTES = 1 << 16
"""At a time."""
TAKEN_OVER_PAUSE_S = 60.0
"""Before a session is taken back from another client with its id: else the two never stop."""
MAX_CLOSED = 3
"""Connections that a broker may close in that time before another client is suspected."""
SESSION_TAKEN_OVER = 142
"""Why the broker disconnects (MQTT 5, 3.14.2.1)."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a connection is made with."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    renew_at_s: float = float("inf")
    """By the monotonic clock: when it has to be made again with another login."""


class Message(NamedTuple):
    """What a broker delivered."""

    topic: str
    body: bytes
    is_retained: bool
    """Whether it is an old one, given to who subscribes."""
    delivery: tuple[Client, int] | None = None
    """What is to be acknowledged; None: nothing is."""


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """What is published, with QoS 1."""

    topic: str
    body: bytes
    is_retained: bool = False
    expires_in_s: int | None = None
    """When the broker forgets it (MQTT 5, 3.3.2.3.3); None: it does not."""

    def properties(self, protocol: int) -> Properties | None:
        """As paho wants them."""
        if self.expires_in_s is None or protocol != MQTTv5:
            return None
        made = Properties(PacketTypes.PUBLISH)
        made.MessageExpiryInterval = self.expires_in_s
        return made


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """What a session publishes.

    Nothing of it is ever sent a second time: what was not confirmed when a connection ends is
    left to whoever published it, and asked for anew when there is another connection.
    """

    outgoing: Callable[[int], Outgoing | None]
    """The next message, as it is to be now; None: there is none. Given the MQTT protocol level, 4
    or 5. Called by the loop whenever the broker takes another one."""
    on_refused: Callable[[str, str], None]
    """Topic and reason: the broker does not take this message."""
    will: Outgoing | None = None
    """What the broker publishes when the connection breaks; we do when we end it."""


@dataclass(frozen=True, kw_only=True)
class KeptSession:
    """A session that the broker keeps while we are away, with the messages that come meanwhile.

    Its messages are acknowledged by whoever takes them, and come again until they are.
    """

    keep_s: int
    """How long after a connection ended; brokers of MQTT 3.1.1 decide on their own."""
    most_unacknowledged: int
    """Messages that the broker may send before any of them is acknowledged."""


class BoundedClient(Client):
    """paho's, which reads ahead, and keeps no more of a packet in memory than is looked at."""

    def __init__(self, **options: Any) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, reconnect_on_failure=False, **options)
        self._ahead = b""
        self._at = 0

    @property
    def has_more(self) -> bool:
        """Whether something was read that no selector sees any more."""
        return self._at < len(self._ahead)

    def _ssl_wrap_socket(self, tcp_sock: Any) -> ssl.SSLSocket:
        """As paho does it, but closed where the two do not come to terms."""
        context: Any = self._ssl_context
        wrapped: ssl.SSLSocket = context.wrap_socket(
            tcp_sock, server_hostname=self._host, do_handshake_on_connect=False
        )
        try:
            wrapped.settimeout(CONNECT_TIMEOUT_S)
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def _sock_recv(self, bufsize: int) -> bytes:
        packet: Any = self._in_packet
        del packet["packet"][MAX_PACKET_BYTES:]
        if self._at >= len(self._ahead):
            self._ahead, self._at = super()._sock_recv(READ_BYTES), 0
        begin = self._at
        self._at = min(begin + bufsize, len(self._ahead))
        return self._ahead[begin : self._at]


class Session:
    """One identity at one broker. All but `filters` is the loop's own.

    `addresses`: where the broker is, tried in turn. `login` and `tls` fetch what it connects with,
    and may wait for the VTN; `refused` is told of a login that the broker did not take.
    `on_message` gets each message. `on_subscribed` is told the filters that the broker has
    confirmed, with every SUBACK; `on_disconnected`, why none of them holds any more. `kept`: None
    for a session that ends with its connection. `publishing`: None where it only hears.
    `has_fixed_id`: another client may have the same one.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[BrokerAddress],
        client_id: str,
        tls: Callable[[BrokerAddress], ssl.SSLContext | None],
        login: Callable[[], Login],
        refused: Callable[[Login], None],
        on_message: Callable[[Message], None],
        on_subscribed: Callable[[frozenset[str]], None],
        on_disconnected: Callable[[str], None],
        kept: KeptSession | None = None,
        publishing: Publishing | None = None,
        keep_alive_s: int = KEEPALIVE_S,
        has_fixed_id: bool = False,
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
        self.kept = kept
        self.publishing = publishing
        self._keep_alive_s = keep_alive_s
        self.has_fixed_id = has_fixed_id
        self.former_filters: frozenset[str] = frozenset()
        """Those of an earlier time, which a kept session may still have."""
        self.protocol = MQTTv311 if kept is None and publishing is None else MQTTv5
        """A broker that does not know 5 is asked again with 3.1.1."""
        self.filters: frozenset[str] = frozenset()
        self.closed = False
        self.is_paused = False
        """Whether nothing is read of it for now."""
        self.was_taken_over = False
        """Whether another client with the same id ended the last connection."""
        self.client: BoundedClient | None = None
        self.used: Login | None = None
        self.rejected: Login | None = None
        self.subscribed: frozenset[str] = frozenset()
        self.not_kept: frozenset[str] = frozenset()
        """Filters that the broker grants with QoS 0 only: it keeps nothing of them."""
        self.is_resumed = False
        """Whether the broker still had the session of before."""
        self.asks_again_at_s = float("inf")
        """When filters that were refused are asked for again."""
        self.asked: dict[int, list[str]] = {}
        """Filters by the id of the SUBSCRIBE that asks for them."""
        self.in_flight: dict[int, str] = {}
        """Topics of messages that the broker has not confirmed, by packet id."""
        self.most_in_flight = MAX_IN_FLIGHT
        self.events = 0
        """What the selector waits for."""
        self.is_up = False
        self.deadline_s: float | None = None
        """Until when the broker has to answer."""
        self.up_since_s = 0.0
        self.closed_at_s: deque[float] = deque(maxlen=MAX_CLOSED)
        """When the broker closed connections that were up."""
        self.failures = 0
        self.reason: str | None = None
        """Why the last connection ended."""

    def try_next_address(self) -> None:
        """This one does not work."""
        self.address = next(self._in_turn)

    def connected(self, flags: Any, properties: Any) -> None:
        """What the broker says of the session (MQTT 5, 3.2)."""
        self.is_resumed = flags.session_present
        receive_maximum = getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT)
        self.most_in_flight = min(receive_maximum, MAX_IN_FLIGHT)

    def ask(self) -> bool:
        """Ask the broker for what is wanted and not granted; whether anything is."""
        client: Any = self.client
        old = sorted(self.subscribed - self.filters)
        if old:
            client.unsubscribe(old)
            self.subscribed &= self.filters
        new = sorted(self.filters - self.subscribed - frozenset().union(*self.asked.values()))
        for begin in range(0, len(new), FILTERS_AT_ONCE):
            asked = new[begin : begin + FILTERS_AT_ONCE]
            _, mid = client.subscribe([(topic_filter, 1) for topic_filter in asked])
            if mid is not None:
                self.asked[mid] = asked
        return bool(new)

    def granted(self, mid: int, codes: Sequence[Any]) -> list[str]:
        """What a SUBACK says; the filters that the broker refuses."""
        asked = self.asked.pop(mid, [])
        answers = dict(itertools.zip_longest(asked, codes[: len(asked)]))
        refused = [each for each, code in answers.items() if code is None or code.is_failure]
        self.subscribed |= answers.keys() - frozenset(refused)
        self.not_kept |= {
            each for each, code in answers.items() if code is not None and code.value == 0
        }
        return refused

    def send(self, may_leave: Callable[[], bool]) -> None:
        """Publish what there is, as much as the broker takes, while something may leave."""
        client: Any = self.client
        while self.publishing is not None and len(self.in_flight) < self.most_in_flight:
            if not may_leave():
                return
            message = self.publishing.outgoing(self.protocol)
            if message is None:
                return
            sent = client.publish(
                message.topic,
                message.body,
                qos=1,
                retain=message.is_retained,
                properties=message.properties(self.protocol),
            )
            self.in_flight[sent.mid] = message.topic

    def confirmed(self, mid: int, code: Any) -> None:
        """The broker has answered what was published."""
        topic = self.in_flight.pop(mid, None)
        if topic is not None and code.is_failure and self.publishing is not None:
            self.publishing.on_refused(topic, str(code))

    def say_farewell(self) -> None:
        """Publish what the broker would if the connection broke: it does not when we end it."""
        will = None if self.publishing is None else self.publishing.will
        if will is not None and self.client is not None:
            self.client.publish(will.topic, will.body, qos=0, retain=will.is_retained)

    def received(self, client: Any, message: Any) -> None:
        """A message of paho's, handed on."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        is_acknowledged = self.kept is None or not message.qos
        delivery = None if is_acknowledged else (client, message.mid)
        body = bytes(message.payload[: MAX_BODY_BYTES + 1])
        self.on_message(Message(topic, body, message.retain, delivery))

    def ended(self, flags: Any, reason: Any) -> None:
        """Why the connection ends, if the broker says it."""
        if flags.is_disconnect_packet_from_server:
            self.reason = f"the broker disconnects: {reason} (id {self.client_id})"
            self.was_taken_over = reason.value == SESSION_TAKEN_OVER

    def closed_by_broker(self, now_s: float) -> None:
        """It closed a connection that was up, and says nothing.

        Mosquitto before 2.0.15 does so when another client takes the session over; who does that
        does it again when we take it back.
        """
        self.closed_at_s.append(now_s)
        if len(self.closed_at_s) == MAX_CLOSED and now_s - self.closed_at_s[0] < TAKEN_OVER_PAUSE_S:
            self.closed_at_s.clear()
            self.was_taken_over = True
            self.reason = (
                "the broker closes the connection again and again; does another client use the"
                f" id {self.client_id}?"
            )

    def connect(self) -> BoundedClient:
        """A client that has sent its CONNECT. Blocks for the VTN's token and the broker's TLS.

        Any error of the VTN or of the network leaves as it is.
        """
        rejected, self.rejected = self.rejected, None
        if rejected is not None:
            self.refused(rejected)
        self.used = self.login()
        client = BoundedClient(
            client_id=self.client_id,
            protocol=self.protocol,
            clean_session=None if self.protocol == MQTTv5 else self.kept is None,
            manual_ack=self.kept is not None,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self.used.username is not None:
            client.username_pw_set(self.used.username, self.used.password)
        address = self.address
        context = self.tls(address)
        if context is not None:
            client.tls_set_context(context)
        will = None if self.publishing is None else self.publishing.will
        if will is not None:
            client.will_set(will.topic, will.body, qos=1, retain=will.is_retained)
        how: dict[str, Any] = {}
        if self.kept is not None and self.protocol == MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self.kept.keep_s
            properties.ReceiveMaximum = self.kept.most_unacknowledged
            properties.MaximumPacketSize = MAX_PACKET_BYTES
            how = {"clean_start": False, "properties": properties}
        client.connect(address.host, address.port, self._keep_alive_s, **how)
        connected: Any = client.socket()
        if connected is None:
            raise BrokerRefused("the broker closes the connection")
        # Small packets that wait for each other's acknowledgement are 40 ms late each.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
