"""A store is cut into several: each has its VENs, and goes on with what they are owed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import inspect, text
from typer.testing import Result

from app.intake.store import ROW, Arrival, SeriesName
from app.platform import make_engine, shard_of
from app.vtn import EmbeddedCredentials, EmbeddedVtn
from containers import Container
from tests.conftest import MakeContainer
from tests.support import commands
from tests.support.fakes import FakeClock
from tests.support.measurements import BEGIN_US, MINUTE_US
from tests.support.workbench import Bench

pytestmark = [pytest.mark.in_process, pytest.mark.rest]
VENS, RESOURCES = 6, 3
Invoke = Callable[..., Result]


@pytest.fixture
def invoke(server_url: str | None, vtn: EmbeddedVtn) -> Invoke:
    def call(*arguments: str, shards: int = 1, base_url: str = "") -> Result:
        environment = {
            "VTN__BASE_URL": base_url or vtn.base_url,
            "VTN__BEARER_TOKEN": "x",
            "FLEET__SHARDS": str(shards),
            "DATABASE__URL": server_url or "",
            "COLUMNS": "140",
        }
        return commands.invoke(*arguments, environment=environment)

    return call


def reshard(invoke: Invoke, shards: int) -> None:
    done = invoke("reshard", str(shards))
    assert done.exit_code == 0, done.output
    assert done.stdout == f"The fleet has {shards} shards: set FLEET__SHARDS={shards}.\n"


class Fleet:
    """However many shards it has by now, at one VTN."""

    def __init__(
        self,
        make_container: MakeContainer,
        vtn: EmbeddedVtn,
        clock: FakeClock,
        tmp_path: Path,
        server_url: str | None,
    ) -> None:
        self._make_container = make_container
        self._vtn = vtn
        self._clock = clock
        self._secret = EmbeddedCredentials.of(tmp_path / "data" / "vtn").ven_secret
        self._server_url = server_url
        self.ticks = 0
        self.benches: list[Bench] = []
        self.begin(1)

    def begin(self, shards: int) -> None:
        """Its processes start."""
        self.benches = [
            Bench(self._container(number, shards), self._vtn, self._clock)
            for number in range(shards)
        ]

    def _container(self, number: int, shards: int) -> Container:
        vtn = {
            "base_url": self._vtn.base_url,
            "client_id": "{ven_name}",
            "client_secret": self._secret,
        }
        fleet = {"shards": shards, "shard": number}
        return self._make_container(vtn=vtn, fleet=fleet, database={"url": self._server_url})

    def end(self) -> None:
        """They stop."""
        for bench in self.benches:
            bench.container.platform.database().close()

    def run(self, number: int, *, of: int) -> None:
        """For a moment, somebody runs this shard."""
        platform = self._container(number, of).platform
        platform.owner().acquire()
        platform.owner().release()
        platform.database().close()

    def tick(self) -> None:
        self.ticks += 1
        self._clock.advance(seconds=30)
        for bench in self.benches:
            bench.container.simulator().increase_time()

    def deliver(self, *faults: str) -> None:
        for bench in self.benches:
            bench.transport.faults.extend(faults)
            bench.transport.lookup_status = 401 if faults else 0
            bench.manager.generate_reports()


def finish(fleet: Fleet, invoke: Invoke, shards: int) -> None:
    """When each shard has run."""
    for number in range(shards):
        fleet.run(number, of=shards)
    done = invoke("reshard", "--finish", shards=shards)
    assert done.exit_code == 0, done.output


@pytest.fixture
def fleet(
    make_container: MakeContainer,
    vtn: EmbeddedVtn,
    clock: FakeClock,
    tmp_path: Path,
    server_url: str | None,
) -> Iterator[Fleet]:
    made = Fleet(make_container, vtn, clock, tmp_path, server_url)
    made.benches[0].enrol(vens=VENS, resources_per_ven=RESOURCES)
    made.benches[0].manager.poll_events()
    yield made
    made.end()


@pytest.mark.parametrize("steps", [(2, 4), (3, 6), (5,)], ids=str)
def test_nothing_is_lost_or_doubled(fleet: Fleet, invoke: Invoke, steps: tuple[int, ...]) -> None:
    """Given readings that are delivered, in doubt, and owed; when the fleet is cut, and cut again;
    then each of them is at the VTN once."""
    for shards in steps:
        fleet.tick()
        fleet.deliver()
        fleet.tick()
        fleet.deliver("lost answer", "lost request", "lost answer")
        fleet.tick()
        fleet.end()
        reshard(invoke, shards)
        fleet.begin(shards)
        fleet.tick()
        fleet.deliver()
        fleet.end()
        finish(fleet, invoke, shards)
        fleet.begin(shards)
    for _ in range(3):
        fleet._clock.advance(minutes=1)
        fleet.deliver()

    fleet.benches[0].assert_each_once(fleet.ticks * VENS * RESOURCES)
    assert [bench.waiting() for bench in fleet.benches] == [0] * steps[-1]


def test_a_ven_is_in_its_new_shard_with_what_the_vtn_calls_it(fleet: Fleet, invoke: Invoke) -> None:
    before = json.loads(invoke("fleet", "list", "--json").stdout)
    fleet.end()

    reshard(invoke, 2)
    fleet.begin(2)

    assert json.loads(invoke("fleet", "list", "--json", shards=2).stdout) == before
    for number, bench in enumerate(fleet.benches):
        names = bench.container.fleet.repository().ven_names()
        assert names
        assert {shard_of(name, 2) for name in names} == {number}
        assert {stream.ven_name for stream in bench.container.streams.store().streams()} == {*names}


class TestOldStores:
    def test_no_run_begins_on_them(self, fleet: Fleet, invoke: Invoke) -> None:
        fleet.end()
        reshard(invoke, 2)

        refused = invoke("fleet", "list", shards=1)

        assert refused.exit_code == 2
        assert "FLEET__SHARDS: is 1, and the fleet in" in refused.stderr

    def test_they_are_opened_again_while_no_shard_has_run(
        self, fleet: Fleet, invoke: Invoke
    ) -> None:
        before = invoke("fleet", "list", "--json").stdout
        fleet.end()
        reshard(invoke, 2)

        undone = invoke("reshard", "--undo", shards=2)

        assert undone.stdout == "The fleet is not cut any more: set FLEET__SHARDS=1.\n"
        assert invoke("fleet", "list", "--json").stdout == before
        reshard(invoke, 3)

    def test_and_not_after_that(self, fleet: Fleet, invoke: Invoke) -> None:
        fleet.end()
        reshard(invoke, 2)
        fleet.begin(2)
        owner = fleet.benches[1].container.platform.owner()
        owner.acquire()
        owner.release()

        refused = invoke("reshard", "--undo", shards=2)

        assert refused.exit_code == 1
        assert "shard 1 has run since" in refused.stderr

    def test_a_second_cut_waits_until_the_first_one_is_finished(
        self, fleet: Fleet, invoke: Invoke
    ) -> None:
        fleet.end()
        reshard(invoke, 2)

        assert "is not finished" in invoke("reshard", "4", shards=2).stderr
        finish(fleet, invoke, 2)
        reshard(invoke, 4)
        finish(fleet, invoke, 4)

    def test_they_stay_until_each_shard_has_run(self, fleet: Fleet, invoke: Invoke) -> None:
        """Brokers keep nothing for one that has not."""
        fleet.end()
        reshard(invoke, 2)
        fleet.run(0, of=2)

        assert "shard 1 has not run yet" in invoke("reshard", "--finish", shards=2).stderr
        fleet.run(1, of=2)
        assert invoke("reshard", "--finish", shards=2).exit_code == 0

    def test_what_is_removed_is_gone(
        self, fleet: Fleet, invoke: Invoke, tmp_path: Path, server_url: str | None
    ) -> None:
        fleet.end()
        reshard(invoke, 2)
        finish(fleet, invoke, 2)

        assert "no reshard that could be undone" in invoke("reshard", "--undo", shards=2).stderr
        assert not list((tmp_path / "data").glob("*reshard*"))
        if server_url is not None:
            engine = make_engine(server_url, pools=False)
            names = inspect(engine).get_schema_names()
            assert [name for name in names if "reshard" in name] == []


def test_who_ran_a_shard_before_does_not_run_what_came_of_it(fleet: Fleet, invoke: Invoke) -> None:
    """It may wake up after a long time: its epoch is none that is given again."""
    fleet.end()
    reshard(invoke, 2)
    finish(fleet, invoke, 2)
    fleet.begin(2)
    zombie = fleet.benches[0].container.platform
    zombie.owner().acquire()
    fleet.benches[1].container.platform.owner().acquire()
    epochs = [epoch_of(bench.container) for bench in fleet.benches]
    zombie.owner().release()
    fleet.benches[1].container.platform.owner().release()
    fleet.end()

    reshard(invoke, 4)
    fleet.begin(4)

    for number, bench in enumerate(fleet.benches):
        bench.container.platform.database().open()
        assert epoch_of(bench.container) > epochs[number % 2]


def epoch_of(container: Container) -> int:
    with container.platform.database().read() as connection:
        return int(connection.execute(text("SELECT epoch FROM lease")).scalar_one())


@pytest.mark.parametrize(
    ("shards", "words"), [(3, "into 4, 6 and so on in all, not 3"), (2, "not 2")]
)
def test_a_shard_is_only_split(fleet: Fleet, invoke: Invoke, shards: int, words: str) -> None:
    fleet.end()
    reshard(invoke, 2)
    finish(fleet, invoke, 2)

    refused = invoke("reshard", str(shards), shards=2)

    assert refused.exit_code == 1
    assert words in refused.stderr


def test_a_fleet_that_is_run_is_not_cut(fleet: Fleet, invoke: Invoke) -> None:
    owner = fleet.benches[0].container.platform.owner()
    owner.acquire()

    refused = invoke("reshard", "2")

    assert refused.exit_code == 1
    assert "shard 0 is run; stop it first" in refused.stderr
    owner.release()
    fleet.end()


def test_a_batch_of_values_is_parted(fleet: Fleet, invoke: Invoke) -> None:
    """They have just come, and are not sorted by series and day yet."""
    whole = fleet.benches[0].container
    names = whole.fleet.repository().ven_names()
    rows = np.zeros(len(names), dtype=ROW)
    rows["series"] = np.arange(len(names))
    rows["start"], rows["end"] = BEGIN_US, BEGIN_US + MINUTE_US
    rows["value"] = np.arange(len(names))
    series = [SeriesName(name, "meter", "ENERGY", "NET", "") for name in names]
    whole.intake.log().take(Arrival(names=series, codes=[""], rows=rows))
    fleet.end()

    reshard(invoke, 2)
    fleet.begin(2)

    for number, bench in enumerate(fleet.benches):
        log = bench.container.intake.log()
        found = {
            name.ven_name: log.read(series_id, BEGIN_US, BEGIN_US + MINUTE_US)["value"].tolist()
            for series_id, name in log.series()
        }
        assert found == {
            name: [place] if shard_of(name, 2) == number else [] for place, name in enumerate(names)
        }
        assert log.bytes_stored() > 0


class TestReadings:
    HEAD = "ven_name,resource_name,kind,power_max_kw,source,device\n"

    @pytest.fixture
    def measured(self, invoke: Invoke, tmp_path: Path) -> list[str]:
        """VENs with a meter and values of it, some in batches and some in days."""
        names = [f"VEN {number}" for number in range(8)]
        (tmp_path / "sources.toml").write_text(
            '[[source]]\nname = "plant"\ntype = "http"\ntoken_file = "token"\n'
        )
        (tmp_path / "token").write_text("a-token-of-the-plant")
        (tmp_path / "token").chmod(0o600)
        rows = "".join(f"{name},pump,HEAT_PUMP,9,plant,m{name}\n" for name in names)
        (tmp_path / "fleet.csv").write_text(self.HEAD + rows)
        assert invoke("fleet", "import", "fleet.csv").exit_code == 0
        values = "".join(
            f"m{name},2026-03-01T0{hour}:00Z,2026-03-01T0{hour + 1}:00Z,ENERGY,KWH,{hour}.5\n"
            for name in names
            for hour in range(5)
        )
        (tmp_path / "march.csv").write_text("device,start,end,quantity,unit,value\n" + values)
        taken = invoke("readings", "import", "--profile", "csv", "march.csv")
        assert taken.exit_code == 0, taken.output
        return names

    def test_each_value_is_in_one_shard(
        self, invoke: Invoke, measured: list[str], tmp_path: Path, server_url: str | None
    ) -> None:
        exported = ("readings", "export", "--from", "2026-03-01", "--to", "2026-03-02")
        before = sorted(invoke(*exported).stdout.splitlines())

        reshard(invoke, 2)

        assert sorted(invoke(*exported, shards=2).stdout.splitlines()) == before
        for number in range(2):
            url = server_url or f"sqlite:///{tmp_path}/data/shard-{number}/fleet.db"
            schema = None if server_url is None else f"shard_{number}"
            engine = make_engine(url, schema=schema, pools=False)
            with engine.begin() as connection:
                own = connection.execute(
                    text(
                        "SELECT DISTINCT ven_name FROM measurement_series JOIN measurement_day"
                        " ON measurement_day.series_id = measurement_series.series_id"
                        " ORDER BY ven_name"
                    )
                )
                assert list(own.scalars()) == [
                    name for name in measured if shard_of(name, 2) == number
                ]

    def test_and_taken_once(self, invoke: Invoke, measured: list[str]) -> None:
        reshard(invoke, 2)

        again = invoke("readings", "import", "--profile", "csv", "--json", "march.csv", shards=2)

        result: dict[str, Any] = json.loads(again.stdout)
        assert (result["taken"], result["repeated"]) == (0, 5 * len(measured))
