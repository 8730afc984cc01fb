"""The view of delivery: what was taken, what waits, what was refused."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import run, ui

from app.ops.page import formatting
from app.ops.page.charts import line_chart, show_lines
from app.ops.page.services import PageServices
from app.ops.page.shell import REFRESH_S, Shell
from app.ops.page.widgets import Action, Figures, Grid, Pager
from app.reporting.delivery import RejectedReport

ROWS = 25
GONE = "It no longer exists."


def make_delivery_view(services: PageServices) -> Callable[[], None]:
    """The page's function."""

    def delivery() -> None:
        shell = Shell(services)
        with shell.around("Delivery"):
            figures = Figures(
                *("readings taken", "readings delivered", "reports delivered"),
                *("last report", "readings waiting", "reports rejected", "readings given up"),
                "store used",
            )
            vtn = ui.label("")
            ui.label(
                "Since the application started. Waiting: owed, and sent with the next report."
                " Rejected: refused by the VTN, and kept until you decide. Given up: never"
                " reported."
            ).classes("quiet")
            with ui.element("h2"):
                ui.label("Readings waiting over the last hour, UTC")
            ui.label(
                "The lowest of each half minute, so that what is sent at once does not count."
            ).classes("quiet")
            chart = line_chart("Readings that waited over the last hour", unit="readings", least=1)
            with ui.element("h2"):
                ui.label("Rejected reports")
            _RejectedReports(services, shell)
            with ui.element("h2"):
                ui.label("VENs with undelivered reports")
            problems = Grid(
                "They are tried again by themselves; what is owed waits",
                ["VEN", "problem"],
                rows=ROWS,
                none="Every VEN's last report was acknowledged.",
            )
        drawn: list[object] = [None]

        async def show() -> None:
            readiness = await run.io_bound(services.readiness)
            if readiness is None:
                return
            delivery_stats = services.delivery_stats
            figures.show(
                readings_taken=formatting.count(services.simulator.readings_taken),
                readings_delivered=formatting.count(delivery_stats.readings),
                reports_delivered=formatting.count(delivery_stats.reports),
                last_report=formatting.ago(delivery_stats.last_report_at, services.clock()),
                readings_waiting=formatting.count(readiness.waiting),
                reports_rejected=formatting.count(readiness.set_aside),
                readings_given_up=formatting.count(
                    readiness.expired_readings + readiness.dropped_readings
                ),
                store_used=f"{readiness.store_share:.1%}",
            )
            vtn.set_text(_of_the_vtn(services))
            points = services.backlog_history.points()
            if points and points[-1] is not drawn[0]:
                drawn[0] = points[-1]
                show_lines(
                    chart, {"waiting": [(at.at.timestamp(), float(at.waiting)) for at in points]}
                )
            first = await run.io_bound(delivery_stats.first_problems, ROWS)
            problems.show([(name, (name, formatting.shortened(why))) for name, why in first or ()])

        shell.every(REFRESH_S, show)

    return delivery


def _of_the_vtn(services: PageServices) -> str:
    http = services.http
    if http.circuit.is_open:
        return f"The VTN at {http.base_url} does not answer; what is owed waits for it."
    if http.latency_s is None:
        return f"The VTN at {http.base_url} has not been asked yet."
    return f"The VTN at {http.base_url} answers in {formatting.seconds(http.latency_s)}."


class _RejectedReports:
    """The table of rejected reports."""

    def __init__(self, services: PageServices, shell: Shell) -> None:
        self._services = services
        self._shell = shell
        self._grid = Grid(
            "Kept until they are retried, when the cause is gone, or dropped",
            ["report", "VEN", "event", "readings", "refused at", "why", "next"],
            rows=ROWS,
            numbers=["readings"],
            none="The VTN has refused no report.",
            actions=[Action("Retry", self._retry), Action("Drop", self._drop)],
        )
        self._show_now = shell.every(REFRESH_S, self._show)
        self._pager = Pager(rows=ROWS, changed=self._show_now)

    async def _retry(self, set_aside_id: int) -> None:
        await self._shell.change(
            lambda who: self._services.actions.retry_reports(who, [set_aside_id]),
            lambda count: "It is sent again with the next delivery." if count else GONE,
        )
        await self._show_now()

    async def _drop(self, set_aside_id: int) -> None:
        await self._shell.change(
            lambda who: self._services.actions.drop_reports(who, [set_aside_id]),
            lambda count: "It is dropped." if count else GONE,
            sure=f"Drop report {set_aside_id}? Its readings will never reach the VTN.",
        )
        await self._show_now()

    async def _show(self) -> None:
        """As it is now."""
        page = await run.io_bound(
            self._services.rejected_reports.page, skip=self._pager.skip, limit=ROWS
        )
        if page is None:
            return
        reports, total = page
        self._grid.show([(report.set_aside_id, _cells(report)) for report in reports])
        self._pager.show(total)


def _cells(aside: RejectedReport) -> tuple[str, ...]:
    return (
        str(aside.set_aside_id),
        aside.ven_name,
        aside.event_id,
        formatting.count(aside.readings),
        formatting.clock(aside.refused_at),
        formatting.shortened(aside.problem),
        "is sent again" if aside.to_send else "waits for you",
    )
