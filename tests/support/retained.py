"""Who listens to everything at a broker."""

from __future__ import annotations

import threading
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.waiting import wait_until


class Retained:
    """What a broker retains, by topic; and somebody who publishes."""

    def __init__(self, port: int) -> None:
        self._lock = threading.Lock()
        self._topics: dict[str, bytes] = {}
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _heard(self, _client: Any, _data: Any, message: MQTTMessage) -> None:
        with self._lock:
            self._topics.pop(message.topic, None)
            if message.payload:
                self._topics[message.topic] = bytes(message.payload)

    def entities(self, device: str = "pump") -> dict[str, dict[str, Any]]:
        """How each entity of a device is described, and of what component, by what it is."""
        bodies = {
            topic: orjson.loads(body)
            for topic, body in self.all().items()
            if topic.startswith("homeassistant/")
        }
        return {
            topic.split("/")[-2].partition("-")[2]: {**body, "component": topic.split("/")[1]}
            for topic, body in bodies.items()
            if body["device"]["name"] == f"Aarhus {device}"
        }

    def all(self) -> dict[str, bytes]:
        with self._lock:
            return dict(self._topics)

    def of(self, topic: str) -> bytes | None:
        with self._lock:
            return self._topics.get(topic)

    def publish(self, topic: str, body: str | bytes, *, is_retained: bool = False) -> None:
        told = self._client.publish(topic, body, qos=1, retain=is_retained)
        wait_until(told.is_published)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
