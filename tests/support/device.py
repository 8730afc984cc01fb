"""A device that keeps the contract (docs/reference/device-contract.md), with a clock of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

NEEDED = {"run", "seq", "valid_s", "release"}
Obeys = Callable[[dict[str, Any]], dict[str, Any]]
"""What an order is answered with, without its seq."""


def accepts(_: dict[str, Any]) -> dict[str, Any]:
    return {"status": "ACCEPTED"}


def refuses(order: dict[str, Any]) -> dict[str, Any]:
    return {"status": "ACCEPTED"} if order["release"] else {"status": "REFUSED", "reason": "busy"}


class OrderMemory:
    """Which order a device holds, and which it may take.

    `valid_for_s`: the actuator's. `monotonic`: the device's own.
    """

    def __init__(self, valid_for_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._remembers_s = 2 * valid_for_s
        self.monotonic = monotonic
        self._run: str | None = None
        self._seq = 0
        self._ended_by = float("-inf")
        self._order: dict[str, Any] | None = None
        self._is_released = False

    @property
    def held(self) -> dict[str, Any] | None:
        """The order that holds now; None: the device is its own."""
        if self._order is not None and self.monotonic() >= self._ended_by:
            self._order = None
        return self._order

    @property
    def is_released(self) -> bool:
        """Whether what ended last did not run out by itself."""
        return self._is_released

    def forget(self) -> None:
        """As a device that was switched off."""
        self._run = None

    def may_take(self, order: dict[str, Any]) -> bool:
        """A lower seq of a run never; of another run, only while none is held."""
        is_forgotten = self.monotonic() >= self._ended_by + self._remembers_s
        if self._run is None or is_forgotten:
            return True
        if order["run"] != self._run:
            return self.held is None
        return bool(order["seq"] >= self._seq)

    def take(self, order: dict[str, Any], *, holds: bool) -> None:
        """This is the newest order now; whether the device does what it asks."""
        self._run, self._seq = order["run"], order["seq"]
        left_s = float(order["valid_s"]) if holds else 0.0
        self._order, self._is_released = (order, False) if holds else (None, True)
        self._ended_by = self.monotonic() + left_s


class ContractDevice:
    """What a device does with what comes, however it comes. Safe for several threads."""

    def __init__(
        self,
        *,
        answers: Obeys = accepts,
        valid_for_s: float = 120.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.answers = answers
        self.memory = OrderMemory(valid_for_s, monotonic)
        self._answered: tuple[tuple[str, int], dict[str, Any]] | None = None
        self._lock = threading.Lock()

    @property
    def held(self) -> dict[str, Any] | None:
        with self._lock:
            return self.memory.held

    def take(self, body: bytes) -> dict[str, Any] | None:
        """What it answers; None: nothing, since it is no order, or none for it."""
        order = self.read(body)
        if order is None:
            return None
        with self._lock:
            if not self.memory.may_take(order):
                return None
            answer = self._answer(order)
            self.memory.take(order, holds=answer["status"] == "ACCEPTED" and not order["release"])
        return {"seq": order["seq"], **answer}

    def read(self, body: bytes) -> dict[str, Any] | None:
        """None: it is no order."""
        try:
            order = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        is_order = isinstance(order, dict) and order.keys() >= NEEDED
        return order if is_order else None

    def _answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """What it refused, or was opted out of, it does not take when it is written again."""
        key = order["run"], order["seq"]
        if self._answered is None or self._answered[0] != key or self._accepted():
            self._answered = key, self.answers(order)
        return self._answered[1]

    def _accepted(self) -> bool:
        return self._answered is not None and self._answered[1]["status"] == "ACCEPTED"


class MqttDevice(ContractDevice):
    """One device at a broker: hears its orders, holds them as long as they say, and answers."""

    def __init__(
        self,
        port: int,
        ven: str,
        resource: str,
        *,
        prefix: str = "ven-fleet",
        keep_alive_s: int = 15,
        **how: Any,
    ) -> None:
        super().__init__(**how)
        self.orders: list[dict[str, Any]] = []
        """All that came, also those that were not taken."""
        self.came_at_s: list[float] = []
        self.expire_in_s: list[int] = []
        """How long the broker would still have kept each."""
        self._topic = f"{prefix}/{ven}/{resource}"
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._topic}/desired", 1)
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port, keep_alive_s, clean_start=True)
        self._client.loop_start()

    def say(self, **outcome: Any) -> None:
        """Without being asked: an owner opts out, or in."""
        self.say_raw(orjson.dumps(outcome))

    def say_raw(self, body: bytes, *, is_retained: bool = False) -> MQTTMessageInfo:
        return self._client.publish(f"{self._topic}/outcome", body, qos=1, retain=is_retained)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _heard(self, _client: Any, _data: Any, message: MQTTMessage) -> None:
        body = bytes(message.payload)
        order = self.read(body)
        if order is None:
            return
        told: Any = message.properties
        self.orders.append(order)
        self.came_at_s.append(time.monotonic())
        self.expire_in_s.append(told.MessageExpiryInterval)
        answer = self.take(body)
        if answer is not None:
            self.say(**answer)
