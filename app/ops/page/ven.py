"""The view of one VEN."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from nicegui import run, ui

from app.fleet import SetBy, Status
from app.ops.fleet_view import ResourceRow, VenRow
from app.ops.page import formatting
from app.ops.page.services import PageServices
from app.ops.page.shell import REFRESH_S, Shell
from app.ops.page.sources import resource_address
from app.ops.page.widgets import Action, Figures, Grid, Pager, Press

ROWS = 25


def make_ven_view(services: PageServices) -> Callable[[str], None]:
    """The page's function; it gets the VEN's name."""

    def ven(ven_name: str) -> None:
        shell = Shell(services)
        with shell.around("Fleet", ven_name):
            ui.link("All VENs", "/")
            figures = Figures("status", "resources", "power now", "last report")
            problem = ui.label("").classes("ill")

            def press(change: Callable[[str, str, str], object], words: str) -> Press:
                """What a button of a resource does, and what is said then."""

                async def pressed(name: str) -> None:
                    await shell.change(lambda who: change(who, ven_name, name), f"{name} {words}")
                    await show_now()

                return pressed

            actions = services.actions
            suspend = press(
                actions.suspend,
                "is suspended: it is no longer metered and reported; the device itself continues.",
            )
            resume = press(actions.resume, "is metered again from the next reading on.")
            opt_out = press(
                partial(actions.opt_out, reason="on the page"),
                "takes no part in events until you opt it in.",
            )
            opt_in = press(actions.opt_in, "takes part again.")
            status: dict[str, Status] = {}
            out: set[str] = set()
            grid = Grid(
                f"Resources of {ven_name}",
                ["resource", "kind", "status", "power", "limits", "state of charge", "follows now"],
                rows=ROWS,
                actions=[
                    Action("Suspend", suspend, lambda key: status[key] is not Status.SUSPENDED),
                    Action("Resume", resume, lambda key: status[key] is Status.SUSPENDED),
                    Action("Opt out", opt_out, lambda key: key not in out),
                    Action("Opt in", opt_in, lambda key: key in out),
                ],
                numbers=["power"],
                link=lambda key: resource_address(ven_name, key),
            )

            async def show_ven() -> None:
                row = await run.io_bound(services.fleet.ven, ven_name)
                if row is None:
                    problem.set_text(f"The fleet has no VEN {ven_name!r}.")
                    return
                status, resources, power, last_report, why = ven_cells(row, services.clock())[1:]
                figures.show(
                    status=status, resources=resources, power_now=power, last_report=last_report
                )
                problem.set_text("" if why == formatting.NOTHING else why)

            async def show() -> None:
                answer = await run.io_bound(
                    services.fleet.resources, ven_name, skip=pager.skip, limit=ROWS
                )
                if answer is None:
                    return
                who = await run.io_bound(services.orders.who)
                if who is None:
                    return
                rows, total = answer
                out.clear()
                # What a device did, only the device ends.
                by_operator = who.opted_out_by(SetBy.OPERATOR, services.clock())
                out.update(resource for ven, resource in by_operator if ven == ven_name)
                status.update({row.resource.resource_name: row.resource.status for row in rows})
                grid.show([(row.resource.resource_name, _resource_cells(row)) for row in rows])
                pager.show(total)

            show_now = shell.every(REFRESH_S, show)
            pager = Pager(rows=ROWS, changed=show_now)
            shell.every(REFRESH_S, show_ven)

    return ven


def ven_cells(row: VenRow, now: datetime) -> tuple[str, ...]:
    """Its name, status, resources, power, last report and problem."""
    summary = row.summary
    parts = [f"{summary.approved:,} approved"]
    parts += [f"{summary.pending:,} pending"] if summary.pending else []
    parts += [f"{summary.suspended:,} suspended"] if summary.suspended else []
    return (
        summary.ven.ven_name,
        summary.ven.status.value,
        ", ".join(parts),
        formatting.power(row.power_kw),
        formatting.ago(row.delivery.last_report_at, now),
        formatting.shortened(row.delivery.problem or formatting.NOTHING),
    )


def _resource_cells(row: ResourceRow) -> tuple[str, ...]:
    resource = row.resource
    charge = row.state_of_charge
    return (
        resource.resource_name,
        resource.kind.value,
        resource.status.value,
        formatting.power(row.power_kw),
        f"{resource.power_min_kw:g} to {resource.power_max_kw:g} kW",
        formatting.NOTHING
        if charge is None
        else f"{charge:.0%} of {resource.energy_max_kwh:g} kWh",
        formatting.shortened("; ".join(row.follows)) or "nothing",
    )
