"""The nodes of the cluster that runs the shards, as its keeper saw them last."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from app.ops import NodeRow
from app.platform import DatabaseError, LogOnce

logger = logging.getLogger(__name__)


class SeenNode(Protocol):
    """A node of Ray."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def cpus(self) -> int: ...

    @property
    def is_ours(self) -> bool: ...

    @property
    def has_gateway(self) -> bool: ...


class SeenShard(Protocol):
    """A shard, and the node that it is on."""

    @property
    def number(self) -> int: ...

    @property
    def node(self) -> str | None: ...

    @property
    def restarts(self) -> int: ...


class SeenCluster(Protocol):
    """All of them."""

    @property
    def nodes(self) -> Sequence[SeenNode]: ...

    @property
    def shards(self) -> Sequence[SeenShard]: ...

    @property
    def at(self) -> datetime: ...

    def is_of_now(self, now: datetime) -> bool:
        """Whether its keeper still looks."""


class Nodes:
    """Reads it in the fleet's database. Safe for several threads."""

    def __init__(
        self,
        seen: Callable[[], SeenCluster | None],
        *,
        clock: Callable[[], datetime],
        log_once: LogOnce,
    ) -> None:
        self._seen = seen
        self._clock = clock
        self._log_once = log_once

    def __call__(self) -> Sequence[NodeRow]:
        """A row for each node; none where no engine runs the shards, or that is not known."""
        found = self.seen()
        if found is None or not found.is_of_now(self._clock()):
            return ()
        return [_row(node, found.shards) for node in found.nodes]

    def seen(self) -> SeenCluster | None:
        """All of it, however long ago; None: no engine runs the shards, or that is not known."""
        problem, found = None, None
        try:
            found = self._seen()
        except DatabaseError as error:
            problem = f"the nodes of the cluster are not known: {error}"
        if found is not None and not found.is_of_now(self._clock()):
            problem = f"the keeper of the cluster has not looked since {found.at:%H:%M:%S} UTC"
        self._log_once.problem(logger, "nodes", problem)
        return found


def _row(node: SeenNode, shards: Sequence[SeenShard]) -> NodeRow:
    here = [shard for shard in shards if shard.node == node.name]
    return NodeRow(
        name=node.name,
        address=node.address,
        cpus=node.cpus,
        shards=[shard.number for shard in here],
        restarts=sum(shard.restarts for shard in here),
        has_gateway=node.has_gateway,
        is_member=node.is_ours,
    )
