"""What becomes of orders when the application ends."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.actuation.order import OrderStatus
from app.cli.run import run_application
from app.fleet import ResourceKind
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.integration.actuation.conftest import HOMES, MakeDevice, OrdersBench
from tests.support.broker import Broker
from tests.support.fakes import resource
from tests.support.waiting import wait_until


class TestRelease:
    def test_every_device_is_its_own_again(self, bench: OrdersBench, device: MakeDevice) -> None:
        bench.start()
        pump = device()
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(lambda: pump.held)

        bench.container.actuation.service().release_all(timeout_s=20)

        assert pump.held is None
        assert bench.status() is OrderStatus.RELEASED

    def test_and_is_asked_for_nothing_more(self, bench: OrdersBench, device: MakeDevice) -> None:
        bench.start()
        pump = device()
        bench.container.actuation.service().release_all(timeout_s=20)

        bench.ask(("DISPATCH_SETPOINT", 2.5))
        bench.container.actuation.dispatcher().plan()

        assert bench.orders() == {}
        assert pump.orders == []

    def test_who_does_not_answer_is_not_waited_for(
        self, bench: OrdersBench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.start()
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(bench.orders)

        bench.container.actuation.service().release_all(timeout_s=0.2)

        (line,) = [line for line in caplog.messages if "have not answered" in line]
        assert line.startswith("orders: 1 devices have not answered")

    def test_without_a_start_there_is_nothing_to_release(
        self, bench: OrdersBench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.container.actuation.service().release_all(timeout_s=0.2)

        assert caplog.messages == []


def test_a_stop_ends_the_wait_for_answers(
    bench: OrdersBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ask(("DISPATCH_SETPOINT", 2.5))
    bench.container.platform.shutdown().set()

    bench.container.actuation.service().dispatch_once()

    assert [line for line in caplog.messages if "have not answered" in line] == []


class Left(Exception):
    """The process would have ended here."""


def leave(code: int) -> Any:
    raise Left(code)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Those of this process, put back."""
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    kept = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.rest
@pytest.mark.usefixtures("handlers")
class TestOneRun:
    """`run --once`, as from cron."""

    @pytest.fixture
    def asked(self, broker: Broker, vtn: EmbeddedVtn, make_container: MakeContainer) -> Any:
        """A fleet whose pump is asked for less from now on."""
        Path("sources.toml").write_text(HOMES.format(port=broker.port))
        container = make_container(vtn={"embedded_port": vtn.port, "push": "off"})
        container.platform.database().open()
        container.fleet.repository().save(
            {"Aarhus": [resource("pump", ResourceKind.HEAT_PUMP, actuator="homes")]}
        )
        container.openadr.business_logic().send(
            kind="SIMPLE", value="2", start=datetime.now(UTC), duration="PT10M"
        )
        container.platform.database().close()
        vtn.close()  # the run has its own, with what this one has stored
        return container

    def run(self, container: Any, **how: Any) -> None:
        with pytest.raises(Left) as left:
            run_application(container, once=True, end=leave, **how)
        assert left.value.args == (0,)

    def test_gives_devices_their_orders(self, asked: Any, device: MakeDevice) -> None:
        pump = device()

        self.run(asked)

        assert pump.held is not None
        assert pump.held["level"] == 2

    def test_and_takes_them_back_where_it_is_asked_to(self, asked: Any, device: MakeDevice) -> None:
        pump = device()

        self.run(asked, releases_orders=True)

        assert [order["release"] for order in pump.orders] == [False, True]
        assert pump.held is None

    def test_does_not_wait_for_a_device_that_is_not_there(
        self, asked: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, logger="app"):
            self.run(asked)

        assert any("1 devices have not answered" in line for line in caplog.messages)
