"""Each shard hears its own devices, and what a broker kept from before the fleet was cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.fleet import Resource, ResourceKind
from app.platform import from_us, shard_of
from containers import Container
from tests.conftest import MakeContainer
from tests.support import commands
from tests.support.broker import Broker
from tests.support.mqtt import UNTIMED_TOPICS, Device, sources_at
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rest
VENS = ("Aarhus", "Billund", "Esbjerg", "Kolding", "Odense", "Ærø")
REMOTE = {"base_url": "http://127.0.0.1:9", "bearer_token": "x"}
Values = list[tuple[str, datetime, float]]
"""VEN, when, kW."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker", keeps=True, anonymous=True)
    made.start()
    (Path() / "sources.toml").write_text(sources_at(made.port))
    yield made
    made.stop()


@pytest.fixture
def device(broker: Broker) -> Iterator[Device]:
    made = Device(broker.port)
    yield made
    made.close()


class Running:
    """What of a process takes measurements."""

    def __init__(self, container: Container) -> None:
        self._container = container
        platform = container.platform
        platform.endpoint().listen()
        platform.owner().acquire()
        platform.endpoint().open(platform.owner().epoch)
        platform.database().open()
        if container.fleet.repository().is_empty():
            own = container.settings().shard
            save(container, [name for name in VENS if own.has(name)])
        container.intake.service().start()

    def listens(self) -> bool:
        return bool(self.counts.away is None)

    def look(self) -> None:
        """As the application does every few seconds."""
        self._container.intake.mqtt_sources()()

    @property
    def counts(self) -> Any:
        return self._container.intake.stats().of("homes")

    def unknown(self) -> list[str]:
        return [each.device for each in self._container.intake.unknown_devices().all()]

    def values(self) -> Values:
        log = self._container.intake.log()
        return sorted(
            (name.ven_name, from_us(start), value)
            for number, name in log.series()
            for _, start, _, value, *_ in log.read(number, 0, 1 << 60).tolist()
        )

    def add(self, ven: str) -> None:
        save(self._container, [ven])

    def stop(self) -> None:
        platform = self._container.platform
        platform.shutdown().set()
        self._container.intake.service().close()
        platform.endpoint().close()
        platform.owner().release()
        platform.database().close()


def save(container: Container, vens: Sequence[str]) -> None:
    repository = container.fleet.repository()
    meter = Resource(
        resource_name="hall", kind=ResourceKind.BASE_LOAD, power_max_kw=10, source="homes"
    )
    repository.save({ven: [Resource(**{**vars(meter), "device": f"of-{ven}"})] for ven in vens})


Run = Callable[..., list[Running]]


@pytest.fixture
def run(make_container: MakeContainer, broker: Broker) -> Iterator[Run]:
    """A process for each shard; whichever ran before have ended."""
    assert broker.port
    running: list[Running] = []

    def begin(shards: int) -> list[Running]:
        for each in running:
            each.stop()
        running.clear()
        for number in range(shards):
            fleet = {"shards": shards, "shard": number} if shards > 1 else {}
            container = make_container(vtn=REMOTE, fleet=fleet)
            running.append(Running(container))
        wait_until(lambda: all(each.listens() for each in running))
        return list(running)

    yield begin
    for each in running:
        each.stop()


def say(device: Device, second: float, vens: Sequence[str] = VENS) -> Values:
    """Each of their meters measures something; what has to be known then."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    said = [(ven, at + timedelta(seconds=second), 1.0 + number) for number, ven in enumerate(vens)]
    device.publish_each(
        (f"meters/of-{ven}", {"power_kw": kw, "ts": when.isoformat()}) for ven, when, kw in said
    )
    return said


def known(shards: Sequence[Running]) -> Values:
    return sorted(value for shard in shards for value in shard.values())


def wait_for(shards: Sequence[Running], said: Values) -> None:
    """Until they know all of this, and nothing else."""
    wait_until(lambda: known(shards) == sorted(said), otherwise=lambda: str(known(shards)))


def reshard(shards: str) -> None:
    environment = {"VTN__BASE_URL": REMOTE["base_url"], "VTN__BEARER_TOKEN": "x"}
    done = commands.invoke("reshard", shards, environment=environment)
    assert done.exit_code == 0, done.output


class TestEachShard:
    def test_hears_its_own_devices_and_no_other(self, run: Run, device: Device) -> None:
        shards = run(2)

        said = say(device, 0)

        wait_for(shards, said)
        for number, shard in enumerate(shards):
            assert {ven for ven, *_ in shard.values()} == {
                ven for ven in VENS if shard_of(ven, 2) == number
            }
            assert (shard.counts.repeated, shard.counts.refused) == (0, 0)

    def test_hears_what_is_new_in_its_fleet(self, run: Run, device: Device) -> None:
        shards = run(2)
        new = next(name for name in ("Ribe", "Skive", "Vejle") if shard_of(name, 2) == 1)
        shards[1].add(new)

        shards[1].look()
        wait_until(shards[1].listens)

        def heard() -> bool:
            say(device, 0, [new])
            return any(ven == new for ven, *_ in shards[1].values())

        wait_until(heard)

    def test_hears_topics_without_a_time_too(
        self, run: Run, device: Device, broker: Broker
    ) -> None:
        Path("sources.toml").write_text(sources_at(broker.port, UNTIMED_TOPICS))
        shards = run(2)

        device.publish_each((f"plugs/of-{ven}", "1500") for ven in VENS)

        wait_until(lambda: {ven for ven, *_ in known(shards)} == set(VENS))
        assert all(shard.counts.taken == len(shard.values()) for shard in shards)

    def test_takes_what_came_while_it_was_away(self, run: Run, device: Device) -> None:
        run(2)[1].stop()
        said = say(device, 0)

        shards = run(2)

        wait_for(shards, said)


def end_of_former_sessions(
    shards: Sequence[Running], device: Device, second: int, caplog: pytest.LogCaptureFixture
) -> Values:
    """What devices go on saying, which holds it up for nobody."""
    caplog.clear()
    said: Values = []

    def has_ended() -> bool:
        said.extend(say(device, second + len(said) / 1000))
        for shard in shards:
            shard.look()
        return "all that was kept for it is handed on" in caplog.text

    with caplog.at_level("INFO"):
        wait_until(has_ended)
    return said


@pytest.mark.parametrize("steps", [(2,), (2, 4)], ids=str)
def test_what_a_broker_kept_before_the_fleet_was_cut_is_taken(
    run: Run, device: Device, steps: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Given a session in which messages wait; when the fleet is cut meanwhile; then its first child
    takes them, and hands on what is its siblings'; nothing is lost, and nothing there twice."""
    shards = run(1)
    said = say(device, 0)
    wait_for(shards, said)
    for number, count in enumerate(steps, start=1):
        for shard in shards:
            shard.stop()
        said += say(device, 100 * number)
        reshard(str(count))
        said += say(device, 100 * number + 1)

        shards = run(count)

        wait_for(shards, said)
        said += say(device, 100 * number + 2)
        wait_for(shards, said)
        assert [shard.unknown() for shard in shards] == [[]] * count
        reshard("--finish")
        said += end_of_former_sessions(shards, device, 100 * number + 3, caplog)
        wait_for(shards, said)
