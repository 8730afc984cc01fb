"""Devices that Home Assistant finds by itself, at a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.fleet import ResourceKind
from tests.conftest import MakeContainer
from tests.integration.actuation.conftest import HOMES, MakeBroker, MakeDevice, OrdersBench
from tests.support.broker import Broker
from tests.support.fakes import resource
from tests.support.mqtt import RawPublisher
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
    run, actuator = container.orders.book().run, "cd6688d7eb595563"
    node = f"ven-fleet-{run}-{actuator}"
    of_old = f"homeassistant/sensor/{node}/0123456789abcdef-until/config"
    of_others = "homeassistant/sensor/ven-fleet-other/0123456789abcdef-until/config"
    described = b'{"device": {"name": "Aarhus old"}}'
    for topic in (of_old, of_others):
        retained.publish(topic, described, is_retained=True)

    bench.start()

    wait_until(lambda: retained.entities().keys() == ENTITIES)
    wait_until(lambda: retained.of(of_old) is None)
    assert retained.of(of_others) == described


@pytest.mark.rest
def test_a_broker_that_has_forgotten_them_is_told_anew(
    bench: OrdersBench, retained: Retained, broker: Broker
) -> None:
    bench.start()
    wait_until(lambda: retained.entities().keys() == ENTITIES)

    broker.stop()  # it keeps nothing on its disk
    broker.start()

    with closing(Retained(broker.port)) as looking_again:
        wait_until(lambda: looking_again.entities().keys() == ENTITIES, timeout_s=30)


@pytest.mark.rest
def test_devices_are_taken_away_where_it_is_switched_off(
    bench: OrdersBench, retained: Retained, broker: Broker
) -> None:
    bench.start()
    wait_until(lambda: retained.entities().keys() == ENTITIES)

    Path("sources.toml").write_text(HOMES.format(port=broker.port))

    wait_until(lambda: not retained.entities(), timeout_s=60)
    wait_until(lambda: bench.away() is None)


@pytest.mark.rest
def test_two_actuators_show_each_its_own(
    retained: Retained, broker: Broker, make_container: MakeContainer
) -> None:
    homes = HOMES.format(port=broker.port) + "homeassistant = true\n"
    others = homes.replace('"homes"', '"others"') + 'prefix = "others"\n'
    Path("sources.toml").write_text(homes + others)
    bench = OrdersBench(make_container())
    bench.container.fleet.repository().save(
        {
            "Aarhus": [
                resource("pump", ResourceKind.HEAT_PUMP, actuator="homes"),
                resource("car", ResourceKind.EV_CHARGER, actuator="others"),
            ]
        }
    )
    bench.start()
    wait_until(lambda: retained.entities("pump").keys() == ENTITIES)
    wait_until(lambda: retained.entities("car").keys() == ENTITIES)

    bench.container.fleet.repository().save(
        {"Aarhus": [resource("pump", ResourceKind.HEAT_PUMP, actuator="others")]}
    )

    wait_until(
        lambda: {each["device"]["model"] for each in retained.entities().values()} == {"others"}
    )
    bench.stop()


@pytest.mark.rest
def test_a_thousand_devices_lose_no_veto_at_a_broker_as_installed(
    make_broker: MakeBroker, make_container: MakeContainer
) -> None:
    """Such a broker drops what a client has not taken of more than a thousand messages."""
    broker = make_broker(as_installed=True, anonymous=True)
    Path("sources.toml").write_text(HOMES.format(port=broker.port) + "homeassistant = true\n")
    names = [f"d-{number}" for number in range(1_000)]
    bench = OrdersBench(make_container(), resources=names)
    bench.start()
    told = RawPublisher(broker.port)

    told.publish(
        (f"ven-fleet/Aarhus/{name}/outcome", b'{"seq": 0, "status": "OPTED_OUT"}') for name in names
    )

    participation = bench.container.fleet.participation()
    wait_until(lambda: len(participation.current().opt_outs) == len(names), timeout_s=60)
    told.close()
    bench.stop()
