"""`event`: what business logic does, from the command line: to see the fleet answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.table import Column, Table
from rich.text import Text

from app.cli.help import AsJson, examples
from app.cli.terminal import show
from app.openadr import BusinessLogic, WireError, read_duration, read_instant
from app.platform import utc_now

Id = Annotated[str, typer.Argument(help="The event's id, as `event list` shows it.")]
MAX_SHOWN = 60


def make_event_cli(opened: Callable[[], AbstractContextManager[BusinessLogic]]) -> typer.Typer:
    """The commands; `opened` gives the client, and closes what it opened."""
    cli = typer.Typer(
        rich_markup_mode=None, help="Events, as business logic sees them: send, list, cancel."
    )

    @cli.command(
        epilog=examples(
            "ven-fleet event send --type SIMPLE --value 2 --duration PT10M",
            "ven-fleet event send --type DISPATCH_SETPOINT --value 1.5 --ven Aarhus --priority 0",
            "ven-fleet event send --type PRICE --value 0.31 --json | jq -r .id",
        )
    )
    def send(
        kind: Annotated[str, typer.Option("--type", help="Payload type, such as SIMPLE.")],
        value: Annotated[str, typer.Option("--value", help="One value, such as 2 or 0.31.")],
        duration: Annotated[
            str, typer.Option("--duration", help="How long it lasts, such as PT10M.")
        ] = "PT10M",
        start: Annotated[
            str | None, typer.Option("--start", help="Such as 2026-06-01T12:00:00Z. Default: now.")
        ] = None,
        ven: Annotated[
            str | None, typer.Option("--ven", help="Only this VEN. Default: all VENs.")
        ] = None,
        program: Annotated[
            str | None,
            typer.Option("--program", help="The program's name, where the VTN has several."),
        ] = None,
        priority: Annotated[
            int | None,
            typer.Option("--priority", min=0, help="0 is the highest. Default: none, the lowest."),
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Send an event of one interval to all VENs, or to one."""
        try:
            now = utc_now()
            begins = now if start is None else read_instant(start).astimezone(UTC)
            ends = read_duration(duration).after(begins)
        except WireError as error:
            _refuse(str(error))
        if ends is not None and ends <= now:
            _refuse(f"it would be over: it ends at {_when(ends)}, and it is {_when(now)}")
        with opened() as business:
            try:
                event = business.send(
                    kind=kind,
                    value=value,
                    start=begins,
                    duration=duration,
                    ven_name=ven,
                    program_name=program,
                    priority=priority,
                )
            except ValueError as error:
                _refuse(str(error))
        if as_json:
            print(json.dumps(event, indent=1, ensure_ascii=False))
            return
        addressees = "all VENs" if ven is None else f"VEN {ven}"
        print(f"event {event['id']}: {kind} {value} for {addressees}, {_when(begins)}, {duration}")

    @cli.command("list", epilog=examples("ven-fleet event list --json | jq '.[].eventName'"))
    def list_(as_json: AsJson = False) -> None:
        """The events that the VTN has."""
        with opened() as business:
            events = business.events()
        if as_json:
            print(json.dumps(events, indent=1, ensure_ascii=False))
            return
        # Ids and dates whole in 80 columns: they are what one copies and compares.
        whole = (Column("id", no_wrap=True), Column("start", no_wrap=True))
        table = Table(*whole, "for", "requests", "targets", box=None, padding=(0, 1, 0, 0))
        for event in events:
            period = event.get("intervalPeriod") or {}
            is_cancelled = _is_cancelled(period)
            table.add_row(
                _text(event["id"]),
                _text("cancelled" if is_cancelled else _start(period.get("start"))),
                _text("" if is_cancelled else period.get("duration")),
                _text(", ".join((*_payloads(event), *_reports(event)))),
                _text(", ".join(map(str, event.get("targets") or ()))),
            )
        show(table if events else "The VTN has no events.")

    @cli.command(epilog=examples("ven-fleet event cancel 1a6cf7c79ba34805b8ac5f68b0988db5"))
    def cancel(
        event_id: Id,
        delete: Annotated[
            bool, typer.Option("--delete", help="Delete the event instead of ending it.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """End an event: its VENs return to what they did before."""
        with opened() as business:
            if delete:
                business.delete(event_id)
            else:
                business.cancel(event_id)
        done = "deleted" if delete else "cancelled"
        result = {"id": event_id, "is": done}
        print(json.dumps(result) if as_json else f"event {event_id} is {done}")

    return cli


def _refuse(line: str) -> NoReturn:
    print(f"event: {line}", file=sys.stderr)
    raise typer.Exit(2)


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _is_cancelled(period: Mapping[str, Any]) -> bool:
    """Whether it is the marker that ends an event (openadr.md, 'Time')."""
    start, duration = str(period.get("start", "")), str(period.get("duration", ""))
    return start.startswith("0001-01-01T00:00:00") and duration == "PT0S"


def _start(written: object) -> object:
    """In UTC and to the second; as it is written where it is no instant."""
    try:
        return f"{read_instant(str(written)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except WireError:
        return written


def _payloads(event: Any) -> list[str]:
    texts = [
        f"{payload.get('type')} {', '.join(map(str, payload.get('values') or ()))}"
        for interval in event.get("intervals") or ()
        for payload in interval.get("payloads") or ()
    ]
    return texts if len(texts) <= 3 else [*texts[:3], "…"]


def _reports(event: Any) -> list[str]:
    return [
        f"report {descriptor.get('payloadType')}"
        for descriptor in event.get("reportDescriptors") or ()
    ]


def _text(value: object) -> Text:
    """As text, without markup or control characters; bounded."""
    shown_value = "" if value is None else str(value)
    return Text("".join(char for char in shown_value if char.isprintable())[:MAX_SHOWN])
