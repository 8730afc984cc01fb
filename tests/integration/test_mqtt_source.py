"""What devices publish to a real broker, until it is in the log of measurements."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.intake.errors import IntakeFull
from tests.conftest import MakeContainer
from tests.support.broker import Broker
from tests.support.cable import Cable
from tests.support.certificates import make_certificate
from tests.support.fakes import FakeClock
from tests.support.mqtt import Device, MqttBench
from tests.support.small_broker import SmallBroker
from tests.support.waiting import wait_until

TIMED = """
[[source.topics]]
topic = "meters/{device}"
profile = "power-kw"
"""
UNTIMED = """
[[source.topics]]
topic = "plugs/{device}"
profile = "watts"
"""
SECOND = timedelta(seconds=1)


def sources(port: int, topics: str = TIMED, *, scheme: str = "mqtt", more: str = "") -> str:
    return (
        '[[source]]\nname = "homes"\ntype = "mqtt"\n'
        f'url = "{scheme}://127.0.0.1:{port}"\n{more}{topics}'
    )


MakeBroker = Callable[..., Broker]


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Brokers that keep what waits for a client, and are set up as the documentation says."""
    made: list[Broker] = []

    def make(**settings: Any) -> Broker:
        made.append(Broker(tmp_path / f"broker-{len(made)}", keeps=True, **settings))
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
def device(broker: Broker) -> Iterator[Device]:
    made = Device(broker.port)
    yield made
    made.close()


@pytest.fixture
def bench(broker: Broker, make_container: MakeContainer, clock: FakeClock) -> Iterator[MqttBench]:
    """A fleet whose devices publish their power with its time."""
    Path("sources.toml").write_text(sources(broker.port))
    made = MqttBench(make_container(), clock)
    yield made
    made.stop()


def power(bench: MqttBench, kw: float, *, second: int = 0) -> dict[str, Any]:
    return {
        "power_kw": kw,
        "ts": (bench.clock() - timedelta(minutes=5) + second * SECOND).isoformat(),
    }


def test_what_is_published_is_known(bench: MqttBench, device: Device) -> None:
    bench.start()

    device.publish("meters/d-1", power(bench, 1.5))

    ((resource, quantity, at, kw),) = bench.wait_for(1)
    assert (resource, quantity, kw) == ("hall-1", "POWER", 1.5)
    assert at == bench.clock() - timedelta(minutes=5)


class TestNothingIsLost:
    def test_what_is_published_while_nobody_listens_comes_afterwards(
        self, bench: MqttBench, device: Device
    ) -> None:
        bench.start()
        bench.stop()
        device.publish_each(
            (f"meters/d-{number % 3}", power(bench, 1.0, second=number)) for number in range(60)
        )

        bench.start()

        assert len(bench.wait_for(60)) == 60

    def test_what_could_not_be_stored_is_not_acknowledged(
        self, bench: MqttBench, device: Device, caplog: pytest.LogCaptureFixture
    ) -> None:
        full = FullIntake()
        with bench.container.intake.intake.override(full):
            bench.start()
            device.publish("meters/d-1", power(bench, 1.5))
            wait_until(lambda: full.asked > 1)
            bench.stop()
        assert "nothing is taken, the broker keeps it: no room" in caplog.text

        bench.start()

        assert len(bench.wait_for(1)) == 1

    def test_a_broker_that_ends_and_begins_again_has_what_it_kept(
        self, bench: MqttBench, broker: Broker, device: Device
    ) -> None:
        bench.start()
        bench.stop()
        device.publish("meters/d-1", power(bench, 1.5))
        broker.end()
        broker.start()

        bench.start()

        assert len(bench.wait_for(1)) == 1

    def test_what_comes_again_is_not_doubled(
        self, bench: MqttBench, broker: Broker, device: Device
    ) -> None:
        """A broker that is killed forgets what was acknowledged since it saved its store."""
        bench.start()
        bench.stop()
        device.publish("meters/d-1", power(bench, 1.5))
        broker.end()
        broker.start()
        bench.start()
        bench.wait_for(1)
        broker.stop()
        broker.start()

        wait_until(lambda: bench.counts.repeated == 1, timeout_s=20)

        assert len(bench.values()) == 1


class TestTheNetwork:
    @pytest.fixture
    def cable(self, bench: MqttBench, broker: Broker) -> Iterator[Cable]:
        """Between the fleet and its broker."""
        made = Cable(broker.port)
        Path("sources.toml").write_text(sources(made.port))
        bench.start()
        yield made
        made.close()

    def test_what_is_published_during_a_cut_comes_after_it(
        self, bench: MqttBench, cable: Cable, device: Device
    ) -> None:
        cable.cut()
        wait_until(lambda: bench.counts.away is not None)
        device.publish("meters/d-1", power(bench, 1.5))

        cable.mend()

        assert len(bench.wait_for(1)) == 1
        wait_until(lambda: bench.counts.away is None)

    def test_what_a_silent_network_holds_up_comes_when_it_speaks(
        self, bench: MqttBench, cable: Cable, device: Device
    ) -> None:
        cable.be_silent()
        device.publish_each(
            (f"meters/d-{number % 3}", power(bench, 1.0, second=number)) for number in range(60)
        )

        cable.mend()

        assert len(bench.wait_for(60)) == 60


class TestWithoutATime:
    @pytest.fixture
    def plugs(self, bench: MqttBench, broker: Broker) -> MqttBench:
        Path("sources.toml").write_text(sources(broker.port, UNTIMED))
        return bench

    def test_a_message_is_dated_when_it_comes(self, plugs: MqttBench, device: Device) -> None:
        plugs.start()

        device.publish("plugs/d-1", "1500")

        assert plugs.wait_for(1) == [("hall-1", "POWER", plugs.clock(), 1.5)]

    def test_what_waited_or_was_retained_is_no_reading(
        self, plugs: MqttBench, device: Device
    ) -> None:
        plugs.start()
        plugs.stop()
        device.publish("plugs/d-1", "1500")
        device.publish("plugs/d-2", "1500", retain=True)

        plugs.start()
        device.publish("plugs/d-0", "100")

        assert [resource for resource, *_ in plugs.wait_for(1)] == ["hall-0"]
        assert plugs.counts.ignored == 1


class TestTrouble:
    def test_junk_is_counted_and_said_once(
        self, bench: MqttBench, device: Device, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.start()

        device.publish_each(
            [("meters/d-1", "?"), ("meters/d-2", "?"), ("meters/d-9", power(bench, 1))]
        )

        wait_until(lambda: bench.counts.refused == 3)
        lines = [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]
        assert "source homes: meters/d-1: it is no JSON" in lines
        assert (
            "source homes: meters/d-9: no resource has the meter 'd-9' of source 'homes'" in lines
        )
        assert len([line for line in lines if "no JSON" in line]) == 1

    def test_a_message_of_megabytes_holds_back_no_other(
        self, bench: MqttBench, device: Device
    ) -> None:
        bench.start()

        device.publish("meters/d-1", b"x" * (5 << 20))
        device.publish("meters/d-1", power(bench, 1.5))

        assert len(bench.wait_for(1)) == 1
        assert bench.counts.reasons["it is larger than 64 KiB"] == 1
        assert bench.counts.away is None

    def test_another_client_that_takes_the_session_over_is_said(
        self, bench: MqttBench, broker: Broker
    ) -> None:
        """As another fleet with a source of the same name does, again and again."""
        bench.start()

        other = Device(broker.port, client_id="ven-fleet-homes")
        wait_until(lambda: "use the id ven-fleet-homes" in str(bench.counts.away), timeout_s=20)
        other.close()

    def test_a_broker_of_mqtt_3_1_1_will_do(self, bench: MqttBench) -> None:
        small = SmallBroker()
        Path("sources.toml").write_text(sources(small.address.port))

        bench.start()
        small.publish(
            "meters/d-1", b'{"power_kw": 1.5, "ts": "%s"}' % bench.clock().isoformat().encode()
        )

        assert len(bench.wait_for(1)) == 1
        small.close()

    def test_a_filter_that_the_broker_refuses_is_said(self, bench: MqttBench) -> None:
        small = SmallBroker(takes=lambda topic: topic != "meters/+")
        Path("sources.toml").write_text(sources(small.address.port))

        bench.container.intake.mqtt_sources()()

        wait_until(lambda: bench.counts.away == "the broker refuses meters/+")
        small.close()


class TestAccess:
    def test_a_password_is_read_again(
        self, make_broker: MakeBroker, bench: MqttBench, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker = make_broker()
        broker.admit("fleet", "first-password")
        secret = Path("homes.password")
        secret.write_text("another-password\n")
        secret.chmod(0o600)
        Path("sources.toml").write_text(
            sources(broker.port, more='username = "fleet"\npassword_file = "homes.password"\n')
        )
        bench.container.intake.mqtt_sources()()
        wait_until(lambda: "Not authorized" in str(bench.counts.away), otherwise=bench.words)

        secret.write_text("first-password\n")

        wait_until(lambda: bench.counts.away is None, timeout_s=20, otherwise=bench.words)
        assert "-password" not in caplog.text

    def test_a_broker_is_trusted_by_its_authority(
        self, make_broker: MakeBroker, bench: MqttBench, tmp_path: Path
    ) -> None:
        certificate = make_certificate(tmp_path, "broker")
        broker = make_broker(anonymous=True, tls=certificate)
        bench.rewrite(sources(broker.port, scheme="mqtts"))
        wait_until(lambda: "certificate verify failed" in str(bench.counts.away))

        bench.rewrite(
            sources(broker.port, scheme="mqtts", more=f'ca_file = "{certificate.certificate}"\n')
        )

        bench.start()

    def test_plain_mqtt_stays_on_this_machine(self, bench: MqttBench) -> None:
        Path("sources.toml").write_text(sources(1883).replace("127.0.0.1", "broker.example"))

        with pytest.raises(
            ValueError, match=r"url: must begin with mqtts://, or allow_plain be true"
        ):
            bench.container.intake.sources().all()


def test_a_source_that_is_no_longer_in_the_file_is_not_heard(
    bench: MqttBench, broker: Broker, device: Device
) -> None:
    """Nor does the broker keep anything for it."""
    bench.start()
    bench.rewrite("")
    device.publish("meters/d-1", power(bench, 1.0))

    bench.rewrite(sources(broker.port))
    bench.start()
    device.publish("meters/d-1", power(bench, 2.0))

    assert [kw for *_, kw in bench.wait_for(1)] == [2.0]


class FullIntake:
    """There is no room."""

    def __init__(self) -> None:
        self.asked = 0

    def take(self, *_: object) -> None:
        self.asked += 1
        raise IntakeFull("no room")

    def refused(self, *_: object) -> None: ...
