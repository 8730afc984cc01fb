"""The commands. Only this file and containers.py know the container."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from app import graph as wiring
from app.application import Application
from app.discovery_cli import discover_vtns
from app.event_cli import make_event_cli
from app.failures import EXPECTED, WRONG_SETTINGS, failures_in_one_line
from app.fleet import (
    DatabaseError,
    Resource,
    no_progress,
    read_fleet,
    sample_fleet,
    write_csv,
    write_json,
)
from app.fleet import (
    Progress as EnrolmentProgress,
)
from app.logs import configure_logging
from app.openadr import BusinessLogic, VtnError
from app.outbox_cli import make_outbox_cli
from app.reporting import Outbox
from app.settings import EMBEDDED_301, effective_settings
from app.settings_sections import LOOPBACK
from app.stopping import Stopping
from containers import Container

logger = logging.getLogger("app.cli")
cli = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A fleet of OpenADR 3 virtual end nodes. Without a command: run.",
)
fleet_cli = typer.Typer(rich_markup_mode=None, help="The fleet: VENs and their resources.")
cli.add_typer(fleet_cli, name="fleet")


class GraphFormat(StrEnum):
    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"


class FleetFormat(StrEnum):
    CSV = "csv"
    JSON = "json"


def main() -> None:
    """`python -m app`; options without a command belong to `run`."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] != "--help"):
        arguments = ["run", *arguments]
    cli(arguments, prog_name="python -m app")


@contextmanager
def wired() -> Iterator[Container]:
    """The container, with logging as the settings say."""
    with failures_in_one_line():
        container = Container()
        log = container.settings().log
        configure_logging(level=log.level, format_=log.format)
        try:
            yield container
        finally:
            container.database().close()


@cli.command()
def run(
    once: Annotated[
        bool, typer.Option("--once", help="Run every enabled task once, then exit.")
    ] = False,
) -> None:
    """Enrol the fleet, meter, answer and report on schedule, until Ctrl-C or SIGTERM."""
    with failures_in_one_line():
        run_application(Container(), once=once)


def run_application(
    container: Container, *, once: bool, leave: Callable[[int], NoReturn] = os._exit
) -> None:
    """Run until a signal; then leave at once, since threads may still wait for the VTN."""
    settings = container.settings()
    configure_logging(level=settings.log.level, format_=settings.log.format)
    stop_on_signals(container.stopping())
    with (
        container.wiring.override(partial(wiring.nodes, container.providers)),
        enrolment_progress() as progress,
        container.progress.override(progress),
    ):
        code = _run(container.application(), once=once)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    leave(code)


def _run(application: Application, *, once: bool) -> int:
    """Start, wait and stop; the exit code. The start has a thread, so that a stop is heard."""
    failed: list[BaseException] = []

    def start() -> None:
        try:
            application.start(once=once)
            if once:
                application.request_stop()
        except BaseException as error:  # noqa: BLE001 - told below, by the thread that waits
            failed.append(error)
            application.request_stop()

    threading.Thread(target=start, name="start", daemon=True).start()
    application.wait()
    code = _say(failed[0]) if failed else 0
    application.stop()
    return 1 if once and application.failed else code


def stop_on_signals(stopping: Stopping) -> None:
    """Ctrl-C and SIGTERM begin an orderly stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not in the handler itself: it may interrupt the main thread while that holds the lock.
        signal.signal(number, lambda *_: threading.Thread(target=stopping.set).start())


def _say(error: BaseException) -> int:
    """The line for an error of the start; returns the exit code."""
    if isinstance(error, WRONG_SETTINGS):
        print(f"settings: {error}", file=sys.stderr)
        return 2
    if isinstance(error, EXPECTED):
        print(f"error: {error}", file=sys.stderr)
    else:
        logger.error("the start failed", exc_info=error)
    return 1


@contextmanager
def enrolment_progress() -> Iterator[EnrolmentProgress]:
    """A bar on a terminal; nothing elsewhere, where the log says enough."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    bar = Progress(
        TextColumn("enrolling VENs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    rows: list[TaskID] = []

    def show(tried: int, total: int) -> None:
        if not rows:
            bar.start()
            rows.append(bar.add_task("enrolling", total=total))
        bar.update(rows[0], completed=tried)
        if tried == total:
            bar.stop()

    try:
        yield show
    finally:
        bar.stop()


@cli.command()
def vtn(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Instead of VTN__EMBEDDED_PORT.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than loopback: plain http.")
    ] = "127.0.0.1",
    announce: Annotated[
        bool, typer.Option("--announce", help="Announce it on the local network (mDNS).")
    ] = False,
) -> None:
    """Run the embedded VTN alone, until Ctrl-C or SIGTERM."""
    with wired() as container:
        settings = container.settings()
        given = {"embedded_port": port, "announce": announce or None}
        chosen = settings.vtn.model_copy(
            update={name: value for name, value in given.items() if value is not None}
        )
        container.settings.override(settings.model_copy(update={"vtn": chosen}))
        container.embedded_vtn.add_kwargs(host=host)
        server, stopping = container.embedded_vtn(), container.stopping()
        stop_on_signals(stopping)
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
        stopping.wait()
        server.close()


@fleet_cli.command("seed")
def fleet_seed(
    vens: Annotated[int | None, typer.Option(min=1, help="Default: FLEET__VENS.")] = None,
    resources_per_ven: Annotated[
        int | None, typer.Option(min=0, help="Default: FLEET__RESOURCES_PER_VEN.")
    ] = None,
) -> None:
    """Add sample VENs, named after Danish towns; what is there already stays as it is."""
    with wired() as container:
        fleet_settings = container.settings().fleet
        fleet = sample_fleet(
            vens=fleet_settings.vens if vens is None else vens,
            resources_per_ven=(
                fleet_settings.resources_per_ven if resources_per_ven is None else resources_per_ven
            ),
        )
        count = container.repository().save(fleet)
        print(f"{len(fleet)} VENs, {count} new resources")


@fleet_cli.command("import")
def fleet_import(file: Annotated[Path, typer.Argument(help="A .csv or .json file.")]) -> None:
    """Add or change VENs and resources from a file; all of it or, if a row is wrong, nothing."""
    with wired() as container:
        fleet = read_fleet(file)
        count = container.repository().save(fleet)
        total = sum(len(resources) for resources in fleet.values())
        print(f"{len(fleet)} VENs, {total} resources, {count} of them new")


@fleet_cli.command("export")
def fleet_export(
    format_: Annotated[
        FleetFormat, typer.Option("--format", help="What `fleet import` reads back.")
    ] = FleetFormat.CSV,
) -> None:
    """Print the fleet in a form that `fleet import` reads."""
    with wired() as container:
        fleet: dict[str, list[Resource]] = {
            ven.ven_name: [] for ven in container.repository().vens()
        }
        for ven_name, resource in container.repository().resources():
            fleet[ven_name].append(resource)
        write = write_csv if format_ is FleetFormat.CSV else write_json
        print(write(fleet), end="")


@fleet_cli.command("list")
def fleet_list(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The VENs, how many of their resources are approved, and what they last consumed."""
    with wired() as container:
        summaries = container.repository().summaries()
        frame = container.frames().last()
        power_kw = {} if frame is None else frame.total_kw()
        if as_json:
            rows = [
                {
                    "ven_name": each.ven.ven_name,
                    "status": each.ven.status.value,
                    "vtn_ven_id": each.ven.vtn_ven_id,
                    "resources": each.resources,
                    "approved": each.approved,
                    "power_kw": power_kw.get(each.ven.ven_name),
                }
                for each in summaries
            ]
            print(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        table = Table("VEN", "status", "id at the VTN", "resources", "approved", "kW")
        for each in summaries:
            table.add_row(
                each.ven.ven_name,
                each.ven.status.value,
                each.ven.vtn_ven_id or "",
                str(each.resources),
                str(each.approved),
                f"{power_kw[each.ven.ven_name]:.1f}" if each.ven.ven_name in power_kw else "",
            )
        Console().print(
            table if summaries else "The fleet is empty; see `fleet seed` and `fleet import`."
        )


@contextmanager
def opened_outbox() -> Iterator[Outbox]:
    """The outbox of the settings' database."""
    with wired() as container:
        database = container.database()
        if database.file is not None and not database.file.exists():
            raise DatabaseError(f"there is no database {database.name}; see DATA_DIR")
        yield container.outbox()


cli.add_typer(make_outbox_cli(opened_outbox), name="outbox")


@contextmanager
def opened_business_logic() -> Iterator[BusinessLogic]:
    """A business-logic client of the settings' VTN."""
    with wired() as container:
        yield container.business_logic()


cli.add_typer(make_event_cli(opened_business_logic), name="event")
cli.command("discover")(discover_vtns)


@cli.command()
def tasks() -> None:
    """The tasks, their schedules, and when each would start next."""
    with wired() as container:
        scheduler = container.scheduler()
        enabled = {job.name: job for job in scheduler.get_jobs()}
        table = Table("task", "schedule", "next start if the schedule began now")
        for name in type(container.settings().tasks).model_fields:
            job = enabled.get(name)
            if job is None:
                table.add_row(name, "disabled", "")
            else:
                table.add_row(name, job.schedule, f"{job.next_start:%Y-%m-%d %H:%M:%S %Z}")
        Console().print(table)


@cli.command()
def graph(
    format_: Annotated[GraphFormat, typer.Option("--format")] = GraphFormat.TEXT,
) -> None:
    """The wiring: every provider, its kind, what it depends on, whether it is overridden."""
    write = {
        GraphFormat.TEXT: wiring.as_text,
        GraphFormat.MERMAID: wiring.as_mermaid,
        GraphFormat.DOT: wiring.as_dot,
    }[format_]
    with failures_in_one_line():
        print(write(wiring.nodes(Container().providers)))


@cli.command()
def check() -> None:
    """Validate the settings, open the database, ask the VTN; print what holds and from where."""
    with wired() as container:
        settings = container.settings()
        table = Table("setting", "value", "from")
        for setting in effective_settings(settings):
            table.add_row(setting.name, setting.value, setting.source)
        Console().print(table)
        container.application()  # every object can be built
        database = container.database()
        database.open()
        vens = container.repository().vens()
        print(f"database {database.name}: opens, {len(vens)} VENs")
        asked = vens[0].ven_name if vens else "check"
        try:
            container.ven_client(asked).ping()
        except VtnError as error:
            hint = " (`run` starts it)" if settings.uses_embedded_vtn else ""
            print(f"VTN {settings.vtn_base_url}: {error}{hint}")
            raise typer.Exit(0 if settings.uses_embedded_vtn else 1) from None
        latency_s = container.vtn_http().state.latency_s or 0.0
        print(f"VTN {settings.vtn_base_url}: answers {asked!r} in {latency_s * 1000:.0f} ms")
