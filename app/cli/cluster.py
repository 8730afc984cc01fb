"""`cluster`: the processes of all shards, kept running by Ray on one machine or on many."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from app.cli.help import AsJson, examples
from app.cli.terminal import show
from app.cluster.engine import Background, Begun, ClusterError, ClusterRecord, Membership, Seen
from app.platform import Owners, ShardOwner

PORT = 6379
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*:[1-9]\d{0,4}")
NOTHING = "-"


@dataclass(frozen=True, kw_only=True)
class ClusterTools:
    """What the commands work with."""

    background: Background
    membership: Membership
    record: ClusterRecord
    owners: Owners
    clock: Callable[[], datetime]
    run_node: Callable[[str | None, int, bool], None]
    """Until the application stops: with the address of a head, or the port of an own one and
    whether it is a new one."""
    run_child: Callable[[str, str], None]
    """What a supervisor of this name runs, of that head. Does not return."""


def make_cluster_cli(opened: Callable[[], AbstractContextManager[ClusterTools]]) -> typer.Typer:
    """The commands; `opened` gives what they work with."""
    cli = typer.Typer(
        rich_markup_mode=None,
        help="All shards, kept running on many machines by Ray.",
    )

    @cli.command(
        epilog=examples(
            "FLEET__SHARDS=2 ven-fleet cluster start           # all of it on this machine",
            "ven-fleet cluster start --address 192.0.2.7:6379  # another machine joins",
        )
    )
    def start(
        address: Annotated[
            str | None,
            typer.Option(help="Host and port of the head, to join it; else this is the head."),
        ] = None,
        port: Annotated[int, typer.Option(min=1_024, max=65_535, help="Of the head.")] = PORT,
        new_head: Annotated[
            bool, typer.Option("--new-head", help="This is the head, instead of another machine.")
        ] = False,
        foreground: Annotated[
            bool, typer.Option("--foreground", help="Until Ctrl-C or SIGTERM: for systemd.")
        ] = False,
    ) -> None:
        """Keep the shards running, on this machine and on all that join.

        In the background, until `cluster stop`; each process has a log in DATA_DIR/ray/logs.
        """
        if address is not None and not ADDRESS.fullmatch(address):
            raise typer.BadParameter("--address is HOST:PORT, such as 192.0.2.7:6379")
        if address is not None and new_head:
            raise typer.BadParameter("--address and --new-head: it is one or the other")
        with opened() as tools:
            if foreground:
                tools.run_node(address, port, new_head)
                return
            head = tools.membership.check(address, port=port, is_new=new_head)
            given = [] if address is None else ["--address", address]
            given += ["--new-head"] if new_head else []
            seen = tools.background.begin([*given, "--port", str(port)])
        where = f"the head, at {head.at}" if head.is_here else f"a node of {head.at}"
        print(f"This machine is {where}; the cluster has {_count(len(seen.nodes), 'node')}.")

    @cli.command(
        epilog=examples("ven-fleet cluster status", "ven-fleet cluster status --json | jq .shards")
    )
    def status(as_json: AsJson = False) -> None:
        """The nodes, and which of them runs which shard."""
        with opened() as tools:
            seen, owners = tools.record.seen(), tools.owners.all()
            begun = tools.record.begun()
            if tools.owners.problem is not None:
                raise ClusterError(tools.owners.problem)
        found = _found(seen, owners, begun, now=tools.clock())
        if as_json:
            print(json.dumps(found, indent=1))
            return
        if seen is None:
            show("No cluster runs on this fleet.")
            return
        if not found["is_of_now"]:
            show(f"The keeper has not looked since {seen.at:%Y-%m-%d %H:%M:%S} UTC. It saw then:")
        show(f"The head is at {found['head']}.")
        nodes = Table("node", "address", "CPUs", "gateway", "takes shards")
        for node in found["nodes"]:
            nodes.add_row(
                Text(node["name"]),
                node["address"],
                str(node["cpus"]),
                "yes" if node["gateway"] else "no",
                "yes" if node["is_member"] else "no: other settings, or another version",
            )
        shards = Table("shard", "run by", "epoch", "on node", "restarts")
        for shard in found["shards"]:
            shards.add_row(
                str(shard["shard"]),
                Text(shard["run_by"] or "nobody"),
                NOTHING if shard["epoch"] is None else str(shard["epoch"]),
                Text(shard["node"] or NOTHING),
                str(shard["restarts"]),
            )
        show(nodes)
        show(shards)

    @cli.command(epilog=examples("ven-fleet cluster stop"))
    def stop() -> None:
        """End the node of this machine, in order.

        Its shards go on elsewhere, where there is room; with the head all shards end, on all
        machines.
        """
        with opened() as tools:
            is_all = tools.background.stop()
        print("The cluster is stopped." if is_all else "This machine has left the cluster.")

    @cli.command(hidden=True)
    def child(name: str, head: Annotated[str, typer.Option()]) -> None:
        """What a supervisor runs."""
        with opened() as tools:
            tools.run_child(name, head)

    return cli


def _found(
    seen: Seen | None,
    owners: Sequence[ShardOwner | None],
    begun: Begun | None,
    *,
    now: datetime,
) -> dict[str, Any]:
    by_number = {} if seen is None else {shard.number: shard for shard in seen.shards}
    shards = []
    for number, owner in enumerate(owners):
        placed = by_number.get(number)
        shards.append(
            {
                "shard": number,
                "run_by": None if owner is None else owner.holder,
                "epoch": None if owner is None else owner.epoch,
                "node": None if placed is None else placed.node,
                "restarts": 0 if placed is None else placed.restarts,
            }
        )
    nodes = [
        {
            "name": node.name,
            "address": node.address,
            "cpus": node.cpus,
            "gateway": node.has_gateway,
            "is_member": node.is_ours,
        }
        for node in (() if seen is None else seen.nodes)
    ]
    return {
        "head": None if begun is None else begun.head,
        "keeper": None if seen is None else seen.keeper,
        "is_of_now": seen is not None and seen.is_of_now(now),
        "nodes": nodes,
        "shards": shards,
    }


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
