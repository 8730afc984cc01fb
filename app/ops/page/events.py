"""The view of events: what is active, what comes, and a form to send one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from nicegui import run, ui

from app.ops.events_view import EventRow
from app.ops.page import formatting
from app.ops.page.drawing import timeline, whom
from app.ops.page.services import PageServices
from app.ops.page.shell import REFRESH_S, Shell
from app.ops.page.widgets import Action, Grid, button, scrolling_drawing

BEFORE, AFTER = timedelta(hours=1), timedelta(hours=12)
ROWS = 25
KINDS = {
    "SIMPLE": "0 (as usual) to 3 (least)",
    "PRICE": "per kWh",
    "EXPORT_PRICE": "per kWh exported",
    "GHG": "g CO2 per kWh",
    "IMPORT_CAPACITY_LIMIT": "at most kW, per VEN",
    "EXPORT_CAPACITY_LIMIT": "at most kW, per VEN",
    "DISPATCH_SETPOINT": "kW, per resource",
    "CHARGE_STATE_SETPOINT": "0 (empty) to 1 (full)",
    "CONTROL_LEVEL_OFFSET": "-10 to 10 (less load)",
    "ALERT_GRID_EMERGENCY": "in words",
}
"""What can be sent from here, and what its value is."""
DURATIONS = {
    "PT2M": "2 minutes",
    "PT10M": "10 minutes",
    "PT1H": "1 hour",
    "PT4H": "4 hours",
}


def make_events_view(services: PageServices) -> Callable[[], None]:
    """The page's function."""

    def events() -> None:
        shell = Shell(services)
        with shell.around("Events"):
            if services.sends_events:
                _form(services, shell)
            with ui.element("h2"):
                ui.label("Active and upcoming: from an hour ago to 12 hours from now, UTC")
            drawing = scrolling_drawing("When the intervals of events are active")

            shown: dict[str, EventRow] = {}

            async def cancel(event_id: str) -> None:
                name = _name(shown[event_id])
                stops = ", ".join(shown[event_id].asks_for)
                await shell.change(
                    lambda who: services.actions.cancel_event(who, event_id),
                    f"{name} is cancelled: its VENs go back to what they did.",
                    sure=f"Cancel {name}, {_described(shown[event_id], services.clock())}?"
                    + (f" Its VENs stop reporting {stops} for it." if stops else ""),
                )
                await show_now()

            grid = Grid(
                "Events, UTC",
                [
                    *("event", "active", "since", "until", "upcoming"),
                    *("priority", "VENs", "targets", "requests", "id"),
                ],
                rows=ROWS,
                actions=[Action("Cancel", cancel, lambda key: not shown[key].is_cancelled)]
                if services.sends_events
                else (),
                numbers=("priority", "VENs"),
                none="No VEN has an event. Send one below, or wait for the next poll of the VTN.",
            )
            more = ui.label("").classes("quiet")

            async def show() -> None:
                answer = await run.io_bound(services.events.rows, before=BEFORE, after=AFTER)
                if answer is None:
                    return
                rows, total = answer
                now = services.clock()
                # To the minute, which is a pixel: so it is sent again when it looks different.
                minute = now.replace(second=0, microsecond=0)
                timed = [row for row in rows[:ROWS] if row.bars]
                drawing.set_content(timeline(timed, minute, minute - BEFORE, minute + AFTER))
                shown.update({row.event_id: row for row in rows[:ROWS]})
                grid.show([(row.event_id, _cells(row, now)) for row in rows[:ROWS]])
                more.set_text(f"and {total - ROWS:,} more" if total > ROWS else "")

            show_now = shell.every(REFRESH_S, show)

    return events


def _name(row: EventRow) -> str:
    """What people call it; ids are long."""
    return formatting.shortened(row.event_name or row.event_id, 60)


def _described(row: EventRow, now: datetime) -> str:
    """For whom it is, and until when."""
    ends = [bar.end for bar in row.in_force]
    return f"for {row.whose}" + (f", until {formatting.until(ends[0], now)}" if ends else "")


def _cells(row: EventRow, now: datetime) -> tuple[str, ...]:
    holding = [bar.words for bar in row.in_force]
    upcoming = [
        f"{bar.words} at {formatting.until(bar.start, now)}" for bar in row.bars if bar.start > now
    ]
    usual = "no" if row.bars or not row.asks_for else "requests reports only"
    first = row.in_force[0] if row.in_force else None
    return (
        _name(row),
        "cancelled" if row.is_cancelled else formatting.shortened("; ".join(holding)) or usual,
        formatting.NOTHING if first is None else formatting.until(first.start, now),
        formatting.NOTHING if first is None else formatting.until(first.end, now),
        formatting.shortened("; ".join(upcoming)) or formatting.NOTHING,
        "none" if row.priority is None else str(row.priority),
        formatting.count(row.vens),
        formatting.shortened(whom(row), 40),
        formatting.shortened(", ".join(row.asks_for)) or formatting.NOTHING,
        row.event_id,
    )


def _form(services: PageServices, shell: Shell) -> None:
    """To send an event of one interval from now on."""
    with ui.element("h2"):
        ui.label("Send an event")
    with ui.element("div").classes("form"):
        kind = ui.select(list(KINDS), value="SIMPLE", label="Payload type").props("dense")
        value = ui.input(value="2").props("dense")

        def say_what_it_is() -> None:
            value.props["label"] = f"Value: {KINDS[str(kind.value)]}"

        kind.on_value_change(say_what_it_is)
        say_what_it_is()
        lasts = ui.select(DURATIONS, value="PT10M", label="Duration").props("dense")
        ven = ui.input("VEN (blank: all)").props("dense clearable")
        priority = ui.number("Priority (0 is the highest)", min=0, precision=0).props(
            "dense clearable"
        )

        async def send() -> None:
            level = priority.value
            only = (ven.value or "").strip()
            what = f"{kind.value} {value.value or ''}".strip()
            await shell.change(
                lambda who: services.actions.send_event(
                    who,
                    kind=str(kind.value),
                    value=str(value.value or ""),
                    duration=str(lasts.value),
                    ven_name=only or None,
                    priority=None if level is None else int(level),
                ),
                f"{what} is sent; the VENs ask for it now, and it is shown when they have it.",
                sure=f"Send {what} to {only or 'all VENs'}, for {DURATIONS[str(lasts.value)]}"
                " from now on?",
            )

        button("Send", send, main=True)
