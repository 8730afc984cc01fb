"""The view of the fleet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from nicegui import run, ui

from app.ops.events_view import EventRow
from app.ops.page import formatting
from app.ops.page.charts import MarkedSpan, line_chart, show_lines, thinned
from app.ops.page.services import PageServices
from app.ops.page.shell import REFRESH_S, Shell
from app.ops.page.ven import ven_cells
from app.ops.page.widgets import Figures, Grid, Pager

ROWS = 25
HOUR = timedelta(hours=1)
MAX_LISTED = 12
"""Intervals of events."""


def make_fleet_view(services: PageServices) -> Callable[[], None]:
    """The page's function."""

    def fleet() -> None:
        shell = Shell(services)
        with shell.around("Fleet"):
            figures = Figures(
                *("power now", "VENs", "readings delivered", "readings waiting", "last report"),
            )
            in_force = ui.label("")
            with ui.element("h2"):
                ui.label("Power over the last hour, UTC")
            chart = line_chart("Power of the fleet over the last hour, by kind", unit="kW")
            kinds = Grid(
                "Power now, by kind; what is negative is exported",
                ["kind", "power"],
                rows=8,
                numbers=["power"],
            )
            with ui.element("h2"):
                ui.label("VENs")
            _Vens(services, shell)
        known: list[Any] = [None]

        async def show_power() -> None:
            answer = await run.io_bound(services.events.rows, before=HOUR, after=timedelta(0))
            if answer is None:
                return
            events = answer[0]
            in_force.set_text(_active(events, services.clock()))
            points = thinned(services.power.points())
            if points and points[-1] is not known[0]:
                known[0] = points[-1]
                lines = {"total": [(at.taken_at.timestamp(), at.total_kw) for at in points]}
                for kind in points[-1].by_kind_kw:
                    lines[kind.value] = [
                        (at.taken_at.timestamp(), at.by_kind_kw[kind])
                        for at in points
                        if kind in at.by_kind_kw
                    ]
                show_lines(chart, lines, _spans(events))
                now = points[-1]
                kinds.show(
                    [
                        (kind, (kind.value, formatting.power(kw)))
                        for kind, kw in now.by_kind_kw.items()
                    ]
                )
                figures.show(power_now=formatting.power(now.total_kw))

        async def show_figures() -> None:
            waiting = await run.io_bound(services.waiting)
            vens = await run.io_bound(services.fleet.count)
            if waiting is None or vens is None:
                return
            figures.show(
                VENs=formatting.count(vens),
                readings_delivered=formatting.count(services.delivery_stats.readings),
                readings_waiting=formatting.count(waiting),
                last_report=formatting.ago(
                    services.delivery_stats.last_report_at, services.clock()
                ),
            )

        shell.every(REFRESH_S, show_power)
        shell.every(REFRESH_S, show_figures)

    return fleet


def _active(events: Sequence[EventRow], now: datetime) -> str:
    """In one line what is active, for how many VENs, and until when."""
    shown = [
        f"{bar.words} until {formatting.until(bar.end, now)} ({event.whose})"
        for event in events
        for bar in event.in_force
    ]
    more = f", and {len(shown) - MAX_LISTED:,} more" if len(shown) > MAX_LISTED else ""
    return f"Active: {'; '.join(shown[:MAX_LISTED])}{more}" if shown else "No event is active."


def _spans(events: Sequence[EventRow]) -> list[MarkedSpan]:
    """When something was active, to be marked in the chart."""
    return [
        MarkedSpan(
            formatting.shortened(bar.words, 40),
            bar.start.timestamp(),
            math.inf if bar.end is None else bar.end.timestamp(),
        )
        for event in events
        for bar in event.bars
    ][:MAX_LISTED]


class _Vens:
    """The table of VENs, with a search."""

    def __init__(self, services: PageServices, shell: Shell) -> None:
        self._services = services
        self._show_now = shell.every(REFRESH_S, self._show)
        with ui.element("div").classes("form"):
            self._search = ui.input("Search by name", on_change=self._anew).props("clearable dense")
            self._only = ui.checkbox("Only those with problems", on_change=self._anew)
        columns = ["VEN", "status", "resources", "power", "last report", "problem"]
        self._grid = Grid(
            "Open one to see its resources",
            columns,
            rows=ROWS,
            link=lambda key: f"/vens/{quote(key, safe='')}",
            numbers=["power"],
        )
        self._pager = Pager(rows=ROWS, changed=self._show_now)

    async def _anew(self) -> None:
        self._pager.skip = 0
        await self._show_now()

    async def _show(self) -> None:
        """As it is now."""
        answer = await run.io_bound(
            self._services.fleet.vens,
            skip=self._pager.skip,
            limit=ROWS,
            search=(self._search.value or "").strip(),
            only_problems=bool(self._only.value),
        )
        if answer is None:
            return
        rows, total = answer
        now = self._services.clock()
        self._grid.show([(row.summary.ven.ven_name, ven_cells(row, now)) for row in rows])
        self._pager.show(total)
        self._grid.say_if_empty(self._none())

    def _none(self) -> str:
        search = (self._search.value or "").strip()
        with_problem = " has a problem" if self._only.value else ""
        return f"No VEN{f' like {search!r}' if search else ''}{with_problem or ' is there'}."
