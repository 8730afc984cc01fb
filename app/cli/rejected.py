"""`rejected`: the reports that the VTN refused for their content."""

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
from app.platform import EachShard
from app.reporting.delivery import RejectedReport, RejectedReports

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers, as `rejected list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All rejected reports.")]


def make_rejected_cli(
    opened: Callable[[], AbstractContextManager[EachShard[RejectedReports]]], *, formerly: str = ""
) -> typer.Typer:
    """The commands; `opened` gives the rejected reports of each shard, and closes what it opened.

    `formerly`: an earlier name of these commands, which is accepted with a warning.
    """
    cli = typer.Typer(
        rich_markup_mode=None, help="Reports that the VTN refused: list, send again, drop."
    )

    if formerly:

        @cli.callback()
        def warn() -> None:
            """Before each command."""
            print(
                f"warning: `{formerly}` is deprecated and will be removed in 0.3; use `rejected`",
                file=sys.stderr,
            )

    @cli.command("list", epilog=examples("ven-fleet rejected list --json | jq '.[].problem'"))
    def list_(as_json: AsJson = False) -> None:
        """The rejected reports, and why the VTN refused them."""
        with opened() as shards:
            reports = _reports(shards)
        if as_json:
            rows = [
                {
                    "id": number,
                    "ven_name": report.ven_name,
                    "event_id": report.event_id,
                    "report_name": report.report_name,
                    "readings": report.readings,
                    "refused_at": report.refused_at.isoformat(),
                    "problem": report.problem,
                    "to_send": report.to_send,
                }
                for number, report in reports
            ]
            print(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        table = Table("id", "VEN", "event", "readings", "refused at", "why", "next")
        for number, report in reports:
            table.add_row(
                str(number),
                Text(report.ven_name),
                report.event_id,
                str(report.readings),
                f"{report.refused_at:%Y-%m-%d %H:%M:%S}",
                Text(_printable(report.problem)),
                "is sent again" if report.to_send else "",
            )
        show(table if reports else "No report was rejected.")

    @cli.command(epilog=examples("ven-fleet rejected retry 1 2", "ven-fleet rejected retry --all"))
    def retry(ids: Ids = None, all_: All = False, as_json: AsJson = False) -> None:
        """Let `run` send them again, under the same names."""
        with opened() as shards:
            chosen = _chosen(shards, ids, all_)
            count = sum(shards[number].retry(of_shard) for number, of_shard in chosen)
        words = f"{count} reports are sent again with the next delivery"
        print(json.dumps({"reports": count}) if as_json else words)

    @cli.command(epilog=examples("ven-fleet rejected drop 1"))
    def drop(ids: Ids = None, all_: All = False, as_json: AsJson = False) -> None:
        """Give them up: their readings will never reach the VTN."""
        with opened() as shards:
            chosen = _chosen(shards, ids, all_)
            count = sum(shards[number].drop(of_shard) for number, of_shard in chosen)
        print(json.dumps({"reports": count}) if as_json else f"{count} reports are dropped")

    return cli


def _reports(shards: EachShard[RejectedReports]) -> list[tuple[int, RejectedReport]]:
    """Each with a number that no report of another shard has."""
    return [
        (report.set_aside_id * len(shards) + number, report)
        for number, rejected in enumerate(shards)
        for report in rejected.reports()
    ]


def _chosen(
    shards: EachShard[RejectedReports], ids: list[int] | None, all_: bool
) -> list[tuple[int, list[int]]]:
    """The reports that are meant, by shard; all of them must be there."""
    if bool(ids) == all_:
        print("error: name reports by their ids, or --all; see `rejected list`", file=sys.stderr)
        raise typer.Exit(2)
    known = [number for number, _ in _reports(shards)]
    missing = sorted(set(ids or ()).difference(known))
    if missing:
        print(f"error: there is no report {missing[0]}; see `rejected list`", file=sys.stderr)
        raise typer.Exit(1)
    of_shards: dict[int, list[int]] = {}
    for number in ids or known:
        set_aside_id, shard = divmod(number, len(shards))
        of_shards.setdefault(shard, []).append(set_aside_id)
    return list(of_shards.items())


def _printable(text: str) -> str:
    """A VTN's text, with control characters blanked."""
    return "".join(char if char.isprintable() else " " for char in text)
