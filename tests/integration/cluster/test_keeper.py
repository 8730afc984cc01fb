"""The keeper: a supervisor for each shard, on a node that lives, whose process has the lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from app.cluster.engine import ClusterRecord, EngineError, Keeper, Node
from app.cluster.engine.model import gateway_name, keeper_names, shard_name
from app.cluster.engine.record import ShardSeen
from app.platform import DatabaseError, LogOnce
from tests.support.fake_engine import FakeEngine, FakeOwners, node
from tests.support.fakes import FakeClock

SHARDS = 4
A, B = node("a"), node("b")


class Kept:
    """A keeper over a clock that the test moves; `after`: it takes over from that one."""

    def __init__(
        self,
        record: ClusterRecord,
        *nodes: Node,
        shards: int = SHARDS,
        after: Kept | None = None,
        process: str = "keeper:1",
    ) -> None:
        self.clock: FakeClock = FakeClock() if after is None else after.clock
        self.engine: FakeEngine = FakeEngine(*nodes) if after is None else after.engine
        self.owners: FakeOwners = (
            FakeOwners(self.engine, shards=shards) if after is None else after.owners
        )
        self.record = record
        self.shards = shards
        self.is_leader = True
        self.keeper = Keeper(
            shards=shards,
            engine=self.engine,
            read_owners=self.owners,
            record=record,
            is_leader=lambda: self.is_leader,
            log_once=LogOnce(),
            process=process,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )

    def rounds(self, seconds: float = 1.0) -> None:
        """Two a second."""
        for _ in range(int(seconds * 2)):
            self.clock.advance(seconds=0.5)
            self.keeper()

    def shards_seen(self) -> Sequence[ShardSeen]:
        """As the page and the commands read it."""
        seen = self.record.seen()
        assert seen is not None
        return seen.shards

    def places(self) -> Counter[str]:
        """How many shards each node has."""
        return Counter(self.engine.node_of(number) for number in range(self.shards))


@pytest.fixture
def kept(record: ClusterRecord) -> Kept:
    """All shards run on two nodes."""
    made = Kept(record, A, B)
    made.rounds(2)
    return made


def test_shards_are_spread_and_each_node_has_a_gateway(kept: Kept) -> None:
    assert kept.places() == {"a": 2, "b": 2}
    assert {gateway_name(A.id), gateway_name(B.id)} <= set(kept.engine.placed)


def test_no_more_shards_than_cores(record: ClusterRecord, caplog: pytest.LogCaptureFixture) -> None:
    """Given one node with two cores, and four shards; then two wait, and the log says why."""
    kept = Kept(record, node("small", cpus=2))

    kept.rounds(2)

    assert sum(name.startswith("shard-") for name in kept.engine.placed) == 2
    assert "there is no room for shard 2: 1 nodes have 2 CPUs for 4 shards" in caplog.text


def test_a_process_that_stands_still_is_ended_and_another_begins_elsewhere(kept: Kept) -> None:
    """Given a process whose lease is over, though its supervisor answers; when three seconds have
    passed; then it is begun on the other node."""
    before = kept.engine.placed[shard_name(0)]
    was_on = kept.engine.node_of(0)
    kept.owners.frozen.add(before.process)

    kept.rounds(2.5)
    assert kept.engine.placed[shard_name(0)] == before
    kept.rounds(2)

    assert kept.engine.node_of(0) != was_on
    assert kept.owners()[0] is not None


def test_a_process_that_begins_has_time_for_its_store(kept: Kept) -> None:
    """Given a process that has not taken its lease yet; then it is left alone for minutes."""
    kept.engine.kill(shard_name(0))
    kept.engine.begin(shard_name(0), A.id)
    begun = kept.engine.placed[shard_name(0)]
    kept.owners.frozen.add(begun.process)

    kept.rounds(200)
    assert kept.engine.placed[shard_name(0)] == begun
    kept.rounds(150)

    assert kept.engine.placed[shard_name(0)] != begun


def test_owners_that_come_back_with_the_database_are_left_alone(kept: Kept) -> None:
    """Given a database that was away for long; when it is back, and leases are renewed a second
    later; then no process is ended."""
    before = dict(kept.engine.placed)
    kept.owners.is_away = True
    for _ in range(60):
        kept.clock.advance(seconds=0.5)
        with pytest.raises(DatabaseError):
            kept.keeper()
    kept.owners.is_away = False
    kept.owners.frozen.update(said.process for said in before.values())
    kept.rounds(1)
    kept.owners.frozen.clear()

    kept.rounds(10)

    assert kept.engine.placed == before


def test_a_supervisor_that_does_not_answer_is_left_while_its_process_has_the_lease(
    kept: Kept,
) -> None:
    """Given a node whose engine stands still while its processes run."""
    before = dict(kept.engine.placed)
    kept.engine.silent.add(shard_name(0))

    kept.rounds(60)

    assert kept.engine.placed == before


def test_a_supervisor_that_does_not_answer_goes_with_its_lease(kept: Kept) -> None:
    before = kept.engine.placed[shard_name(0)]
    kept.engine.silent.add(shard_name(0))
    kept.owners.frozen.add(before.process)

    kept.rounds(12)

    assert kept.engine.placed[shard_name(0)].node_id != before.node_id


def test_three_ends_within_a_minute_move_it(kept: Kept) -> None:
    was_on = kept.engine.placed[shard_name(0)].node_id
    for _ in range(3):
        kept.engine.begin(shard_name(0), was_on)
        kept.rounds(5)

    kept.rounds(2)

    assert kept.engine.placed[shard_name(0)].node_id != was_on


def test_the_end_on_a_lost_node_does_not_count_on_the_next(kept: Kept) -> None:
    """Given a shard that came from a node that was lost; when its process ends twice on the next
    one within a minute; then it stays there."""
    b_has = next(number for number in range(SHARDS) if kept.engine.node_of(number) == "b")
    kept.engine.lose(B)
    kept.rounds(2)
    kept.engine.living.append(B)
    for _ in range(2):
        kept.engine.begin(shard_name(b_has), A.id)
        kept.rounds(5)

    assert kept.engine.node_of(b_has) == "a"


def test_three_ends_in_an_hour_do_not_move_it(kept: Kept) -> None:
    was_on = kept.engine.placed[shard_name(0)].node_id
    for _ in range(3):
        kept.engine.begin(shard_name(0), was_on)
        kept.rounds(60)

    assert kept.engine.placed[shard_name(0)].node_id == was_on


def test_on_one_node_it_begins_where_it_was(record: ClusterRecord) -> None:
    """Given no other node; when its process stands still; then it begins on the same one."""
    kept = Kept(record, A)
    kept.rounds(2)
    kept.owners.frozen.add(kept.engine.placed[shard_name(0)].process)

    kept.rounds(6)

    assert kept.owners()[0] is not None


def test_a_node_that_leaves_gives_its_shards_up_in_order(kept: Kept) -> None:
    kept.record.leave("b")

    kept.rounds(4)

    assert kept.places() == {"a": 4}
    assert gateway_name(B.id) not in kept.engine.placed


def test_a_keeper_on_a_node_that_leaves_goes_when_another_can_go_on(kept: Kept) -> None:
    """Given both keepers on the node that leaves; then the other one begins elsewhere, and only
    after that the one goes that looks after the shards."""
    own, other = keeper_names()
    process = kept.engine.placed[own].process  # on the same node, as the other one
    leader = Kept(kept.record, after=kept, process=process)
    kept.record.leave("b")

    leader.rounds(0.5)
    assert other not in kept.engine.placed
    leader.rounds(0.5)
    assert kept.engine.placed[other].node_id == A.id
    assert kept.engine.placed[own].process == process
    leader.rounds(0.5)
    assert own not in kept.engine.placed

    kept.rounds(2)  # of the next one
    seen = kept.record.seen()
    assert seen is not None
    assert [node.has_keeper for node in seen.nodes] == [True, False]


def test_keepers_leave_each_node_that_leaves(kept: Kept) -> None:
    """Given keepers that have left one node; when the other one leaves; then they go back."""
    for leaves, stays in ((B, A), (A, B)):
        kept.record.leave(leaves.name)
        kept.rounds(3)
        kept.record.left(leaves.name)
        assert {kept.engine.placed[each].node_id for each in keeper_names()} == {stays.id}


def test_a_node_that_joins_takes_over_what_others_have_more(kept: Kept) -> None:
    """Given two nodes with two shards each, and one of them was away; when it is back for half a
    minute; then each has two again."""
    kept.engine.lose(B)
    kept.rounds(5)
    assert kept.places() == {"a": 4}
    kept.engine.living.append(B)

    kept.rounds(20)
    assert kept.places() == {"a": 4}
    kept.rounds(80)

    assert kept.places() == {"a": 2, "b": 2}


def test_a_node_of_somebody_else_gets_nothing(record: ClusterRecord) -> None:
    kept = Kept(record, A, node("other", is_ours=False))

    kept.rounds(3)

    assert kept.places() == {"a": 4}
    seen = record.seen()
    assert seen is not None
    assert [(each.name, each.is_ours) for each in seen.nodes] == [("a", True), ("other", False)]


def test_all_is_stopped_when_that_is_wanted(kept: Kept) -> None:
    """Given a supervisor that does not answer; then it is ended when the others have had time."""
    kept.engine.silent.add(shard_name(1))
    kept.record.stop()

    kept.rounds(1)
    assert kept.engine.placed.keys() - keeper_names() == {shard_name(1)}
    kept.rounds(16)

    assert kept.engine.placed.keys() == set(keeper_names())
    seen = kept.record.seen()
    assert seen is not None
    assert [each.node for each in seen.shards] == [None] * SHARDS
    assert seen.supervisors == 0


def test_the_next_keeper_goes_on_counting_restarts(kept: Kept) -> None:
    kept.engine.begin(shard_name(0), A.id)
    kept.rounds(1)
    after = Kept(kept.record, after=kept)

    after.keeper()

    assert [each.restarts for each in after.shards_seen()] == [1, 0, 0, 0]


def test_restarts_are_never_fewer_than_before(kept: Kept) -> None:
    """Given a shard that was begun again; when the next keeper looks, and that shard is silent."""
    kept.engine.begin(shard_name(0), A.id)
    kept.rounds(1)
    kept.engine.silent.add(shard_name(0))
    after = Kept(kept.record, after=kept)

    after.keeper()
    assert [each.restarts for each in after.shards_seen()] == [1, 0, 0, 0]

    kept.engine.silent.clear()
    after.rounds(1)
    assert [each.restarts for each in after.shards_seen()] == [1, 0, 0, 0]


@pytest.mark.parametrize("name", [shard_name(0), gateway_name(A.id), keeper_names()[1]])
def test_a_supervisor_that_never_begins_is_begun_anew(kept: Kept, name: str) -> None:
    """Given one that Ray knows, whose keeper ended when it had just asked for it."""
    kept.engine.kill(name)
    kept.engine.stillborn.add(name)

    kept.rounds(15)
    assert name not in kept.engine.placed
    kept.rounds(15)

    assert name in kept.engine.placed


def test_a_gateway_that_does_not_answer_begins_anew(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    before = kept.engine.placed[name := gateway_name(A.id)]
    kept.engine.silent.add(name)

    kept.rounds(25)

    assert kept.engine.placed[name] != before
    assert f"{name} does not answer, and begins anew" in caplog.text


def test_the_next_keeper_knows_who_had_the_lease(kept: Kept) -> None:
    """Given a process that stands still while the keepers change; then the next one ends it as soon
    as the first one would have."""
    before = kept.engine.placed[shard_name(0)]
    kept.owners.frozen.add(before.process)
    after = Kept(kept.record, after=kept)

    after.rounds(5)

    assert kept.engine.placed[shard_name(0)] != before


def test_who_does_not_decide_any_more_does_nothing(kept: Kept) -> None:
    kept.owners.frozen.add(kept.engine.placed[shard_name(0)].process)
    before = dict(kept.engine.placed)
    kept.is_leader = False

    kept.rounds(20)

    assert kept.engine.placed == before


def test_a_keeper_that_has_ended_for_good_is_begun_again(kept: Kept) -> None:
    kept.engine.kill("keeper-1")

    kept.rounds(1)

    assert {"keeper-0", "keeper-1"} <= set(kept.engine.placed)


def test_machines_of_different_size_come_to_rest(record: ClusterRecord) -> None:
    """Given two large machines and a small one; then each has its share, and keeps it."""
    kept = Kept(record, node("a", cpus=16), node("b", cpus=16), node("small", cpus=2), shards=5)
    kept.rounds(200)
    before = dict(kept.engine.placed)

    kept.rounds(200)

    assert kept.engine.placed == before
    assert max(kept.places().values()) - min(kept.places().values()) <= 1


def test_a_shard_that_has_gone_has_its_own_place_again(record: ClusterRecord) -> None:
    """Given a node that is full; when a supervisor there ends for good; then it has room again."""
    kept = Kept(record, node("full", cpus=2), shards=2)
    kept.rounds(2)
    kept.engine.kill(shard_name(0))

    kept.rounds(2)

    assert shard_name(0) in kept.engine.placed


def test_nothing_is_done_while_the_engine_does_not_answer(kept: Kept) -> None:
    kept.engine.is_away = True

    with pytest.raises(EngineError):
        kept.rounds(1)

    kept.engine.is_away = False
    kept.rounds(2)
    assert kept.places() == {"a": 2, "b": 2}
