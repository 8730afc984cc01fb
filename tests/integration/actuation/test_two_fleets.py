"""Two who give orders to one device: with one store, or with one each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.actuation.order import OrderStatus
from tests.conftest import MakeContainer
from tests.integration.actuation.conftest import HOMES, VALID_FOR_S, MakeDevice, OrdersBench
from tests.support.broker import Broker
from tests.support.cable import Cable
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rest


@pytest.fixture
def cable(broker: Broker) -> Iterator[Cable]:
    made = Cable(broker.port)
    yield made
    made.close()


def fleet(make_container: MakeContainer, name: str, port: int, store: Path) -> OrdersBench:
    """With this store, and with the broker at this port."""
    sources = Path(f"{name}.toml")
    sources.write_text(HOMES.format(port=port))
    return OrdersBench(
        make_container(
            sources_file=sources, database={"url": f"sqlite:///{store.absolute()}/fleet.db"}
        )
    )


def test_a_stale_one_with_the_same_store_brings_nothing_back(
    broker: Broker,
    cable: Cable,
    make_container: MakeContainer,
    device: MakeDevice,
    tmp_path: Path,
) -> None:
    """It was cut off, and does not know what the other one has asked meanwhile."""
    stale = fleet(make_container, "stale", cable.port, tmp_path)
    other = fleet(make_container, "other", broker.port, tmp_path)
    pump = device()
    stale.start()
    stale.ask(("DISPATCH_SETPOINT", 2.5))
    wait_until(lambda: pump.held)
    old_seq = pump.orders[-1]["seq"]
    cable.cut()
    other.start()
    other.ask(("DISPATCH_SETPOINT", 1.0))
    wait_until(lambda: pump.held and pump.held["setpoint_kw"] == 1.0)
    other.stop()

    cable.mend()
    came = len(pump.orders)
    wait_until(lambda: old_seq in [order["seq"] for order in pump.orders[came:]])

    assert pump.held is None or pump.held["seq"] > old_seq
    wait_until(lambda: pump.held is None, timeout_s=2 * VALID_FOR_S)
    wait_until(lambda: stale.container.orders.book().counts.unanswered > 1)
    assert pump.held is None
    assert stale.status() is OrderStatus.WAITING
    stale.stop()


def test_one_with_a_store_of_its_own_waits_until_the_device_is_free(
    broker: Broker, make_container: MakeContainer, device: MakeDevice, tmp_path: Path
) -> None:
    benches = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        benches.append(fleet(make_container, name, broker.port, tmp_path / name))
    one, two = benches
    pump = device()
    for bench in benches:
        bench.start()
    one.ask(("DISPATCH_SETPOINT", 2.5))
    wait_until(lambda: pump.held)
    two.ask(("DISPATCH_SETPOINT", 1.0))
    wait_until(lambda: two.container.orders.book().counts.unanswered)
    assert pump.held is not None
    assert pump.held["setpoint_kw"] == 2.5

    one.ask()

    wait_until(lambda: pump.held and pump.held["setpoint_kw"] == 1.0, timeout_s=3 * VALID_FOR_S)
    assert one.container.orders.stats().all()["homes"].away is None, "each has its session"
    for bench in benches:
        bench.stop()
