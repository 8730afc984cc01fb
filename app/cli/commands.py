"""The commands. In `app`, only they know the container."""

from __future__ import annotations

import json
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.cli.check import checked
from app.cli.cluster import make_cluster_cli
from app.cli.cluster_child import opened_cluster
from app.cli.device import check_device
from app.cli.discover import discover_vtns
from app.cli.event import make_event_cli
from app.cli.failures import report_expected_errors
from app.cli.fleet import make_fleet_cli
from app.cli.gateway import run_gateway
from app.cli.help import AsJson, examples
from app.cli.opened import (
    make_container,
    opened_business_logic,
    opened_fleet,
    opened_participation,
    opened_readings,
    opened_rejected_reports,
    opened_reshard,
    wired,
)
from app.cli.participation import add_participation_commands
from app.cli.readings import make_readings_cli
from app.cli.rejected import make_rejected_cli
from app.cli.run import run_application
from app.cli.signals import stop_on_signals
from app.cli.terminal import replace_what_cannot_be_shown, show
from app.observability import graph as wiring
from app.observability import log_uncaught
from app.platform import LOOPBACK
from app.settings import EMBEDDED_301

logger = logging.getLogger("app.cli")
SCRIPT = "ven-fleet"
cli = typer.Typer(
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A fleet of OpenADR 3 virtual end nodes. Without a command: run.",
    epilog=examples(
        "make run                        # a VTN, 10 sample VENs, and the page",
        "ven-fleet fleet import my.csv   # your own fleet",
        "ven-fleet check                 # the settings, and where they come from",
        "ven-fleet event send --type SIMPLE --value 2",
        "ven-fleet --install-completion  # commands and options by TAB",
    ),
)


OF_ALL = ("--help", "--install-completion", "--show-completion")


def main() -> None:
    """`ven-fleet`, or `python -m app`; options without a command belong to `run`."""
    replace_what_cannot_be_shown()
    log_uncaught()
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in OF_ALL):
        arguments = ["run", *arguments]
    installed = Path(sys.argv[0]).name == SCRIPT
    cli(arguments, prog_name=SCRIPT if installed else "python -m app")


@cli.command(
    epilog=examples(
        "ven-fleet run",
        "ven-fleet run --once   # every task once; the exit code says how it was",
        "VTN__BASE_URL=https://vtn.example.com/openadr3/3.1.0 ven-fleet run",
        "TASKS__GENERATE_REPORTS__SECONDS=60 LOG__FORMAT=json ven-fleet run",
    )
)
def run(
    once: Annotated[
        bool, typer.Option("--once", help="Run every enabled task once, then exit.")
    ] = False,
    release_on_stop: Annotated[
        bool,
        typer.Option(
            "--release-on-stop",
            help="At the end, tell devices that they are their own again; else orders run out.",
        ),
    ] = False,
) -> None:
    """Enrol, meter, answer and report until Ctrl-C or SIGTERM."""
    with report_expected_errors():
        container = make_container()
        _ = container.settings().shard  # it has to be said
        run_application(container, once=once, releases_orders=release_on_stop)


@cli.command(
    epilog=examples(
        "ven-fleet vtn",
        "ven-fleet vtn --port 8090 --announce   # `ven-fleet discover` finds it",
    )
)
def vtn(
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="The port to listen on, instead of VTN__EMBEDDED_PORT."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on; anything but loopback is served by plain http."
        ),
    ] = "127.0.0.1",
    announce: Annotated[
        bool, typer.Option("--announce", help="Announce it on the local network (mDNS).")
    ] = False,
) -> None:
    """Run the embedded VTN alone, until Ctrl-C or SIGTERM."""
    with wired() as fleet:
        container, settings = fleet.any_shard, fleet.settings
        given = {"embedded_port": port, "announce": announce or None}
        chosen = settings.vtn.model_copy(
            update={name: value for name, value in given.items() if value is not None}
        )
        container.settings.override(settings.model_copy(update={"vtn": chosen}))
        server, shutdown = container.vtn.embedded(host=host), container.platform.shutdown()
        stop_on_signals(shutdown)
        server.start()
        logger.info(
            "VTN %s (3.1.0), %s%s (3.0.1); credentials %s",
            server.base_url,
            server.base_url,
            EMBEDDED_301,
            container.settings().vtn_dir / "credentials.json",
        )
        if host not in LOOPBACK:
            logger.warning("other machines reach it by plain http: who listens can read tokens")
        shutdown.wait()
        server.close()


cli.add_typer(make_rejected_cli(opened_rejected_reports), name="rejected")
cli.add_typer(
    make_rejected_cli(opened_rejected_reports, formerly="outbox"), name="outbox", hidden=True
)


cli.add_typer(make_event_cli(opened_business_logic), name="event")
cli.command(
    "discover", epilog=examples("ven-fleet discover --seconds 10", "ven-fleet discover --json")
)(discover_vtns)
cli.command(
    "check-device",
    epilog=examples(
        "ven-fleet check-device Home pump --broker mqtt://127.0.0.1:1883   # the device: port 1884",
        "ven-fleet check-device Home pump --url 'http://192.0.2.7/{ven}/{resource}'",
    ),
)(check_device)


fleet_cli = make_fleet_cli(opened_fleet)
add_participation_commands(fleet_cli, opened_participation)
cli.add_typer(fleet_cli, name="fleet")


cli.add_typer(make_readings_cli(opened_readings), name="readings")
cli.command(
    "gateway",
    epilog=examples(
        "FLEET__SHARDS=2 ven-fleet gateway",
        "INTAKE__PORT=8083 OPS__HOST=0.0.0.0 ven-fleet gateway   # beside the shards' processes",
    ),
)(run_gateway)


cli.add_typer(make_cluster_cli(opened_cluster), name="cluster")


@cli.command(
    epilog=examples(
        "ven-fleet reshard 4            # then set FLEET__SHARDS=4, and start the four",
        "ven-fleet reshard --finish     # what was before is removed",
        "ven-fleet reshard --undo       # as long as none of them has run",
    )
)
def reshard(
    shards: Annotated[
        int | None, typer.Argument(min=2, max=1_024, help="A multiple of how many there are.")
    ] = None,
    finish: Annotated[bool, typer.Option("--finish", help="Remove the stores of before.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Go back to the stores of before.")] = False,
) -> None:
    """Cut the fleet into more shards, while it is stopped.

    Each store becomes several, each with its VENs and all that they are owed. Those of before are
    kept until `--finish`; no run begins on them.
    """
    if (shards is not None) + finish + undo != 1:
        raise typer.BadParameter("give a number of shards, --finish or --undo")
    with opened_reshard() as tool:
        if finish:
            tool.finish()
            print("The stores of before are removed.")
            return
        done = tool.undo() if undo else tool.into(shards or 0)
        cut = "is not cut any more" if done.shards_after == 1 else f"has {done.shards_after} shards"
        print(f"The fleet {cut}: set FLEET__SHARDS={done.shards_after}.")


class GraphFormat(StrEnum):
    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"
    JSON = "json"


@cli.command(epilog=examples("ven-fleet tasks", "ven-fleet tasks --json | jq '.[].schedule'"))
def tasks(as_json: AsJson = False) -> None:
    """The tasks, their schedules, and when each would start next."""
    with wired() as fleet:
        container = fleet.any_shard
        enabled = {job.name: job for job in container.scheduler().get_jobs()}
        names = list(container.scheduled_tasks.kwargs)
        if as_json:
            rows = [
                {
                    "name": name,
                    "enabled": name in enabled,
                    "schedule": enabled[name].schedule if name in enabled else None,
                    "next_start": enabled[name].next_start if name in enabled else None,
                }
                for name in names
            ]
            print(json.dumps(rows, indent=1, default=str))
            return
        table = Table("task", "schedule", "next start if the schedule began now")
        for name in names:
            job = enabled.get(name)
            if job is None:
                table.add_row(name, "disabled", "")
            else:
                table.add_row(name, job.schedule, f"{job.next_start:%Y-%m-%d %H:%M:%S %Z}")
        show(table)


@cli.command(
    epilog=examples(
        "ven-fleet graph",
        "ven-fleet graph --rooms",
        "ven-fleet graph simulator frames streams",
        "ven-fleet graph --format dot | dot -Tsvg > wiring.svg",
    )
)
def graph(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Only these providers or rooms. All, where none is named."),
    ] = None,
    rooms: Annotated[
        bool, typer.Option("--rooms", help="Show rooms instead of the providers in them.")
    ] = False,
    format_: Annotated[GraphFormat, typer.Option("--format")] = GraphFormat.TEXT,
) -> None:
    """The wiring: every provider, and what it depends on.

    Also its kind, and what overrides it.
    """
    write = {
        GraphFormat.TEXT: wiring.as_text,
        GraphFormat.MERMAID: wiring.as_mermaid,
        GraphFormat.DOT: wiring.as_dot,
        GraphFormat.JSON: wiring.as_json,
    }[format_]
    with report_expected_errors():
        nodes = wiring.nodes(make_container().providers)
        nodes = wiring.rooms(nodes) if rooms else nodes
        try:
            print(write(wiring.only(nodes, names) if names else nodes))
        except LookupError as error:
            print(f"graph: {error.args[0]}", file=sys.stderr)
            raise typer.Exit(2) from None


@cli.command(epilog=examples("ven-fleet check", "ven-fleet check --json | jq .vtn"))
def check(as_json: AsJson = False) -> None:
    """Validate the settings, open the database, ask the VTN.

    Prints the effective settings, and where each comes from.
    """
    with wired() as fleet:
        code = checked(fleet, as_json=as_json)
        if code:
            raise typer.Exit(code)
