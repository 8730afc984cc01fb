"""A fleet that gives orders, its broker, and devices with clocks of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.actuation.order import OrderStatus
from app.events import SeenEvent
from app.fleet import ResourceKind
from containers import Container
from tests.conftest import MakeContainer
from tests.support.broker import Broker
from tests.support.device import MqttDevice
from tests.support.events import seen
from tests.support.fakes import resource
from tests.support.waiting import wait_until
from tests.support.wiring import provider

VALID_FOR_S = 8
"""The least that an actuator may have."""
HOMES = f"""
[[actuator]]
name = "homes"
type = "mqtt"
url = "mqtt://127.0.0.1:{{port}}"
valid_for = "PT{VALID_FOR_S}S"
ack_timeout = "PT1S"
"""
MakeBroker = Callable[..., Broker]


class Asked:
    """What VENs are asked, as a test says."""

    def __init__(self) -> None:
        self.events: Sequence[SeenEvent] = ()

    def of_ven(self, ven_name: str) -> Sequence[SeenEvent]:
        return [event for event in self.events if event.ven_name == ven_name]


class OrdersBench:
    """A fleet of heat pumps in Aarhus, as the application runs it."""

    def __init__(self, container: Container, *, resources: Sequence[str] = ("pump",)) -> None:
        self.container = container
        self.asked = Asked()
        provider(container, "actuation.planner").add_kwargs(events=self.asked)
        container.platform.database().open()
        container.fleet.repository().save(
            {
                "Aarhus": [
                    resource(name, ResourceKind.HEAT_PUMP, actuator="homes") for name in resources
                ]
            }
        )

    def start(self, *, connected: bool = True) -> None:
        """As the application does; returns when orders reach the broker."""
        self.container.actuation.service().start()
        if connected:
            wait_until(lambda: self.away() is None, otherwise=lambda: str(self.away()))

    def stop(self) -> None:
        """As the application does; what looks every few seconds ends at once."""
        self.container.platform.shutdown().set()
        self.container.actuation.service().close()

    def away(self) -> str | None:
        """Why no order reaches the broker."""
        status: str | None = self.container.orders.stats().all()["homes"].away
        return status

    def ask(self, *payloads: tuple[str, Any], duration: str = "PT1H", **event: Any) -> None:
        """From now on this is in force, and nothing else."""
        period = {"start": datetime.now(UTC).isoformat(), "duration": duration}
        wire = [{"type": kind, "values": [value]} for kind, value in payloads]
        self.asked.events = (
            [seen(intervalPeriod=period, intervals=[{"id": 0, "payloads": wire}], **event)]
            if payloads
            else []
        )
        self.container.orders.signal().changed()

    def orders(self) -> dict[str, Any]:
        """By name of the resource."""
        return {order.key.resource_name: order for order in self.container.orders.book().orders()}

    def status(self, name: str = "pump") -> OrderStatus | None:
        """Where the order of a resource stands; None: it was never given one."""
        order = self.orders().get(name)
        return None if order is None else order.status


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    made: list[Broker] = []

    def make(**settings: Any) -> Broker:
        made.append(Broker(tmp_path / f"broker-{len(made)}", **settings))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(make_broker: MakeBroker) -> Broker:
    """It lets everybody in."""
    return make_broker(anonymous=True)


@pytest.fixture
def bench(broker: Broker, make_container: MakeContainer) -> Iterator[OrdersBench]:
    Path("sources.toml").write_text(HOMES.format(port=broker.port))
    made = OrdersBench(make_container())
    yield made
    made.stop()


MakeDevice = Callable[..., MqttDevice]


@pytest.fixture
def device(broker: Broker) -> Iterator[MakeDevice]:
    made: list[MqttDevice] = []

    def begin(resource: str = "pump", **how: Any) -> MqttDevice:
        how = {"port": broker.port, "valid_for_s": VALID_FOR_S, "keep_alive_s": 1, **how}
        made.append(MqttDevice(ven="Aarhus", resource=resource, **how))
        return made[-1]

    yield begin
    for each in made:
        each.close()
