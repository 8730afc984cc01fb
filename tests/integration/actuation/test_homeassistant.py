"""Devices that Home Assistant finds by itself, at a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet import ResourceKind
from tests.conftest import MakeContainer
from tests.integration.actuation.conftest import HOMES, MakeDevice, OrdersBench
from tests.support.broker import Broker
from tests.support.fakes import resource
from tests.support.retained import Retained
from tests.support.waiting import wait_until

ENTITIES = {
    *("setpoint_kw", "import_limit_kw", "export_limit_kw", "until"),
    *("asked", "opt-out"),
}


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
