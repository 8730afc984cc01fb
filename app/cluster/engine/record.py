"""What is wanted of a cluster, and what its keeper sees, in the fleet's database.

Commands and the page read it there, so that none of them has to join the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import delete, insert, update

from app.platform import Registry, shard_tables

HOLDS = timedelta(seconds=30)
"""Clocks of machines may differ."""
cluster, leaving = shard_tables.cluster_table, shard_tables.leaving_table


class Desired(NamedTuple):
    """What the keeper is to bring about."""

    is_stopped: bool
    leaving: frozenset[str]
    """The names of nodes that are about to leave."""


class Common(NamedTuple):
    """What all nodes have in common."""

    version: str
    settings: Mapping[str, str]
    """By name, what tells whether it is the same (`digests`)."""


class Begun(NamedTuple):
    """A cluster that has begun."""

    head: str
    """Host and port where nodes join."""
    common: Common


class NodeSeen(NamedTuple):
    """A node, as the keeper saw it."""

    name: str
    address: str
    cpus: int
    is_ours: bool
    has_gateway: bool
    has_keeper: bool = False


class ShardSeen(NamedTuple):
    """A shard, as the keeper saw it."""

    number: int
    node: str | None
    """None: it is on none, or does not say where."""
    restarts: int
    """Since the cluster began."""
    owned_by: str | None
    """The last process that had its lease."""


class Seen(NamedTuple):
    """What the keeper saw last."""

    keeper: str
    """Host and process id."""
    nodes: Sequence[NodeSeen]
    shards: Sequence[ShardSeen]
    supervisors: int
    """Of shards and gateways."""
    at: datetime
    """When it looked; it says so every few seconds."""

    def is_of_now(self, now: datetime) -> bool:
        """Whether the keeper still looks."""
        return now - self.at < HOLDS


class ClusterRecord:
    """In the registry of shards. Building it does no I/O; each call may raise DatabaseError."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def begin(self, head: str, common: Common) -> None:
        """Nodes may join there from now on."""
        row = {
            "head": head,
            "version": common.version,
            "settings": orjson.dumps(common.settings).decode(),
            "wanted": shard_tables.RUNNING,
            "seen": "",
        }
        with self._registry.changing() as connection:
            connection.execute(delete(leaving))
            if connection.execute(update(cluster).values(**row)).rowcount == 0:
                connection.execute(insert(cluster).values(one=1, **row))

    def begun(self) -> Begun | None:
        """None: no cluster has begun on this fleet."""
        row = self._row()
        if row is None:
            return None
        return Begun(row.head, Common(row.version, orjson.loads(row.settings)))

    def desired(self) -> Desired:
        row = self._row()
        is_stopped = row is None or row.wanted == shard_tables.STOPPED
        return Desired(is_stopped, frozenset(each.name for each in self._registry.rows(leaving)))

    def stop(self) -> None:
        """Nothing is to run any more, on any node."""
        with self._registry.writing() as connection:
            connection.execute(update(cluster).values(wanted=shard_tables.STOPPED))

    def ended(self) -> None:
        """Nothing is there to be seen any more."""
        with self._registry.writing() as connection:
            connection.execute(update(cluster).values(seen=""))

    def leave(self, node_name: str) -> None:
        """That node is about to end: nothing is to run there any more."""
        with self._registry.writing() as connection:
            connection.execute(delete(leaving).where(leaving.c.name == node_name))
            connection.execute(insert(leaving).values(name=node_name))

    def left(self, node_name: str) -> None:
        """It has ended, or begins."""
        with self._registry.writing() as connection:
            connection.execute(delete(leaving).where(leaving.c.name == node_name))

    def show(self, seen: Seen) -> None:
        """What the keeper sees now."""
        with self._registry.writing() as connection:
            connection.execute(
                update(cluster).values(seen=orjson.dumps(seen._asdict(), default=list).decode())
            )

    def seen(self) -> Seen | None:
        """None: no keeper has looked yet."""
        row = self._row()
        if row is None or not row.seen:
            return None
        return _read(orjson.loads(row.seen))

    def _row(self) -> Any:
        return next(iter(self._registry.rows(cluster)), None)


def _read(found: Mapping[str, Any]) -> Seen:
    return Seen(
        keeper=found["keeper"],
        nodes=[NodeSeen(*each) for each in found["nodes"]],
        shards=[ShardSeen(*each) for each in found["shards"]],
        supervisors=found["supervisors"],
        at=datetime.fromisoformat(found["at"]),
    )
