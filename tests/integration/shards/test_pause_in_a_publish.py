"""An owner stands still between the look at its lease and the order that it publishes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from app.platform import Fence, shard_of
from containers import Container
from tests.conftest import MakeContainer
from tests.integration.actuation.conftest import HOMES, VALID_FOR_S, OrdersBench
from tests.support.broker import Broker
from tests.support.device import MqttDevice
from tests.support.postgres import Postgres
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rest
SHARDS = 2


class StandsStill:
    """A fence of a process that stands still, once, after it has looked."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self.stops = threading.Event()
        self.stands = threading.Event()
        self.wakes = threading.Event()

    def check(self, connection: Connection) -> None:
        self._fence.check(connection)

    def wait(self) -> None:
        self._fence.wait()

    def is_certain(self) -> bool:
        certain = self._fence.is_certain()
        if threading.current_thread().name == "mqtt" and self.stops.is_set():
            self.stops.clear()
            self.stands.set()
            self.wakes.wait(60)
        return certain

    def is_owner(self) -> bool:
        return self._fence.is_owner()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker", anonymous=True)
    made.start()
    Path("sources.toml").write_text(HOMES.format(port=made.port))
    yield made
    made.stop()


@pytest.fixture
def pump(broker: Broker) -> Iterator[MqttDevice]:
    made = MqttDevice(broker.port, "Aarhus", "pump", valid_for_s=VALID_FOR_S, keep_alive_s=1)
    yield made
    made.close()


def is_idle(container: Container) -> bool:
    """Whether no thread that ends has a connection."""
    pool: Any = container.platform.engine().pool
    return bool(pool.checkedout() == 0)


def take_over(container: Container) -> None:
    """Its lease ends: the thread that renews it does not stand still with the rest."""
    with container.platform.engine().begin() as connection:
        connection.execute(
            text("UPDATE lease SET epoch = epoch + 1, expires_at = clock_timestamp()")
        )


def test_the_device_keeps_what_the_next_owner_has_asked(
    make_container: MakeContainer, pump: MqttDevice, postgres: Postgres
) -> None:
    """Given an order that is about to be published; when the next owner has given another one
    before it is; then it comes too late, and the device does not take it."""
    settings: dict[str, Any] = {
        "vtn": {"base_url": "http://127.0.0.1:9", "bearer_token": "x"},
        "fleet": {"shards": SHARDS, "shard": shard_of("Aarhus", SHARDS)},
        "database": {"url": postgres.make_database()},
    }
    first_container, next_container = (make_container(**settings) for _ in range(2))
    fence = StandsStill(first_container.platform.server_lease())
    first_container.platform.fence.override(fence)
    first_container.platform.owner().acquire()
    first = OrdersBench(first_container)
    first.start()
    fence.stops.set()
    first.ask(("DISPATCH_SETPOINT", 2.5))
    assert fence.stands.wait(20)
    wait_until(first.orders)

    take_over(first_container)
    next_container.platform.owner().acquire()
    following = OrdersBench(next_container)
    following.start()
    following.ask(("DISPATCH_SETPOINT", 1.0))
    wait_until(lambda: pump.held and pump.held["setpoint_kw"] == 1.0)
    fence.wakes.set()

    wait_until(lambda: any(order["setpoint_kw"] == 2.5 for order in pump.orders))
    assert pump.held is not None
    assert pump.held["setpoint_kw"] == 1.0
    late = next(order for order in pump.orders if order["setpoint_kw"] == 2.5)
    assert late["seq"] < pump.held["seq"]
    for bench in (first, following):
        bench.stop()
        bench.container.platform.owner().release()
        wait_until(partial(is_idle, bench.container))
