"""Devices that Home Assistant finds by itself, at a real broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from app.fleet import ResourceKind
from tests.conftest import MakeContainer
from tests.integration.actuation.conftest import HOMES, MakeDevice, OrdersBench
from tests.support.broker import Broker
from tests.support.fakes import resource
from tests.support.waiting import wait_until

ENTITIES = {
    *("setpoint_kw", "import_limit_kw", "export_limit_kw", "until"),
    *("asked", "opt-out"),
}


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
        """What each entity of a device is described as, by what it is."""
        with self._lock:
            bodies = {
                topic: orjson.loads(body)
                for topic, body in self._topics.items()
                if topic.startswith("homeassistant/")
            }
        return {
            topic.split("/")[-2].partition("-")[2]: body
            for topic, body in bodies.items()
            if body["device"]["name"] == f"Aarhus {device}"
        }

    def of(self, topic: str) -> bytes | None:
        with self._lock:
            return self._topics.get(topic)

    def publish(self, topic: str, body: str | bytes, *, is_retained: bool = False) -> None:
        told = self._client.publish(topic, body, qos=1, retain=is_retained)
        wait_until(told.is_published)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def retained(broker: Broker) -> Iterator[Retained]:
    made = Retained(broker.port)
    yield made
    made.close()


@pytest.fixture
def bench(broker: Broker, make_container: MakeContainer) -> Iterator[OrdersBench]:
    Path("sources.toml").write_text(HOMES.format(port=broker.port) + "homeassistant = true\n")
    made = OrdersBench(make_container())
    yield made
    made.stop()


def test_each_device_has_sensors_and_a_switch(bench: OrdersBench, retained: Retained) -> None:
    bench.start()

    wait_until(lambda: retained.entities().keys() == ENTITIES)

    entities = retained.entities()
    (device,) = {entity["device"]["identifiers"][0] for entity in entities.values()}
    assert device.startswith(f"ven-fleet-{bench.container.orders.book().run}-")
    assert {entity["unique_id"] for entity in entities.values()} == {
        f"{device}-{what}" for what in ENTITIES
    }
    assert entities["setpoint_kw"]["state_topic"] == "ven-fleet/Aarhus/pump/desired"


@pytest.mark.rest
def test_the_switch_opts_out_and_shows_it(
    bench: OrdersBench, retained: Retained, device: MakeDevice
) -> None:
    bench.start()
    pump = device()
    bench.ask(("DISPATCH_SETPOINT", 2.5))
    wait_until(lambda: pump.held)
    wait_until(lambda: retained.entities().keys() == ENTITIES)
    switch = retained.entities()["opt-out"]
    wait_until(lambda: retained.of(switch["state_topic"]) == b"OFF")

    retained.publish(switch["command_topic"], switch["payload_on"])

    wait_until(lambda: retained.of(switch["state_topic"]) == b"ON")
    wait_until(lambda: pump.orders[-1]["release"])
    retained.publish(switch["command_topic"], switch["payload_off"])
    wait_until(lambda: retained.of(switch["state_topic"]) == b"OFF")
    wait_until(lambda: pump.held)


@pytest.mark.rest
def test_a_device_that_is_given_no_orders_any_more_is_taken_away(
    bench: OrdersBench, retained: Retained
) -> None:
    bench.start()
    wait_until(lambda: retained.entities().keys() == ENTITIES)
    wait_until(lambda: retained.of("ven-fleet/Aarhus/pump/opted_out"))

    bench.container.fleet.repository().save(
        {
            "Aarhus": [
                resource("pump", ResourceKind.HEAT_PUMP, actuator=""),
                resource("car", ResourceKind.EV_CHARGER, actuator="homes"),
            ]
        }
    )

    wait_until(lambda: retained.entities("car").keys() == ENTITIES)
    wait_until(lambda: not retained.entities())
    wait_until(lambda: retained.of("ven-fleet/Aarhus/pump/opted_out") is None)


@pytest.mark.rest
def test_also_one_that_went_while_nobody_looked(bench: OrdersBench, retained: Retained) -> None:
    container = bench.container
    container.orders.book().open()
    node = f"ven-fleet-{container.orders.book().run}"
    of_old = f"homeassistant/sensor/{node}/0123456789abcdef-until/config"
    of_others = "homeassistant/sensor/ven-fleet-other/0123456789abcdef-until/config"
    described = b'{"device": {"name": "Aarhus old"}}'
    for topic in (of_old, of_others):
        retained.publish(topic, described, is_retained=True)

    bench.start()

    wait_until(lambda: retained.entities().keys() == ENTITIES)
    wait_until(lambda: retained.of(of_old) is None)
    assert retained.of(of_others) == described
