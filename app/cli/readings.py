"""`readings`: measurements of real meters, from files and to files."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO
from zoneinfo import ZoneInfo

import typer
from pydantic import SecretStr
from rich.table import Column, Table
from rich.text import Text

from app.cli.bars import bars
from app.cli.help import AsJson, examples
from app.cli.import_result import result_as_json, show_result
from app.cli.readings_tools import ReadingsTools, imported
from app.cli.terminal import show
from app.intake import (
    EVERY_SOURCE,
    FIELDS,
    ImportRequest,
    InfluxQuery,
    MeterFileError,
    Source,
    message_profiles,
    profile,
    profiles,
)
from app.platform import TextFileError, read_text, time_zone, utc_now

INFLUX_QUERY = "influx-query"
"""The profile of what is fetched, and not read from files."""
NICENESS = 19
"""Of an import: whoever meters and reports comes first."""
EXPORTED = tuple(name for name in FIELDS if name not in ("device", "meter_point_id"))


class ExportFormat(StrEnum):
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


Opened = Callable[[], AbstractContextManager[ReadingsTools]]
From = Annotated[
    str | None, typer.Option("--from", help="ISO 8601, UTC without an offset. Default: a day ago.")
]
To = Annotated[str | None, typer.Option("--to", help="Default: now.")]
Ven = Annotated[str | None, typer.Option("--ven", help="Only of this VEN.")]


def make_readings_cli(opened: Opened) -> typer.Typer:
    """The commands; `opened` gives the tools, and closes what it opened."""
    cli = typer.Typer(
        rich_markup_mode=None, help="Measurements of real meters: import, export, gaps."
    )

    @cli.command(
        "import",
        epilog=examples(
            "ven-fleet readings import nem12.csv --profile nem12 --source plant",
            "ven-fleet readings import *.csv --profile eloverblik --dry-run",
            "ven-fleet readings import mine.csv --profile ./mine.toml --device HAN-7",
            "ven-fleet readings import --profile influx-query --url https://influx.example:8086"
            " --org home --token-file influx.token --query power.flux --from 2026-01-01",
        ),
    )
    def import_(
        profile_name: Annotated[
            str, typer.Option("--profile", help="A name of `readings profiles`, or a .toml file.")
        ],
        files: Annotated[list[Path] | None, typer.Argument(help="All of one kind.")] = None,
        source: Annotated[
            str | None,
            typer.Option(help="The source of the devices. Default: each is looked up in all."),
        ] = None,
        device: Annotated[str, typer.Option(help="Of files that name no device.")] = "",
        time_zone: Annotated[
            str, typer.Option(help="Of times without an offset. Default: the profile's.")
        ] = "",
        tell: Annotated[
            bool,
            typer.Option("--tell", help="Report each value, however long ago it was measured."),
        ] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, and take nothing.")] = False,
        keep_good: Annotated[
            bool, typer.Option("--keep-good", help="Take the rest where some are refused.")
        ] = False,
        url: Annotated[str, typer.Option(help="Of influx-query: the server.")] = "",
        org: Annotated[str, typer.Option(help="Of influx-query: the organisation.")] = "",
        token_file: Annotated[
            Path | None, typer.Option(help="Of influx-query: the file that holds the token.")
        ] = None,
        query: Annotated[
            Path | None, typer.Option(help="Of influx-query: the file that holds the Flux query.")
        ] = None,
        start: From = None,
        end: To = None,
        as_json: AsJson = False,
    ) -> None:
        """Take measurements from files, or from InfluxDB 2: all of them, or nothing.

        What is there already is not taken twice. An import that was interrupted goes on where it
        was when it is called again.
        """
        os.nice(NICENESS)
        zone = _zone(time_zone)
        with opened() as tools:
            asked = None
            if profile_name == INFLUX_QUERY:
                asked = _influx_query(url, org, token_file, query, _span(start, end))
                with bars() as bar, bar("fetching", "pages") as progress:
                    files = tools.influx.fetch(asked, progress)
                if not files:
                    raise MeterFileError("the query gives nothing of this time")
            elif not files:
                raise typer.BadParameter("there is no FILE")
            chosen = profile("csv" if asked is not None else profile_name)
            known = tools.sources.all()
            if source is not None and source not in known:
                names = ", ".join(known) or "none"
                raise typer.BadParameter(f"there is no source {source!r}; there are {names}")
            if source is not None and zone is None and not chosen.time_zone:
                zone = known[source].zone
            request = ImportRequest(
                files=files,
                profile=chosen,
                source=source,
                device=device,
                zone=zone,
                late=_late(known, source),
                tell=tell,
                dry_run=dry_run,
                keep_good=keep_good,
            )
            with bars() as bar, bar("reading", "values") as progress:
                result = imported(tools.shards, request, progress)
            if asked is not None and result.is_taken:
                tools.influx.forget(asked)
        if as_json:
            print(json.dumps(result_as_json(result), indent=1, ensure_ascii=False))
        else:
            show_result(result, dry_run=dry_run, tell=tell)
        if result.receipt.refusals.count and not keep_good:
            raise typer.Exit(1)

    @cli.command("profiles", epilog=examples("ven-fleet readings profiles"))
    def profiles_(as_json: AsJson = False) -> None:
        """The kinds of files and messages that are read as they are."""
        of_files = {name: each.about for name, each in profiles().items()}
        of_messages = message_profiles()
        if as_json:
            print(json.dumps({"files": of_files, "messages": of_messages}, indent=1))
            return
        for what, found in (("files", of_files), ("messages (MQTT)", of_messages)):
            table = Table("profile", what)
            for name, about in found.items():
                table.add_row(name, about)
            show(table)

    @cli.command(
        epilog=examples(
            "ven-fleet readings gaps --from 2026-03-01 --to 2026-04-01",
            "ven-fleet readings gaps --ven Aarhus --json",
        )
    )
    def gaps(start: From = None, end: To = None, ven: Ven = None, as_json: AsJson = False) -> None:
        """Where nothing is known of resources that have a meter."""
        first, last = _span(start, end)
        with opened() as tools:
            found = [
                gap
                for shard in tools.of(ven)
                for gap in shard.exports.gaps(first, last, ven_name=ven)
            ]
        if as_json:
            print(json.dumps([gap.fields() for gap in found], indent=1, ensure_ascii=False))
            return
        table = Table("VEN", "resource", "from", "to", "length")
        for gap in found:
            table.add_row(
                Text(gap.ven_name),
                Text(gap.resource_name),
                f"{gap.start:%Y-%m-%d %H:%M:%S}",
                f"{gap.end:%Y-%m-%d %H:%M:%S}",
                str(gap.end - gap.start),
            )
        if found:
            show(table)
        else:
            print("There is no gap.")

    @cli.command(epilog=examples("ven-fleet readings unknown"))
    def unknown(as_json: AsJson = False) -> None:
        """Meters that sources tell of and no resource has.

        Give one to a resource with the columns source and device of the fleet file.
        """
        with opened() as tools:
            found = [each for shard in tools.shards for each in shard.unknown.all()]
        if as_json:
            rows = [
                {
                    "source": each.source,
                    "device": each.device,
                    "first_seen": each.first_seen.isoformat(),
                    "last_seen": each.last_seen.isoformat(),
                    "refused": each.refused,
                }
                for each in found
            ]
            print(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        table = Table(
            "source", Column("device", overflow="fold"), "refused", "first seen", "last seen"
        )
        for each in found:
            table.add_row(
                "any" if each.source == EVERY_SOURCE else each.source,
                Text(each.device),
                f"{each.refused:,}",
                f"{each.first_seen:%Y-%m-%d %H:%M}",
                f"{each.last_seen:%Y-%m-%d %H:%M}",
            )
        if found:
            show(table)
        else:
            print("Every meter that was heard of is a resource's.")

    @cli.command(
        epilog=examples(
            "ven-fleet readings export --ven Aarhus --from 2026-03-01 > march.csv",
            "ven-fleet readings export --format parquet --output all.parquet --from 2026-01-01",
        )
    )
    def export(
        start: From = None,
        end: To = None,
        ven: Ven = None,
        resource: Annotated[
            str | None, typer.Option("--resource", help="Only of this resource.")
        ] = None,
        format_: Annotated[ExportFormat, typer.Option("--format")] = ExportFormat.CSV,
        output: Annotated[
            Path | None, typer.Option(help="A file. Default: stdout; parquet needs a file.")
        ] = None,
    ) -> None:
        """Measurements, in the fields of `POST /readings`: UTC, kW, kWh."""
        first, last = _span(start, end)
        if format_ is ExportFormat.PARQUET and output is None:
            raise typer.BadParameter("parquet needs --output")
        with opened() as tools:
            rows = (
                row
                for shard in tools.of(ven)
                for row in shard.exports.measurements(
                    first, last, ven_name=ven, resource_name=resource
                )
            )
            if format_ is ExportFormat.PARQUET and output is not None:
                count = tools.write_parquet(output, rows)
            else:
                with _written(output) as stream:
                    count = _WRITERS[format_](stream, rows)
        if output is not None:
            print(f"{count} measurements in {output}")

    return cli


def _late(known: Mapping[str, Source], source: str | None) -> timedelta:
    """Of one source, or the shortest of all."""
    chosen = known.values() if source is None else [known[source]]
    return min((each.late for each in chosen), default=timedelta(0))


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return time_zone(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _span(start: str | None, end: str | None) -> tuple[datetime, datetime]:
    last = utc_now() if end is None else _instant(end)
    first = last - timedelta(days=1) if start is None else _instant(start)
    if first >= last:
        raise typer.BadParameter("--to is not after --from")
    return first, last


def _influx_query(
    url: str, org: str, token_file: Path | None, query: Path | None, span: tuple[datetime, datetime]
) -> InfluxQuery:
    """What is asked of InfluxDB. BadParameter, MeterFileError."""
    if not (url and org and token_file and query):
        raise typer.BadParameter(f"{INFLUX_QUERY} needs --url, --org, --token-file and --query")
    try:
        token = read_text(token_file, private=True).strip()
        flux = read_text(query)
    except TextFileError as error:
        raise MeterFileError(f"--token-file or --query: it {error}") from None
    return InfluxQuery(
        url=url, org=org, token=SecretStr(token), flux=flux, start=span[0], end=span[1]
    )


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text[:40]!r} is no time such as 2026-03-01T00:00Z") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def write_csv(stream: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    """Rows in the fields of `POST /readings`; how many."""
    writer = csv.DictWriter(stream, EXPORTED, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


def _write_json(stream: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    stream.write('{"readings": [')
    for row in rows:
        stream.write(",\n" if count else "\n")
        stream.write(json.dumps(row, ensure_ascii=False))
        count += 1
    stream.write("\n]}\n")
    return count


_WRITERS = {ExportFormat.CSV: write_csv, ExportFormat.JSON: _write_json}
