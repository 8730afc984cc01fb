"""What there is in a cluster: its nodes, and what runs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

GATEWAY, KEEPER, SHARD = "gateway", "keeper", "shard"
KEEPERS = 2
"""Of whom one looks after the shards, and another waits."""


class Node(NamedTuple):
    """A machine that joined the cluster."""

    id: str
    """Which Ray gave it."""
    name: str
    address: str
    cpus: int
    """Shards that it has room for."""
    is_ours: bool
    """Whether `cluster start` joined it, with the version and the settings of the others."""


class Said(NamedTuple):
    """What a supervisor says of itself."""

    node_id: str
    process: str
    """Of its child: host and process id."""
    began: str
    """What tells this beginning from others."""


class Engine(Protocol):
    """What places supervisors on nodes, and begins them again where they or their nodes end."""

    def nodes(self) -> Sequence[Node]:
        """Those that live. EngineError."""

    def supervisors(self) -> Mapping[str, Said | None]:
        """By name: what each says now; None: it has not begun yet, or does not answer.
        EngineError."""

    def start(self, name: str, *, node_id: str, only_there: bool) -> None:
        """Begin one on that node, and when that one is gone, on another; `only_there`: on no other.
        Nothing happens where there is one of this name. EngineError."""

    def stop(self, name: str) -> None:
        """Tell it to end in order, for good. Returns at once. EngineError."""

    def kill(self, name: str) -> None:
        """End it for good. EngineError."""


def shard_name(number: int) -> str:
    """Of the supervisor of a shard."""
    return f"{SHARD}-{number}"


def gateway_name(node_id: str) -> str:
    """Of the supervisor of the gateway on a node."""
    return f"{GATEWAY}-{node_id}"


def shard_number(name: str) -> int | None:
    """Whose supervisor has this name; None: that of no shard."""
    kind, _, number = name.partition("-")
    return int(number) if kind == SHARD else None


def is_gateway(name: str) -> bool:
    """Whether it is the name of a gateway's supervisor."""
    return name.startswith(GATEWAY)


def is_keeper(name: str) -> bool:
    """Whether it is the name of a keeper's supervisor."""
    return name.startswith(KEEPER)


def keeper_names() -> list[str]:
    """Of the supervisors of all keepers."""
    return [f"{KEEPER}-{number}" for number in range(KEEPERS)]


def log_of(name: str) -> str:
    """The name of the log of a supervisor's child: there is one gateway on a node."""
    return GATEWAY if is_gateway(name) else name
