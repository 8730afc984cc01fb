"""Orders at a real broker: what a device holds, whatever breaks between it and the fleet."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from app.actuation.order import OrderStatus
from tests.conftest import MakeContainer
from tests.integration.actuation.conftest import (
    HOMES,
    VALID_FOR_S,
    MakeBroker,
    MakeDevice,
    OrdersBench,
)
from tests.support.broker import Broker
from tests.support.cable import Cable
from tests.support.device import refuses
from tests.support.small_broker import SmallBroker
from tests.support.waiting import wait_until

OPTED_OUT = b'{"seq": 0, "status": "OPTED_OUT"}'


class TestAnOrder:
    def test_reaches_its_device_and_is_acknowledged(
        self, bench: OrdersBench, device: MakeDevice
    ) -> None:
        bench.start()
        pump = device()

        bench.ask(("DISPATCH_SETPOINT", 2.5))

        wait_until(lambda: pump.held)
        assert pump.held is not None
        assert pump.held["setpoint_kw"] == 2.5
        wait_until(lambda: bench.status() is OrderStatus.ACCEPTED)

    def test_ends_with_its_event(self, bench: OrdersBench, device: MakeDevice) -> None:
        bench.start()
        pump = device()
        bench.ask(("DISPATCH_SETPOINT", 2.5), duration="PT2S")
        wait_until(lambda: pump.held)

        wait_until(lambda: pump.orders[-1]["release"])

        assert pump.held is None
        wait_until(lambda: bench.status() is OrderStatus.RELEASED)

    @pytest.mark.rest
    def test_is_written_again_as_long_as_it_holds(
        self, bench: OrdersBench, device: MakeDevice
    ) -> None:
        bench.start()
        pump = device()
        bench.ask(("DISPATCH_SETPOINT", 2.5))

        wait_until(lambda: len(pump.orders) == 3)

        assert len({order["seq"] for order in pump.orders}) == 1
        gaps_s = [b - a for a, b in zip(pump.came_at_s, pump.came_at_s[1:], strict=False)]
        assert max(gaps_s) < VALID_FOR_S / 2 + 1

    @pytest.mark.rest
    def test_waits_for_a_device_that_comes_late(
        self, bench: OrdersBench, device: MakeDevice
    ) -> None:
        """Retained, and no longer than it is worth: half of the time that orders hold."""
        bench.start()
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(lambda: "pump" in bench.orders() and bench.orders()["pump"].writes)

        pump = device()

        wait_until(lambda: pump.held)
        assert 1 <= pump.expire_in_s[0] <= VALID_FOR_S / 2

    @pytest.mark.rest
    def test_of_a_fleet_that_died_ends_by_itself(
        self, bench: OrdersBench, device: MakeDevice
    ) -> None:
        bench.start()
        pump = device()
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(lambda: pump.held)

        bench.stop()
        written_s = pump.came_at_s[-1]

        wait_until(lambda: pump.held is None, timeout_s=2 * VALID_FOR_S)
        assert time.monotonic() - written_s <= VALID_FOR_S + 1


@pytest.mark.rest
class TestAnswers:
    def test_who_refuses_is_not_asked_again(
        self, bench: OrdersBench, device: MakeDevice, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        bench.start()
        pump = device(answers=refuses)
        bench.ask(("DISPATCH_SETPOINT", 2.5))

        wait_until(lambda: "VEN Aarhus, resource 'pump' refuses its order: busy" in caplog.messages)

        assert bench.status() is OrderStatus.REFUSED
        assert pump.held is None

    def test_an_owner_opts_out_and_in_again(self, bench: OrdersBench, device: MakeDevice) -> None:
        bench.start()
        pump = device()
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(lambda: pump.held)
        seq = pump.orders[-1]["seq"]

        pump.say(seq=seq, status="OPTED_OUT", reason="guests")
        wait_until(lambda: pump.orders[-1]["release"])
        assert pump.held is None

        pump.say(seq=seq, status="OPTED_IN")
        wait_until(lambda: pump.held)

    def test_an_opt_out_counts_where_nothing_was_ever_asked(
        self, bench: OrdersBench, device: MakeDevice
    ) -> None:
        bench.start()
        pump = device()
        pump.say(seq=0, status="OPTED_OUT")
        participation = bench.container.fleet.participation()
        wait_until(lambda: participation.current().opt_outs)

        bench.ask(("DISPATCH_SETPOINT", 2.5))

        with pytest.raises(AssertionError):
            wait_until(lambda: pump.orders, timeout_s=1)

    def test_what_the_broker_kept_of_before_is_not_followed(
        self, bench: OrdersBench, device: MakeDevice
    ) -> None:
        """Devices do not retain answers; one that does would opt out with each connection."""
        pump = device()
        wait_until(pump.say_raw(OPTED_OUT, is_retained=True).is_published)

        bench.start()
        bench.ask(("DISPATCH_SETPOINT", 2.5))

        wait_until(lambda: bench.status() is OrderStatus.ACCEPTED)
        assert not bench.container.fleet.participation().current().opt_outs

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"?", "it is no JSON"),
            (b"[]", "it is no JSON object"),
            (b'{"seq": true, "status": "ACCEPTED"}', "its seq is no number of an order"),
            (b'{"seq": 1, "status": "MAYBE"}', "its status is none of"),
            (b"x" * 5000, "it is larger than 4 KiB"),
        ],
    )
    def test_what_is_no_answer_is_said_once(
        self,
        bench: OrdersBench,
        device: MakeDevice,
        caplog: pytest.LogCaptureFixture,
        body: bytes,
        words: str,
    ) -> None:
        bench.start()
        pump = device()
        inbox = bench.container.orders.inbox()

        for _ in range(3):
            pump.say_raw(body)

        wait_until(lambda: inbox.refused == 3)
        lines = [line for line in caplog.messages if words in line]
        assert len(lines) == 1
        assert lines[0].startswith("actuator homes: ven-fleet/Aarhus/pump/outcome: ")


@pytest.mark.rest
class TestWhatBreaks:
    @pytest.fixture
    def cable(self, broker: Broker) -> Cable:
        return Cable(broker.port)

    def test_a_cut_between_fleet_and_broker_is_mended_with_the_same_seq(
        self, cable: Cable, make_container: MakeContainer, device: MakeDevice
    ) -> None:
        Path("sources.toml").write_text(HOMES.format(port=cable.port))
        bench = OrdersBench(make_container())
        bench.start()
        pump = device()
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(lambda: pump.held)
        before = len(pump.orders)

        cable.cut()
        wait_until(lambda: bench.away() is not None)
        cable.mend()

        wait_until(lambda: len(pump.orders) > before)
        assert len({order["seq"] for order in pump.orders}) == 1
        bench.stop()
        cable.close()

    def test_what_changed_meanwhile_is_written_and_nothing_of_before(
        self, cable: Cable, make_container: MakeContainer, device: MakeDevice
    ) -> None:
        Path("sources.toml").write_text(HOMES.format(port=cable.port))
        bench = OrdersBench(make_container())
        bench.start()
        pump = device()
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(lambda: pump.held)

        cable.be_silent()
        bench.ask(("DISPATCH_SETPOINT", 1.0))
        wait_until(lambda: bench.orders()["pump"].desired.setpoint_kw == 1.0)
        cable.cut()
        wait_until(lambda: bench.away() is not None)
        bench.ask(("DISPATCH_SETPOINT", 0.5))
        cable.mend()

        wait_until(lambda: pump.held and pump.held["setpoint_kw"] == 0.5)
        seqs = [order["seq"] for order in pump.orders]
        assert seqs == sorted(seqs)
        bench.stop()
        cable.close()

    def test_a_broker_that_begins_anew_is_told_what_holds(
        self, bench: OrdersBench, broker: Broker, device: MakeDevice
    ) -> None:
        bench.start()
        pump = device()
        bench.ask(("DISPATCH_SETPOINT", 2.5))
        wait_until(lambda: pump.held)
        before = len(pump.orders)

        broker.stop()
        broker.start()

        wait_until(lambda: len(pump.orders) > before)
        assert pump.held

    def test_another_password_is_read_from_its_file(
        self, make_broker: MakeBroker, make_container: MakeContainer
    ) -> None:
        broker = make_broker(acl="user vtn\ntopic readwrite ven-fleet/#\n")
        broker.admit("vtn", "first-password")
        secret = Path("homes.password")
        secret.write_text("another-password\n")
        secret.chmod(0o600)
        login = 'username = "vtn"\npassword_file = "homes.password"\n'
        Path("sources.toml").write_text(HOMES.format(port=broker.port) + login)
        bench = OrdersBench(make_container())
        bench.start(connected=False)
        wait_until(lambda: "Not authorized" in str(bench.away()))

        secret.write_text("first-password\n")

        wait_until(lambda: bench.away() is None)
        bench.stop()

    def test_a_broker_of_mqtt_3_1_1_retains_nothing(self, bench: OrdersBench) -> None:
        """It would keep it for ever."""
        small = SmallBroker()
        Path("sources.toml").write_text(HOMES.format(port=small.address.port))
        bench.start()

        bench.ask(("DISPATCH_SETPOINT", 2.5))

        wait_until(lambda: [topic for topic, _, _ in small.published if "/desired" in topic])
        topic, _, is_retained = next(each for each in small.published if "/desired" in each[0])
        assert topic == "ven-fleet/Aarhus/pump/desired"
        assert not is_retained
        bench.stop()
        small.close()
