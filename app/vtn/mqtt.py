"""Publishes notifications to an MQTT broker (Definition, MQTT)."""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from app.openadr import BrokerAddress
from app.platform import LogOnce
from app.vtn.wire import Wire, to_json

logger = logging.getLogger(__name__)

MAX_QUEUED = 10_000
MAX_PAUSE_S = 10
ROOM_WITHIN_S = 5.0
MQTT_ERR_QUEUE_SIZE = 15
"""paho's; imported only where there is a broker."""


class MqttPublisher:
    """One connection to the broker at `url` (mqtt or mqtts, with user and password where it wants).

    Building it does no I/O. At most 10,000 messages wait: while the broker is away, later ones are
    lost, and that is said once; while it is there, who publishes waits.
    `verify_tls`: True, False or a CA file.
    """

    def __init__(self, url: str, *, verify_tls: bool | Path = True) -> None:
        self._url = urlsplit(url)
        self.address = BrokerAddress.of(url)
        """Where clients find the broker: without user and password."""
        self._verify_tls = verify_tls
        self._client: Any = None
        self._log_once = LogOnce()
        self._room = threading.Event()
        self.connected = threading.Event()
        """Set while the broker is there."""

    @property
    def wants_credentials(self) -> bool:
        """Whether the broker knows its clients."""
        return self._url.username is not None

    def start(self) -> None:
        """Begin to connect, and again whenever the connection is lost."""
        # Here and not above: who has no broker does not pay for it.
        from paho.mqtt.client import Client, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
        client.max_queued_messages_set(MAX_QUEUED)
        client.reconnect_delay_set(1, MAX_PAUSE_S)
        if self._url.username is not None:
            client.username_pw_set(unquote(self._url.username), unquote(self._url.password or ""))
        if self.address.tls:
            ca = str(self._verify_tls) if isinstance(self._verify_tls, Path) else None
            verified = ssl.CERT_NONE if self._verify_tls is False else ssl.CERT_REQUIRED
            client.tls_set(ca_certs=ca, cert_reqs=verified)
            client.tls_insecure_set(self._verify_tls is False)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_publish = lambda *_: self._room.set()
        client.on_disconnect = self._on_disconnect
        client.connect_async(self.address.host, self.address.port)
        client.loop_start()
        self._client = client

    def publish(self, topic: str, message: Wire) -> None:
        """Send it, at least once."""
        body = to_json(message)
        while (client := self._client) is not None:
            self._room.clear()
            if client.publish(topic, body, qos=1).rc != MQTT_ERR_QUEUE_SIZE:
                return
            if not self.connected.is_set() or not self._room.wait(ROOM_WITHIN_S):
                break
        self._log_once.problem(
            logger,
            "lost",
            f"VTN: the broker {self.address} does not take notifications; they are lost",
        )

    def close(self) -> None:
        """May be called again."""
        client, self._client = self._client, None
        self._room.set()
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            logger.warning("VTN: the broker %s refuses: %s", self.address, reason)
        else:
            logger.info("VTN: notifications go to %s", self.address)
            for about in ("missing", "lost"):
                self._log_once.problem(logger, about, None)
            self.connected.set()

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self._log_once.problem(
            logger,
            "missing",
            f"VTN: the broker {self.address} is not there; it is tried again",
        )

    def _on_disconnect(
        self, _client: Any, _data: Any, _flags: Any, reason: Any, _more: Any
    ) -> None:
        if self.connected.is_set() and reason.is_failure:
            logger.warning("VTN: the broker %s is away: %s", self.address, reason)
        self.connected.clear()
