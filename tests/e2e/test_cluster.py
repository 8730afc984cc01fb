"""A cluster of three nodes that is killed, frozen and taken apart: nothing is lost or doubled.

Real Ray and a real PostgreSQL, and a VTN that fails at random.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from app.vtn import EmbeddedVtn
from tests.e2e.conftest import Start
from tests.support.cluster import FIRST, Cluster, lives, parent, process_of, processes_named, tree
from tests.support.faulty_vtn import FaultyVtn
from tests.support.killed import at_faulty_vtn, readings_at
from tests.support.postgres import Postgres
from tests.support.shard_stores import ShardStore, calm_down, sample_vens
from tests.support.waiting import wait_until

pytest.importorskip("ray", reason="needs the extra `cluster`")
pytestmark = pytest.mark.alone

ROUNDS_IN_CI = 2
ROUNDS = int(os.environ.get("CLUSTER_ROUNDS", ROUNDS_IN_CI))
"""Of all troubles; `make soak PART=cluster` has more."""
SHARDS, VENS, RESOURCES = 3, 6, 3
CALM_WITHIN_S = 90


@pytest.fixture
def settings(postgres: Postgres, faulty: FaultyVtn, tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE__URL": postgres.make_database(),
        **at_faulty_vtn(faulty, tmp_path),
        "FLEET__SHARDS": str(SHARDS),
        "FLEET__SEED_SAMPLE": "true",
        "FLEET__VENS": str(VENS),
        "FLEET__RESOURCES_PER_VEN": str(RESOURCES),
        "GATEWAY__TOKEN": "a token of a test, the same on all nodes",
        "METERING__DEFAULT_SOURCE": "simulator",
        "TASKS__SIMULATE_METERDATA__SECONDS": "0.5",
    }


@pytest.fixture
def stores(settings: dict[str, str]) -> Iterator[Sequence[ShardStore]]:
    made = [ShardStore(settings["DATABASE__URL"], number) for number in range(SHARDS)]
    yield made
    for each in made:
        each.close()


@pytest.fixture
def cluster(settings: dict[str, str]) -> Iterator[Cluster]:
    made = Cluster(settings)
    try:
        for name in (FIRST, "b", "c"):
            made.begin(name)
        yield made
    finally:
        made.close()


class Trouble:
    """What happens to the process of a shard, its supervisor or its node."""

    def __init__(
        self, cluster: Cluster, stores: Sequence[ShardStore], drawn: random.Random
    ) -> None:
        self.cluster = cluster
        self.stores = stores
        self.drawn = drawn
        self.took_s: dict[str, list[float]] = {}

    def all_run(self) -> bool:
        """Whether each shard has an owner that lives: a lease outlasts who was killed."""
        owners = [process_of(each) for each in self.stores]
        return self.cluster.all_there() and all(pid is not None and lives(pid) for pid in owners)

    def wait_until_calm(self) -> None:
        wait_until(self.all_run, timeout_s=CALM_WITHIN_S, otherwise=self.cluster.all_logs)

    def victim(self, *, but: str = "") -> tuple[ShardStore, int]:
        """A shard, and its process, which is not on that node."""
        found = [(each, process_of(each) or 0) for each in self.stores]
        return self.drawn.choice([each for each in found if self.cluster.node_of(each[1]) != but])

    def back(self, store: ShardStore, act: Callable[[], None]) -> None:
        """Do it, and note how long it takes until another process has the shard and meters."""
        before, began_s = store.epoch(), time.monotonic()
        act()
        self.note(store.is_back(before, otherwise=self.cluster.all_logs) - began_s)

    def note(self, took_s: float) -> None:
        """How long it took."""
        self.took_s.setdefault(self._trouble, []).append(round(took_s, 1))

    def __call__(self, trouble: Callable[[Trouble], None]) -> None:
        self._trouble = trouble.__name__
        self.wait_until_calm()
        trouble(self)


def kill_a_process(trouble: Trouble) -> None:
    store, process = trouble.victim()
    trouble.back(store, lambda: os.kill(process, signal.SIGKILL))


def kill_a_supervisor(trouble: Trouble) -> None:
    store, process = trouble.victim()
    trouble.back(store, lambda: os.kill(parent(process), signal.SIGKILL))


def kill_a_raylet(trouble: Trouble) -> None:
    store, process = trouble.victim()
    raylet = parent(parent(process))
    trouble.back(store, lambda: os.kill(raylet, signal.SIGKILL))


def freeze_a_process(trouble: Trouble) -> None:
    """Its supervisor lives, and the keeper ends both."""
    store, process = trouble.victim()
    trouble.back(store, lambda: os.kill(process, signal.SIGSTOP))


def freeze_a_node(trouble: Trouble) -> None:
    """All of its processes, until others have its shards: then they wake up, and write nothing."""
    store, process = trouble.victim(but=FIRST)
    node = trouble.cluster.nodes[trouble.cluster.node_of(process)]
    frozen = tree(node.pid)

    def freeze() -> None:
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)

    trouble.back(store, freeze)
    for pid in frozen:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue


def kill_the_head(trouble: Trouble) -> None:
    """All shards go on, with the same processes; then another head is there."""
    store, process = trouble.victim()
    (head,) = processes_named(tree(trouble.cluster.nodes[FIRST].pid), "gcs_server")
    os.kill(head, signal.SIGKILL)
    newest = store.newest()
    wait_until(lambda: store.has_more(newest + 5), timeout_s=20)
    assert process_of(store) == process
    trouble.wait_until_calm()


def lose_the_machine_of_the_head(trouble: Trouble) -> None:
    """Shards elsewhere go on; those that were there are back with it."""
    store, process = trouble.victim(but=FIRST)
    trouble.cluster.nodes[FIRST].kill()
    newest = store.newest()
    wait_until(lambda: store.has_more(newest + 10), timeout_s=30)
    assert process_of(store) == process
    trouble.cluster.begin(FIRST)
    trouble.wait_until_calm()


def take_a_node_away(trouble: Trouble) -> None:
    """In order: its shards go on elsewhere; then it comes back."""
    store, process = trouble.victim(but=FIRST)
    name = trouble.cluster.node_of(process)
    node = trouble.cluster.nodes.pop(name)
    trouble.back(store, lambda: node.tell(signal.SIGTERM))
    assert node.join(CALM_WITHIN_S) == 0, node.log
    trouble.cluster.begin(name)


def another_machine_becomes_the_head(trouble: Trouble) -> None:
    """The machine of the head is lost for good, and a node is told to be the head; the third one
    goes on meanwhile, and follows it; then the first one joins."""
    cluster = trouble.cluster
    cluster.nodes.pop(FIRST).kill()
    cluster.nodes["b"].tell(signal.SIGTERM)
    assert cluster.nodes["b"].join(CALM_WITHIN_S) == 0, cluster.nodes["b"].log
    told_s = time.monotonic()
    cluster.become_head("b")
    trouble.wait_until_calm()
    trouble.note(time.monotonic() - told_s)
    assert f"the head is at {cluster.head} now" in cluster.nodes["c"].log
    cluster.begin(FIRST)
    trouble.wait_until_calm()


def a_head_that_lives_is_replaced(trouble: Trouble) -> None:
    """A node is told to be the head while the former one goes on: that one ends, and with it what
    it ran; the third one follows, and the former head joins when it is told to."""
    cluster = trouble.cluster
    former = cluster.head_name
    cluster.nodes["c"].tell(signal.SIGTERM)
    assert cluster.nodes["c"].join(CALM_WITHIN_S) == 0, cluster.nodes["c"].log
    replaced = cluster.nodes.pop(former)
    told_s = time.monotonic()
    cluster.become_head("c")
    assert replaced.join(CALM_WITHIN_S) == 2, replaced.log
    trouble.wait_until_calm()
    trouble.note(time.monotonic() - told_s)
    assert f"the head is at {cluster.head} now" in cluster.nodes[FIRST].log
    cluster.begin(former)
    trouble.wait_until_calm()


def restart_the_head_in_order(trouble: Trouble) -> None:
    """As before a reboot of its machine: shards elsewhere go on, and all run when it is back."""
    cluster = trouble.cluster
    store, process = trouble.victim(but=cluster.head_name)
    node = cluster.nodes.pop(cluster.head_name)
    node.tell(signal.SIGTERM)
    assert node.join(CALM_WITHIN_S) == 0, node.log
    newest = store.newest()
    wait_until(lambda: store.has_more(newest + 5), timeout_s=30, otherwise=cluster.all_logs)
    assert process_of(store) == process
    told_s = time.monotonic()
    cluster.begin(cluster.head_name)
    trouble.wait_until_calm()
    trouble.note(time.monotonic() - told_s)


TROUBLES = (
    kill_a_process,
    kill_a_supervisor,
    kill_a_raylet,
    freeze_a_process,
    freeze_a_node,
    kill_the_head,
    lose_the_machine_of_the_head,
    take_a_node_away,
)
AT_THE_END = (
    another_machine_becomes_the_head,
    *((a_head_that_lives_is_replaced, restart_the_head_in_order) if ROUNDS > ROUNDS_IN_CI else ()),
)
"""Once; the last two, which take 3 minutes, in `make soak` alone."""


def test_killed_frozen_and_taken_apart(
    start: Start,
    settings: dict[str, str],
    cluster: Cluster,
    lasting_vtn: EmbeddedVtn,
    faulty: FaultyVtn,
    stores: Sequence[ShardStore],
) -> None:
    """Given three nodes with three shards; when processes, nodes and the head are killed, frozen or
    taken away; then others go on, and each tick that a store accepted arrives exactly once."""
    drawn = random.Random(5)
    trouble = Trouble(cluster, stores, drawn)
    trouble.wait_until_calm()
    for store in stores:
        store.begin()
    for _ in range(ROUNDS):
        for each in TROUBLES:
            faulty.share = drawn.choice([0.0, 0.3, 0.6])
            trouble(each)
            faulty.catch_up()
    for each in AT_THE_END:
        trouble(each)

    faulty.share = 0.0
    faulty.catch_up(all_of_it=True)
    stopped = cluster.command(cluster.head_name, "cluster", "stop")
    assert stopped.join(120) == 0, stopped.log
    assert "The cluster is stopped." in stopped.output
    assert cluster.nodes[cluster.head_name].join() == 0
    retry = start("rejected", "retry", "--all", **settings)
    assert retry.join() == 0, retry.log
    still = {**settings, "TASKS__SIMULATE_METERDATA__ENABLED": "false"}
    last = [start("run", **still, FLEET__SHARD=str(number)) for number in range(SHARDS)]
    for store, application in zip(stores, last, strict=True):
        calm_down(store, application)

    found = readings_at(lasting_vtn)
    assert set(found.values()) == {1}
    vens = [len(sample_vens(number, of=SHARDS, vens=VENS)) for number in range(SHARDS)]
    assert all(vens)
    assert len(found) == sum(
        store.ticks() * RESOURCES * count for store, count in zip(stores, vens, strict=True)
    )
    print(trouble.took_s)
