"""What devices publish to a real broker, until it is in the log of measurements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.intake.errors import IntakeFull
from app.intake.status import IntakeStats
from tests.support.broker import Broker
from tests.support.cable import Cable
from tests.support.mqtt import (
    TIMED_TOPICS,
    UNTIMED_TOPICS,
    Device,
    MqttBench,
    power,
    sources_at,
)
from tests.support.waiting import wait_until


def test_what_is_published_is_known(bench: MqttBench, device: Device) -> None:
    bench.start()

    device.publish("meters/d-1", power(bench, 1.5))

    ((resource, quantity, at, kw),) = bench.wait_for(1)
    assert (resource, quantity, kw) == ("hall-1", "POWER", 1.5)
    assert at == bench.clock() - timedelta(minutes=5)


def test_what_could_not_be_stored_is_not_acknowledged(
    bench: MqttBench, device: Device, caplog: pytest.LogCaptureFixture
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

    def test_after_a_defect_of_ours_the_broker_sends_again(
        self, bench: MqttBench, device: Device, caplog: pytest.LogCaptureFixture
    ) -> None:
        platform = bench.container.platform
        defective = DefectiveStats(clock=platform.clock(), monotonic=platform.monotonic())
        with bench.container.intake.stats.override(defective):
            bench.start()
            device.publish("meters/d-1", power(bench, 1.5))
            wait_until(lambda: bench.counts.repeated == 1, otherwise=bench.words)
            bench.stop()

        assert len(bench.values()) == 1
        assert "a defect; the broker sends again" in caplog.text


class TestTheNetwork:
    @pytest.fixture
    def cable(self, bench: MqttBench, broker: Broker) -> Iterator[Cable]:
        """Between the fleet and its broker."""
        made = Cable(broker.port)
        Path("sources.toml").write_text(sources_at(made.port))
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
        Path("sources.toml").write_text(sources_at(broker.port, UNTIMED_TOPICS))
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


def test_a_source_that_is_no_longer_in_the_file_is_not_heard(
    bench: MqttBench, broker: Broker, device: Device
) -> None:
    """Nor does the broker keep anything for it."""
    bench.start()
    bench.rewrite("")
    bench.rewrite("")
    device.publish("meters/d-1", power(bench, 1.0))

    bench.rewrite(sources_at(broker.port))
    bench.start()
    device.publish("meters/d-1", power(bench, 2.0))

    assert [kw for *_, kw in bench.wait_for(1)] == [2.0]


def test_a_file_that_is_empty_for_a_moment_loses_nothing(
    bench: MqttBench, broker: Broker, device: Device
) -> None:
    """An editor may write it in two steps."""
    bench.start()
    bench.rewrite("")
    bench.rewrite(sources_at(broker.port))
    bench.stop()
    device.publish("meters/d-1", power(bench, 1.5))

    bench.start()

    assert len(bench.wait_for(1)) == 1


def test_nothing_begins_after_the_end(bench: MqttBench) -> None:
    """A look at the file may be under way when the application stops."""
    sources = bench.container.intake.mqtt_sources()
    bench.start()
    sources.close()

    sources()

    assert bench.counts.away is None


def test_what_waited_on_a_topic_that_lost_its_time_is_no_value_of_now(
    bench: MqttBench, broker: Broker, device: Device
) -> None:
    timed = UNTIMED_TOPICS.replace('profile = "watts"', 'profile = "power-kw"')
    bench.rewrite(sources_at(broker.port, TIMED_TOPICS + timed))
    bench.start()

    bench.rewrite(sources_at(broker.port, TIMED_TOPICS + UNTIMED_TOPICS))
    bench.start()
    device.publish("plugs/d-1", "1500")
    device.publish("meters/d-2", power(bench, 1.0))

    assert [resource for resource, *_ in bench.wait_for(2)] == ["hall-1", "hall-2"]
    assert bench.counts.ignored == 0, "the broker's session has the topic no longer"


class FullIntake:
    """There is no room."""

    def __init__(self) -> None:
        self.asked = 0

    def take(self, *_: object) -> None:
        self.asked += 1
        raise IntakeFull("no room")

    def refused(self, *_: object) -> None: ...


class DefectiveStats(IntakeStats):
    """Fails once, when what came is stored and not acknowledged yet."""

    _fails = True

    def refused(self, *_: object) -> None:
        if self._fails:
            self._fails = False
            raise RuntimeError("a defect")
