"""The view of events: what is in force, what comes, and a form to send one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from nicegui import run, ui

from app.ops.page import words
from app.ops.page.drawing import timeline
from app.ops.page.services import PageServices
from app.ops.page.shell import REFRESH_S, Shell
from app.ops.page.widgets import Action, Grid, button, scrolling_drawing
from app.ops.views import EventRow

BEFORE, AFTER = timedelta(hours=1), timedelta(hours=12)
ROWS = 25
KINDS = (
    *("SIMPLE", "PRICE", "EXPORT_PRICE", "GHG", "IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT"),
    *("DISPATCH_SETPOINT", "CHARGE_STATE_SETPOINT", "CONTROL_LEVEL_OFFSET", "ALERT_GRID_EMERGENCY"),
)
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
                ui.label("From an hour ago to 12 hours from now, UTC")
            drawing = scrolling_drawing("When the intervals of events hold")

            async def cancel(event_id: str) -> None:
                await shell.change(
                    lambda who: services.steering.cancel_event(who, event_id),
                    f"Event {event_id} is cancelled: its VENs go back to what they did.",
                    sure=f"Cancel event {event_id} for all its VENs?",
                )
                await show_now()

            grid = Grid(
                "Events that VENs have",
                ["event", "in force", "priority", "VENs", "targets", "intervals", "reports"],
                rows=ROWS,
                actions=[Action("Cancel", cancel)] if services.sends_events else (),
            )
            more = ui.label("").classes("quiet")

            async def show() -> None:
                found = await run.io_bound(services.events.rows, before=BEFORE, after=AFTER)
                if found is None:
                    return
                rows, total = found
                # To the minute, which is a pixel: so it is sent anew when it looks different.
                now = services.clock().replace(second=0, microsecond=0)
                drawing.set_content(timeline(rows[:ROWS], now, now - BEFORE, now + AFTER))
                grid.show([(row.event_id, _cells(row)) for row in rows[:ROWS]])
                more.set_text(f"and {total - ROWS:,} more" if total > ROWS else "")

            show_now = shell.every(REFRESH_S, show)

    return events


def _cells(row: EventRow) -> tuple[str, ...]:
    holding = [bar.words for bar in row.in_force]
    upcoming = [f"{bar.words} at {bar.start:%H:%M:%S}" for bar in row.bars if not bar.holds]
    usual = "no" if row.bars or not row.asks_for else "asks for reports only"
    in_force = "cancelled" if row.is_cancelled else "; ".join(holding) or usual
    return (
        f"{row.event_id} {row.event_name}".strip(),
        words.shortened(in_force),
        "none" if row.priority is None else str(row.priority),
        words.count(row.vens),
        words.shortened(", ".join(row.targets)) or "all",
        words.shortened("; ".join(upcoming)) or words.NOTHING,
        words.shortened(", ".join(row.asks_for)) or words.NOTHING,
    )


def _form(services: PageServices, shell: Shell) -> None:
    """To send an event of one interval from now on."""
    with ui.element("h2"):
        ui.label("Send an event")
    with ui.element("div").classes("form"):
        kind = ui.select(list(KINDS), value="SIMPLE", label="Payload type").props("dense")
        value = ui.input("Value", value="2").props("dense")
        lasts = ui.select(DURATIONS, value="PT10M", label="Duration").props("dense")
        ven = ui.input("Only this VEN (blank: all)").props("dense clearable")
        priority = ui.number("Priority (blank: none)", min=0, precision=0).props("dense clearable")

        async def send() -> None:
            level = priority.value
            await shell.change(
                lambda who: services.steering.send_event(
                    who,
                    kind=str(kind.value),
                    value=str(value.value or ""),
                    duration=str(lasts.value),
                    ven_name=(ven.value or "").strip() or None,
                    priority=None if level is None else int(level),
                ),
                f"{kind.value} {value.value} is sent; the VENs ask for it now.",
            )

        button("Send", send, main=True)
