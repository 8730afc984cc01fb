"""What a client of MQTT sends, read as it passes by (MQTT 5, chapter 3; MQTT 3.1.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from paho.mqtt import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

MQTT_5 = 5
MAX_PACKET_BYTES = 1 << 20
LENGTH_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Connect:
    """How it connects."""

    protocol: int
    """4 for MQTT 3.1.1, 5 for MQTT 5."""
    is_clean: bool
    keep_alive_s: int
    session_expiry_s: int


@dataclass(frozen=True, kw_only=True)
class Subscribe:
    """What it wants to hear: filters, and the QoS of each."""

    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Publish:
    """What it says."""

    topic: str
    body: bytes
    qos: int
    is_retained: bool


Packet = Connect | Subscribe | Publish | None
"""None: another one."""


class PacketReader:
    """Takes a stream of bytes apart. For one connection, and one thread."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._protocol = MQTT_5
        self._topics: dict[int, str] = {}
        """By alias (MQTT 5, 3.3.2.3.4)."""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that are complete now. ValueError: it is no MQTT."""
        self._buffer += data
        while (end := self._end_of_first()) is not None:
            head, start, stop = end
            body = bytes(self._buffer[start:stop])
            del self._buffer[:stop]
            try:
                yield self._read(head >> 4, head & 0x0F, body)
            except (MQTTException, LookupError, UnicodeError, struct.error) as error:
                raise ValueError(f"a packet that is no MQTT: {error}") from None

    def _end_of_first(self) -> tuple[int, int, int] | None:
        """First byte, and where the rest of the first packet begins and ends; None: not all of it
        is there."""
        length = 0
        for place in range(1, LENGTH_BYTES + 1):
            if place >= len(self._buffer):
                return None
            byte = self._buffer[place]
            length |= (byte & 0x7F) << 7 * (place - 1)
            if byte < 0x80:
                if length > MAX_PACKET_BYTES:
                    raise ValueError("a packet of more than a megabyte")
                stop = place + 1 + length
                return (self._buffer[0], place + 1, stop) if stop <= len(self._buffer) else None
        raise ValueError("a packet without an end")

    def _read(self, kind: int, flags: int, body: bytes) -> Packet:
        if kind == PacketTypes.CONNECT:
            return self._connect(body)
        if kind == PacketTypes.SUBSCRIBE:
            return self._subscribe(body)
        if kind == PacketTypes.PUBLISH:
            return self._publish(flags, body)
        return None

    def _connect(self, body: bytes) -> Connect:
        _, rest = _string(body)
        self._protocol, flags, keep_alive_s = rest[0], rest[1], int.from_bytes(rest[2:4])
        expiry_s = 0
        if self._protocol == MQTT_5:
            properties, _ = _properties(PacketTypes.CONNECT, rest[4:])
            expiry_s = getattr(properties, "SessionExpiryInterval", 0)
        return Connect(
            protocol=self._protocol,
            is_clean=bool(flags & 0x02),
            keep_alive_s=keep_alive_s,
            session_expiry_s=expiry_s,
        )

    def _subscribe(self, body: bytes) -> Subscribe:
        rest = body[2:]
        if self._protocol == MQTT_5:
            _, rest = _properties(PacketTypes.SUBSCRIBE, rest)
        filters = []
        while rest:
            topic, rest = _string(rest)
            filters.append((topic, rest[0] & 0x03))
            rest = rest[1:]
        return Subscribe(filters=tuple(filters))

    def _publish(self, flags: int, body: bytes) -> Publish:
        topic, rest = _string(body)
        qos = (flags >> 1) & 0x03
        if qos:
            rest = rest[2:]
        if self._protocol == MQTT_5:
            properties, rest = _properties(PacketTypes.PUBLISH, rest)
            alias = getattr(properties, "TopicAlias", None)
            if alias is not None:
                topic = topic or self._topics.get(alias, "")
                self._topics[alias] = topic
        return Publish(topic=topic, body=rest, qos=qos, is_retained=bool(flags & 0x01))


def _string(data: bytes) -> tuple[str, bytes]:
    """A text with its length before it, and what follows."""
    end = 2 + int.from_bytes(data[:2])
    return data[2:end].decode(), data[end:]


def _properties(kind: int, data: bytes) -> tuple[Properties, bytes]:
    properties, length = Properties(kind).unpack(data)
    return properties, data[length:]
