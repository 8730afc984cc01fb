"""Shards whose processes are killed and frozen: nothing is lost, nothing doubled, no zombie writes.

Two shards, and a standby for the first one, at a VTN that fails at random.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app.vtn import EmbeddedVtn
from tests.e2e.conftest import Start
from tests.support.cable import Cable
from tests.support.faulty_vtn import FaultyVtn
from tests.support.killed import at_faulty_vtn, readings_at
from tests.support.pgbouncer import Pgbouncer
from tests.support.postgres import Postgres
from tests.support.processes import Application
from tests.support.shard_stores import ShardStore, calm_down, sample_vens
from tests.support.waiting import wait_until

ROUNDS = int(os.environ.get("SHARD_ROUNDS", "4"))
"""On each database, and each of its troubles at least once; `make soak PART=shards` has 50."""
SHARDS, VENS, RESOURCES = 2, 6, 3


class Fleet:
    """Its processes: the first shard has an owner and a standby.

    Each has a line of its own to PostgreSQL, on that port, if there is one; `server`: it itself.
    """

    def __init__(
        self, start: Start, settings: dict[str, str], port: int | None, server: Postgres | None
    ) -> None:
        self._start = start
        self._settings = settings
        self._port = port
        self.server = server
        self._lines: dict[Application, Cable] = {}
        self.second = self.run(1)
        self.owner = self.run(0)
        self.owner.wait_for("schedule:")
        self.standby = self.waiting()

    def run(self, number: int) -> Application:
        settings, line = {**self._settings, "FLEET__SHARD": str(number)}, None
        if self._port is not None:
            line = Cable(self._port)
            url = settings["DATABASE__URL"].replace(f":{self._port}/", f":{line.port}/")
            settings["DATABASE__URL"] = url
        made = self._start("run", **settings)
        if line is not None:
            self._lines[made] = line
        return made

    def line(self, application: Application) -> Cable:
        """To its database."""
        return self._lines[application]

    def close(self) -> None:
        for line in self._lines.values():
            line.close()

    def waiting(self) -> Application:
        """Another one for the first shard."""
        made = self.run(0)
        made.wait_for("this process waits, and takes over when that one is gone")
        return made

    def taken_over(self) -> Application:
        """The standby runs the shard, and another one waits; the former owner."""
        self.standby.wait_for("shard 0 is taken over from")
        former, self.owner = self.owner, self.standby
        self.standby = self.waiting()
        return former


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Of PostgreSQL, directly or through a pooler with a few sessions; None: SQLite."""
    if kind == "sqlite":
        yield None
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.make_database()
    if kind == "postgresql":
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="pgbouncer-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)  # the server has a user of its own
        pooler = Pgbouncer(Path(directory) / "pool", server.port, "transaction", pool_size=5)
        yield pooler.url(url.rpartition("/")[2])
        pooler.close()


@pytest.fixture
def stores(url: str | None, tmp_path: Path) -> Iterator[Sequence[ShardStore]]:
    made = [
        ShardStore(url or f"sqlite:///{tmp_path}/data/shard-{number}/fleet.db", number)
        for number in range(SHARDS)
    ]
    yield made
    for each in made:
        each.close()


@pytest.fixture
def settings(url: str | None, faulty: FaultyVtn, tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE__URL": url or "",
        **at_faulty_vtn(faulty, tmp_path),
        "FLEET__SHARDS": str(SHARDS),
        "FLEET__SEED_SAMPLE": "true",
        "FLEET__VENS": str(VENS),
        "FLEET__RESOURCES_PER_VEN": str(RESOURCES),
        "METERING__DEFAULT_SOURCE": "simulator",
        "TASKS__SIMULATE_METERDATA__SECONDS": "0.2",
    }


def kill(fleet: Fleet, store: ShardStore) -> float:
    """The kernel, or the end of its lease, says that it is gone."""
    before, began_s = store.epoch(), time.monotonic()
    fleet.owner.kill()
    took_s = store.is_back(before) - began_s
    assert fleet.taken_over().join() == -signal.SIGKILL
    return took_s


def freeze(fleet: Fleet, store: ShardStore) -> float:
    """It stands still beyond its lease, and wakes up when another one has the shard."""
    before, began_s = store.epoch(), time.monotonic()
    fleet.owner.tell(signal.SIGSTOP)
    took_s = store.is_back(before) - began_s
    fleet.owner.tell(signal.SIGCONT)
    zombie = fleet.taken_over()
    code = zombie.join(30)
    assert code == -signal.SIGKILL or (
        code == 1 and "another process has taken over shard 0; this run stops" in zombie.log
    )
    return took_s


def part(fleet: Fleet, store: ShardStore) -> float:
    """It lives, and its line to the database is silent until another one has the shard."""
    before, began_s = store.epoch(), time.monotonic()
    line = fleet.line(fleet.owner)
    line.be_silent()
    took_s = store.is_back(before) - began_s
    line.mend()
    zombie = fleet.taken_over()
    assert zombie.join(30) == 1
    assert "another process has taken over shard 0; this run stops" in zombie.log
    return took_s


def restart(fleet: Fleet, store: ShardStore) -> float:
    """Of PostgreSQL: the owner goes on, or another one does."""
    before, newest, began_s = store.epoch(), store.newest(), time.monotonic()
    assert fleet.server is not None
    store.close()  # its connections end, too
    fleet.server.restart()
    wait_until(lambda: store.has_more(newest), timeout_s=30)
    took_s = time.monotonic() - began_s
    if store.epoch() != before:
        assert fleet.taken_over().join(30) == 1
    return took_s


TROUBLES = {
    "sqlite": (kill, freeze),
    "postgresql": (kill, freeze, part, restart),
    "pgbouncer": (freeze, part, kill),
}


@pytest.fixture
def fleet(
    start: Start, settings: dict[str, str], url: str | None, request: pytest.FixtureRequest
) -> Iterator[Fleet]:
    server = None if url is None else request.getfixturevalue("postgres")
    made = Fleet(start, settings, None if url is None else make_url(url).port, server)
    yield made
    made.close()


def test_killed_frozen_and_cut_off(
    start: Start,
    settings: dict[str, str],
    fleet: Fleet,
    lasting_vtn: EmbeddedVtn,
    faulty: FaultyVtn,
    stores: Sequence[ShardStore],
    kind: str,
) -> None:
    """Given two shards and a standby; when the owner of the first one is killed, or frozen or cut
    off until another one has it; then each tick that a store accepted arrives exactly once."""
    troubles = TROUBLES[kind]
    for store in stores:
        store.begin()
    drawn = random.Random(3)
    took_s: dict[str, list[float]] = {}
    for number in range(max(ROUNDS, len(troubles))):
        trouble = troubles[number % len(troubles)]
        faulty.share = drawn.choice([0.0, 0.3, 0.6])
        took_s.setdefault(trouble.__name__, []).append(trouble(fleet, stores[0]))
        faulty.catch_up()

    faulty.share = 0.0
    faulty.catch_up(all_of_it=True)
    assert fleet.standby.stop() == 0
    assert fleet.owner.stop() == 0
    assert fleet.second.stop() == 0
    retry = start("rejected", "retry", "--all", **settings)
    assert retry.join() == 0, retry.log
    still = {**settings, "TASKS__SIMULATE_METERDATA__ENABLED": "false"}
    last = [start("run", **still, FLEET__SHARD=str(number)) for number in range(SHARDS)]
    for store, application in zip(stores, last, strict=True):
        calm_down(store, application)

    vens = [len(sample_vens(number, of=SHARDS, vens=VENS)) for number in range(SHARDS)]
    assert all(vens)
    found = readings_at(lasting_vtn)
    assert set(found.values()) == {1}
    assert len(found) == sum(
        store.ticks() * RESOURCES * count for store, count in zip(stores, vens, strict=True)
    )
    print({name: [round(each, 1) for each in values] for name, values in took_s.items()})
