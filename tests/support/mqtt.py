"""Messages as devices publish them, and how a source hears them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from app.intake.mqtt.inbox import Incoming
from app.intake.mqtt.reader import MessageReader, MessagesRead
from app.intake.sources import MqttSource, source_of
from app.intake.sources_file import SourcesFile
from app.intake.status import SourceCounts
from app.mqtt import Message
from app.platform import LogOnce, from_us, to_us
from containers import Container
from tests.support.fakes import FakeClock
from tests.support.intake import meter
from tests.support.waiting import wait_until
from tests.support.wiring import provider

Value = tuple[str, str, str, str, datetime, float]
"""Device, quantity, direction, channel, when, value."""


def mqtt_source(*topics: dict[str, Any], folder: Path = Path(), **fields: Any) -> MqttSource:
    """Of a broker on this machine."""
    values = {"name": "homes", "type": "mqtt", "url": "mqtt://127.0.0.1", **fields}
    source = source_of({**values, "topics": list(topics)}, folder)
    assert isinstance(source, MqttSource)
    return source


class Listener:
    """Reads messages that come at times that the test says."""

    def __init__(self, source: MqttSource, *, now: datetime) -> None:
        self.source = source
        self.reader = MessageReader(source)
        self.now = now
        self.connected = now

    def message(self, topic: str, body: Any, *, is_retained: bool = False) -> Incoming:
        """One that came now; what is no text and no bytes is written as JSON."""
        if isinstance(body, str):
            body = body.encode()
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        is_kept = any(each.is_timed for each in self.source.topics)
        came_us, connected_us = to_us(self.now), to_us(self.connected)
        return Incoming(Message(topic, content, is_retained), came_us, connected_us, is_kept)

    def hear(self, *messages: Incoming) -> MessagesRead:
        return self.reader.read(messages, None if messages else to_us(self.now))

    def values(self, *messages: Incoming) -> list[Value]:
        """What they come to; nothing of them is refused."""
        read = self.hear(*messages)
        assert read.refused.count == 0, read.refused.first
        return values_of(read)


def values_of(read: MessagesRead) -> list[Value]:
    found = read.measurements
    if found is None:
        return []
    rows = zip(found.key.tolist(), found.start_us.tolist(), found.value.tolist(), strict=True)
    return [
        (
            found.keys[key].meter.device,
            found.keys[key].quantity.value,
            found.keys[key].direction.value,
            found.keys[key].channel,
            from_us(at_us),
            value,
        )
        for key, at_us, value in rows
    ]


def home_assistant(now: datetime) -> Listener:
    """Of sensors of power."""
    topic = {"topic": "ha/sensor/{device}/{field}", "profile": "home-assistant"}
    return Listener(mqtt_source(topic), now=now)


def state(device: str, value: str, at: datetime, unit: str = "W") -> list[tuple[str, str]]:
    """What Home Assistant publishes of a sensor, in its order."""
    base = f"ha/sensor/{device}"
    return [
        (f"{base}/state", value),
        (f"{base}/last_updated", at.isoformat()),
        (f"{base}/last_changed", at.isoformat()),
        (f"{base}/unit_of_measurement", f'"{unit}"'),
        (f"{base}/friendly_name", '"Grid"'),
    ]


class Device:
    """Publishes to a broker, and knows that it took what it published."""

    def __init__(self, port: int, *, client_id: str = "") -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311, client_id=client_id)
        self._client.max_inflight_messages_set(1000)
        self._client.max_queued_messages_set(0)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def publish(self, topic: str, body: Any, *, qos: int = 1, retain: bool = False) -> None:
        """Returns when the broker has it."""
        self.publish_each([(topic, body)], qos=qos, retain=retain)

    def publish_each(
        self, messages: Iterable[tuple[str, Any]], *, qos: int = 1, retain: bool = False
    ) -> None:
        """Returns when the broker has all of them."""
        sent = [
            self._client.publish(
                topic,
                body if isinstance(body, str | bytes) else orjson.dumps(body),
                qos=qos,
                retain=retain,
            )
            for topic, body in messages
        ]
        for each in sent:
            each.wait_for_publish(timeout=60)
            assert each.is_published()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class RawPublisher:
    """Publishes many at a time, faster than a client library: with QoS 1, and what was answered
    the broker has."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        body = b"\0\4MQTT\4\2\0\0" + b"\0\0"
        self._socket.sendall(b"\x10" + bytes([len(body)]) + body)
        self._receive(4)
        self._mid = 0

    def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Returns when the broker has all of them."""
        packets = []
        for topic, body in messages:
            self._mid = self._mid % 65535 + 1
            name = topic.encode()
            content = struct.pack(f"!H{len(name)}sH", len(name), name, self._mid) + body
            packets.append(b"\x32" + _length(len(content)) + content)
        self._socket.sendall(b"".join(packets))
        self._receive(4 * len(packets))

    def close(self) -> None:
        self._socket.close()

    def _receive(self, size: int) -> None:
        while size:
            received = len(self._socket.recv(size))
            if not received:
                raise ConnectionError("the broker closed the connection")
            size -= received


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = divmod(value, 128)
        encoded.append(low | (128 if value else 0))
        if not value:
            return bytes(encoded)


class MqttBench:
    """A fleet whose meters d-0, d-1, … publish, and what is known of them."""

    def __init__(self, container: Container, clock: FakeClock, *, meters: int = 3) -> None:
        self.container = container
        self.clock = clock
        container.platform.clock.override(clock)
        container.intake.sources.override(
            SourcesFile(
                None, keep=timedelta(days=45), monotonic=clock.monotonic, log_once=LogOnce()
            )
        )
        container.platform.database().open()
        container.fleet.repository().save(
            {
                "Aarhus": [
                    meter(f"hall-{number}", source="homes", device=f"d-{number}")
                    for number in range(meters)
                ]
            }
        )

    def start(self) -> None:
        """Subscribe, as the application does; returns when it is connected."""
        self.container.intake.mqtt_sources()()
        wait_until(lambda: self.counts.away is None, otherwise=self.words)

    def rewrite(self, sources: str) -> None:
        """The file of sources, which is looked at from time to time."""
        Path("sources.toml").write_text(sources)
        self.clock.advance(minutes=1)
        self.container.intake.mqtt_sources()()

    def stop(self) -> None:
        """As the application does."""
        self.container.intake.mqtt_sources().close()
        for name in ("mqtt_sources", "broker_loop", "stats", "intake"):
            provider(self.container, f"intake.{name}").reset()

    def words(self) -> str:
        """For a test that waited in vain."""
        return str(self.counts)

    @property
    def counts(self) -> SourceCounts:
        counts: SourceCounts = self.container.intake.stats().of("homes")
        return counts

    def wait_for(self, values: int) -> list[tuple[str, str, datetime, float]]:
        """Until so many are known; all of them."""
        wait_until(lambda: len(self.values()) >= values, otherwise=self.words)
        return self.values()

    def values(self) -> list[tuple[str, str, datetime, float]]:
        """Resource, quantity, when, value."""
        log = self.container.intake.log()
        return sorted(
            (name.resource_name, name.quantity, from_us(start), value)
            for number, name in log.series()
            for _, start, _, value, *_ in log.read(number, 0, 1 << 60).tolist()
        )


TIMED_TOPICS = """
[[source.topics]]
topic = "meters/{device}"
profile = "power-kw"
"""
UNTIMED_TOPICS = """
[[source.topics]]
topic = "plugs/{device}"
profile = "watts"
"""


def sources_at(
    port: int, topics: str = TIMED_TOPICS, *, scheme: str = "mqtt", more: str = ""
) -> str:
    return (
        '[[source]]\nname = "homes"\ntype = "mqtt"\n'
        f'url = "{scheme}://127.0.0.1:{port}"\n{more}{topics}'
    )


def power(bench: MqttBench, kw: float, *, second: int = 0) -> dict[str, Any]:
    return {
        "power_kw": kw,
        "ts": (bench.clock() - timedelta(minutes=5) + timedelta(seconds=second)).isoformat(),
    }
