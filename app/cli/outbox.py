"""`outbox`: the reports that the VTN refused for their content."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from app.cli.help import AsJson, examples
from app.cli.terminal import show
from app.reporting.delivery import RejectedReports

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers, as `outbox list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def make_outbox_cli(opened: Callable[[], AbstractContextManager[RejectedReports]]) -> typer.Typer:
    """The commands; `opened` gives the outbox, and closes what it opened."""
    cli = typer.Typer(
        rich_markup_mode=None, help="Reports that the VTN refused: list, send again, drop."
    )

    @cli.command("list", epilog=examples("ven-fleet outbox list --json | jq '.[].problem'"))
    def list_(as_json: AsJson = False) -> None:
        """What was set aside, and the VTN's words."""
        with opened() as outbox:
            reports = outbox.reports()
        if as_json:
            rows = [
                {
                    "id": report.set_aside_id,
                    "ven_name": report.ven_name,
                    "event_id": report.event_id,
                    "report_name": report.report_name,
                    "readings": report.readings,
                    "refused_at": report.refused_at.isoformat(),
                    "problem": report.problem,
                    "to_send": report.to_send,
                }
                for report in reports
            ]
            print(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        table = Table("id", "VEN", "event", "readings", "refused at", "the VTN's words", "next")
        for report in reports:
            table.add_row(
                str(report.set_aside_id),
                Text(report.ven_name),
                report.event_id,
                str(report.readings),
                f"{report.refused_at:%Y-%m-%d %H:%M:%S}",
                Text(_printable(report.problem)),
                "is sent again" if report.to_send else "",
            )
        show(table if reports else "No report was set aside.")

    @cli.command(epilog=examples("ven-fleet outbox retry 1 2", "ven-fleet outbox retry --all"))
    def retry(ids: Ids = None, all_: All = False, as_json: AsJson = False) -> None:
        """Let `run` send them again, under the same names."""
        with opened() as outbox:
            chosen = _chosen(outbox, ids, all_)
            count = outbox.retry(chosen)
        words = f"{count} reports are sent again with the next delivery"
        print(json.dumps({"reports": count}) if as_json else words)

    @cli.command(epilog=examples("ven-fleet outbox drop 1"))
    def drop(ids: Ids = None, all_: All = False, as_json: AsJson = False) -> None:
        """Give them up: their readings will not reach the VTN."""
        with opened() as outbox:
            chosen = _chosen(outbox, ids, all_)
            count = outbox.drop(chosen)
        print(json.dumps({"reports": count}) if as_json else f"{count} reports are dropped")

    return cli


def _chosen(outbox: RejectedReports, ids: list[int] | None, all_: bool) -> list[int]:
    """The reports that are meant, all of which must be there."""
    if bool(ids) == all_:
        print("error: name reports by their ids, or --all; see `outbox list`", file=sys.stderr)
        raise typer.Exit(2)
    known = [report.set_aside_id for report in outbox.reports()]
    if not ids:
        return known
    missing = sorted(set(ids).difference(known))
    if missing:
        print(f"error: there is no report {missing[0]}; see `outbox list`", file=sys.stderr)
        raise typer.Exit(1)
    return ids


def _printable(text: str) -> str:
    """A VTN's words, without what a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)
