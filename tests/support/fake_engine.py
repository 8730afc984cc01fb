"""An engine that keeps what it is told in memory, and leases that its processes take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.cluster.engine import EngineError, Node, Said
from app.cluster.engine.model import shard_name, shard_number
from app.platform import DatabaseError, ShardOwner


def node(name: str, *, cpus: int = 4, is_ours: bool = True) -> Node:
    return Node(id=f"id of {name}", name=name, address="192.0.2.1", cpus=cpus, is_ours=is_ours)


class FakeEngine:
    """Begins at once what it is told to begin; a node that has gone takes its supervisors along,
    and those that may be elsewhere begin on another one, as with Ray."""

    def __init__(self, *nodes: Node) -> None:
        self.living = list(nodes)
        self.placed: dict[str, Said] = {}
        self.silent: set[str] = set()
        """Those that do not answer."""
        self.stillborn: set[str] = set()
        """Those that are known from their start on, and never begin, until they are killed."""
        self.is_away = False
        self._pending: set[str] = set()
        self._bound: set[str] = set()
        """To their nodes."""
        self._begun = 0

    def nodes(self) -> Sequence[Node]:
        self._answer()
        return list(self.living)

    def supervisors(self) -> Mapping[str, Said | None]:
        self._answer()
        said = {name: None if name in self.silent else said for name, said in self.placed.items()}
        return {**said, **dict.fromkeys(self._pending)}

    def start(self, name: str, *, node_id: str, only_there: bool) -> None:
        self._answer()
        if name in self.placed or name in self._pending:
            return
        if name in self.stillborn:
            self._pending.add(name)
            return
        if only_there:
            self._bound.add(name)
        (chosen,) = [each for each in self.living if each.id == node_id]
        if shard_number(name) is not None:
            here = [
                each
                for each, said in self.placed.items()
                if said.node_id == node_id and shard_number(each) is not None
            ]
            assert len(here) < chosen.cpus, "it would wait for a core"
        self.begin(name, node_id)

    def stop(self, name: str) -> None:
        self._answer()
        if name not in self.silent:
            self.placed.pop(name, None)

    def kill(self, name: str) -> None:
        self._answer()
        self.placed.pop(name, None)
        for names in (self.silent, self.stillborn, self._pending):
            names.discard(name)

    def begin(self, name: str, node_id: str) -> None:
        """As when its process ended, and it begins again."""
        self._begun += 1
        host = next(node.name for node in self.living if node.id == node_id)
        self.placed[name] = Said(node_id, f"{host}:{self._begun}", f"beginning {self._begun}")

    def lose(self, lost: Node) -> None:
        """A node ends."""
        self.living.remove(lost)
        for name, said in list(self.placed.items()):
            if said.node_id == lost.id:
                del self.placed[name]
                if name not in self._bound:
                    self.begin(name, self.living[0].id)

    def node_of(self, number: int) -> str:
        """The name of the node of a shard."""
        node_id = self.placed[shard_name(number)].node_id
        return next(node.name for node in self.living if node.id == node_id)

    def _answer(self) -> None:
        if self.is_away:
            raise EngineError("it does not answer")


class FakeOwners:
    """The leases of shards: of the process that each has, but for those that are `frozen`."""

    def __init__(self, engine: FakeEngine, *, shards: int) -> None:
        self._engine = engine
        self._shards = shards
        self.frozen: set[str] = set()
        """Processes that do not renew their lease, or did not take it yet."""
        self.is_away = False

    def __call__(self) -> Sequence[ShardOwner | None]:
        if self.is_away:
            raise DatabaseError("the database does not answer")
        return [self._owner(number) for number in range(self._shards)]

    def _owner(self, number: int) -> ShardOwner | None:
        said = self._engine.placed.get(shard_name(number))
        if said is None or said.process in self.frozen:
            return None
        return ShardOwner(holder=said.process, epoch=1, address=None)

    def close(self) -> None:
        """Nothing is open."""
