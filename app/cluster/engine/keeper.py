"""Keeps a supervisor running for each shard, and one for the gateway of each node."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta

from app.cluster.engine.model import (
    Engine,
    Node,
    Said,
    gateway_name,
    is_gateway,
    is_keeper,
    keeper_names,
    shard_name,
    shard_number,
)
from app.cluster.engine.record import ClusterRecord, NodeSeen, Seen, ShardSeen
from app.cluster.engine.watched import BEGINS_WITHIN_S, MAX_ENDS, WatchedShard
from app.platform import DatabaseError, LogOnce, ReadsOwners, ShardOwner

logger = logging.getLogger(__name__)
STOPS_WITHIN_S = 15.0
SHOWN_EVERY = timedelta(seconds=5)
REBALANCES_AFTER_S = 30.0
"""A node that has just joined may leave again."""
Supervisors = Mapping[str, Said | None]


class Keeper:
    """Looks at leases, nodes and supervisors and does what is missing, each time that it is called.

    Leases are the truth: a supervisor may live, and its process stand still. Shards would survive
    two keepers at once, which would end and begin more processes than they need.

    `process`: host and process id of this one.
    """

    def __init__(
        self,
        *,
        shards: int,
        engine: Engine,
        read_owners: ReadsOwners,
        record: ClusterRecord,
        is_leader: Callable[[], bool],
        log_once: LogOnce,
        process: str,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._process = process
        self._read_owners = read_owners
        self._record = record
        self._is_leader = is_leader
        self._log_once = log_once
        self._clock = clock
        self._monotonic = monotonic
        began_s = monotonic()
        self._shards = [WatchedShard(number=number, began_s=began_s) for number in range(shards)]
        self._uneven_since_s: float | None = None
        self._stopped_since_s: float | None = None
        self._stopped: set[str] = set()
        """Gateways and keepers that were told to stop."""
        self._shown: Seen | None = None
        self._goes_on = False
        """Whether it knows where another keeper ended."""
        self._silent_since_s: dict[str, float] = {}
        """Of supervisors that do not answer, by name."""

    def __call__(self) -> None:
        """One round. EngineError, DatabaseError, OSError: what there is, is not known."""
        now_s = self._monotonic()
        try:
            desired, owners = self._record.desired(), self._read_owners()
        except (DatabaseError, OSError):
            for shard in self._shards:
                shard.unowned_since_s = None
            raise
        if not self._goes_on:
            self._go_on_counting(self._record.seen())
        nodes, found = self._engine.nodes(), self._engine.supervisors()
        if not self._is_leader():  # any more, since this process may have stood still
            return
        supervisors = {name: said for name, said in found.items() if not is_keeper(name)}
        keepers = [said for name, said in found.items() if is_keeper(name)]
        self._look(supervisors, owners, now_s)
        self._listen(found, now_s)
        self._stopped &= found.keys()
        usable = [node for node in nodes if node.is_ours and node.name not in desired.leaving]
        if desired.is_stopped:
            self._stop_all(supervisors, now_s)
        else:
            self._stopped_since_s = None
            for shard in self._shards:
                self._keep(shard, supervisors, usable, now_s)
            self._rebalance(usable, now_s)
            self._kill_silent(now_s)
            self._keep_gateways(supervisors, nodes, usable)
            self._keep_keepers(found, usable)
        self._show(supervisors, nodes, {said.node_id for said in keepers if said})

    def _go_on_counting(self, seen: Seen | None) -> None:
        """Where another keeper ended."""
        for before in () if seen is None else seen.shards:
            shard = self._shards[before.number]
            shard.restarts, shard.owned_by = before.restarts, before.owned_by
        self._goes_on = True

    def _look(
        self, supervisors: Supervisors, owners: Sequence[ShardOwner | None], now_s: float
    ) -> None:
        for shard, owner in zip(self._shards, owners, strict=True):
            shard.look(supervisors.get(shard_name(shard.number)), owner, now_s)

    def _listen(self, supervisors: Supervisors, now_s: float) -> None:
        """Since when which of them has not answered."""
        self._silent_since_s = {
            name: self._silent_since_s.get(name, now_s)
            for name, said in supervisors.items()
            if said is None
        }

    def _kill_silent(self, now_s: float) -> None:
        """Gateways and keepers; they begin anew in the next round. Of shards the lease decides."""
        for name, since_s in self._silent_since_s.items():
            if shard_number(name) is None and now_s - since_s > BEGINS_WITHIN_S:
                logger.warning("%s does not answer, and begins anew", name)
                self._engine.kill(name)

    def _keep(
        self, shard: WatchedShard, supervisors: Supervisors, usable: Sequence[Node], now_s: float
    ) -> None:
        name = shard_name(shard.number)
        if name not in supervisors:
            self._start(shard, usable, now_s)
        elif shard.stopping_since_s is not None:
            if now_s - shard.stopping_since_s > STOPS_WITHIN_S:
                self._kill(shard, "it does not stop", now_s)
        elif supervisors[name] is not None and all(node.id != shard.node_id for node in usable):
            self._stop(shard, "its node leaves", now_s)
        elif (reason := shard.why_not_well(now_s)) is not None:
            self._kill(shard, reason, now_s)
        elif shard.ends_too_often(now_s) and len(usable) > 1:
            self._kill(shard, f"its process ended {MAX_ENDS} times within a minute", now_s)

    def _start(self, shard: WatchedShard, usable: Sequence[Node], now_s: float) -> None:
        node = self._choose(shard, usable)
        problem = None
        if node is None and usable:
            cpus = sum(node.cpus for node in usable)
            problem = (
                f"there is no room for shard {shard.number}: {len(usable)} nodes have {cpus} CPUs"
                f" for {len(self._shards)} shards"
            )
        self._log_once.problem(logger, f"room for shard {shard.number}", problem)
        if node is not None:
            self._engine.start(shard_name(shard.number), node_id=node.id, only_there=False)
            logger.info("shard %d begins on %s", shard.number, node.name)
            shard.started(node.id, now_s)

    def _choose(self, shard: WatchedShard, usable: Iterable[Node]) -> Node | None:
        """The node with the fewest shards, of these the one with the most cores; another one than
        before where there is one."""
        taken = self._taken(but=shard)
        free = [node for node in usable if node.cpus > taken[node.id]]
        others = [node for node in free if node.id != shard.avoided_node]
        return min(others or free, key=lambda node: (taken[node.id], -node.cpus), default=None)

    def _taken(self, *, but: WatchedShard | None = None) -> Counter[str]:
        """How many shards each node has, without that one."""
        others = [shard for shard in self._shards if shard is not but]
        return Counter(shard.node_id for shard in others if shard.node_id is not None)

    def _kill(self, shard: WatchedShard, why: str, now_s: float) -> None:
        logger.warning("shard %d is taken from %s: %s", shard.number, shard.host, why)
        self._engine.kill(shard_name(shard.number))
        shard.taken_away(now_s)

    def _stop(self, shard: WatchedShard, why: str, now_s: float) -> None:
        logger.info("shard %d leaves %s: %s", shard.number, shard.host, why)
        self._engine.stop(shard_name(shard.number))
        shard.stopping(now_s)

    def _rebalance(self, usable: Sequence[Node], now_s: float) -> None:
        """A node that joins takes over shards of those that have more, one after the other."""
        taken = self._taken()
        free = [node for node in usable if node.cpus > taken[node.id]]
        fullest = max(usable, key=lambda node: taken[node.id], default=None)
        emptiest = min(free, key=lambda node: taken[node.id], default=None)
        is_uneven = (
            fullest is not None
            and emptiest is not None
            and taken[fullest.id] - taken[emptiest.id] > 1
            and all(shard.is_well for shard in self._shards)
        )
        if fullest is None or emptiest is None or not is_uneven:
            self._uneven_since_s = None
        elif self._uneven_since_s is None:
            self._uneven_since_s = now_s
        elif now_s - self._uneven_since_s >= REBALANCES_AFTER_S:
            moves = next(shard for shard in self._shards if shard.node_id == fullest.id)
            self._stop(moves, f"{emptiest.name} has more room", now_s)
            self._uneven_since_s = None

    def _keep_keepers(self, supervisors: Supervisors, usable: Sequence[Node]) -> None:
        """Also of the other one, which may have ended for good. Those on a node that leaves are
        stopped, this one as soon as another can go on."""
        ids = {node.id for node in usable}
        keepers = {name: supervisors.get(name) for name in keeper_names()}
        here = {name for name, said in keepers.items() if said and said.node_id in ids}
        for name, said in keepers.items():
            if not usable:
                return
            if name not in supervisors:
                self._engine.start(name, node_id=usable[-1].id, only_there=False)
            elif said and name not in here and (here or said.process != self._process):
                self._stop_once(name)

    def _keep_gateways(
        self, supervisors: Supervisors, nodes: Iterable[Node], usable: Iterable[Node]
    ) -> None:
        wanted = {gateway_name(node.id): node for node in usable}
        living = {gateway_name(node.id) for node in nodes}
        for name in filter(is_gateway, supervisors):
            if name in wanted:
                continue
            if name in living:
                self._stop_once(name)
            else:
                self._engine.kill(name)
        for name, node in wanted.items():
            if name not in supervisors:
                self._engine.start(name, node_id=node.id, only_there=True)
                logger.info("the gateway begins on %s", node.name)

    def _stop_once(self, name: str) -> None:
        if name not in self._stopped:
            self._engine.stop(name)
            self._stopped.add(name)

    def _stop_all(self, supervisors: Supervisors, now_s: float) -> None:
        if self._stopped_since_s is None:
            self._stopped_since_s = now_s
            logger.info("all shards are stopped, as was asked for")
            for name in supervisors:
                self._engine.stop(name)
        elif now_s - self._stopped_since_s > STOPS_WITHIN_S:
            for name in supervisors:
                self._engine.kill(name)

    def _show(self, supervisors: Supervisors, nodes: Sequence[Node], with_keeper: Set[str]) -> None:
        """`with_keeper`: the ids of the nodes that have one."""
        names = {node.id: node.name for node in nodes}
        seen = Seen(
            keeper=self._process,
            nodes=[
                NodeSeen(
                    name=node.name,
                    address=node.address,
                    cpus=node.cpus,
                    is_ours=node.is_ours,
                    has_gateway=supervisors.get(gateway_name(node.id)) is not None,
                    has_keeper=node.id in with_keeper,
                )
                for node in sorted(nodes, key=lambda node: node.name)
            ],
            shards=[self._seen(shard, supervisors, names) for shard in self._shards],
            supervisors=len(supervisors),
            at=self._clock(),
        )
        if (
            self._shown is None
            or seen.at - self._shown.at > SHOWN_EVERY
            or (seen != self._shown._replace(at=seen.at))
        ):
            self._record.show(seen)
            self._shown = seen

    def _seen(
        self, shard: WatchedShard, supervisors: Supervisors, names: Mapping[str, str]
    ) -> ShardSeen:
        said = shard.said if shard_name(shard.number) in supervisors else None
        return ShardSeen(
            number=shard.number,
            node=None if said is None else names.get(said.node_id),
            restarts=shard.restarts,
            owned_by=shard.owned_by,
        )
