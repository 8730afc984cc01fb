"""The view of orders to devices: what is asked, acknowledged and measured, and who opted out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from nicegui import run, ui

from app.actuation import DesiredState, OrderRow, OrdersOverview, OrderStatus
from app.fleet import THE_VEN, OptOut, SetBy
from app.metering import PowerPoint
from app.ops.page import formatting
from app.ops.page.charts import line_chart, show_lines, thinned
from app.ops.page.services import PageServices
from app.ops.page.shell import REFRESH_S, Shell
from app.ops.page.sources import resource_address
from app.ops.page.widgets import Action, Figures, Grid, Pager, button

ROWS = 25


def make_orders_view(services: PageServices) -> Callable[[], None]:
    """The page's function."""

    def orders() -> None:
        actions, overview = services.actions, services.orders
        shell = Shell(services)
        with shell.around("Orders"):
            ui.label(
                "What events ask of real devices. Asked is not measured: what a device does, its"
                " meter says."
            ).classes("quiet")
            figures = Figures("acknowledged", "waiting", "refused", "opted out", "released")

            async def release() -> None:
                await shell.change(
                    actions.release_orders,
                    "All orders end now; none is given until you resume.",
                    sure="End all orders to devices now, and give none until they are resumed?",
                )
                await show_now()

            async def resume() -> None:
                await shell.change(actions.resume_orders, "Orders are given again.")
                await show_now()

            with ui.row():
                button("Release all", release, main=True)
                button("Resume", resume)
            actuators = Grid(
                "Actuators",
                ["actuator", "state", "not taken"],
                rows=ROWS,
                numbers=["not taken"],
                none="There is no actuator: no device is given orders.",
            )
            with ui.element("h2"):
                ui.label("Asked and measured over the last hour, UTC")
            chart = line_chart(
                "Set points that devices acknowledged over the last hour, and what they measured",
                unit="kW",
            )

            async def opt_out(key: tuple[str, str]) -> None:
                await shell.change(
                    lambda who: actions.opt_out(who, *key, reason="on the page"),
                    f"{key[1]} takes no part in events until you opt it in.",
                )
                await show_now()

            in_force = Grid(
                "Orders in force",
                [
                    *("resource", "VEN", "asked", "limits", "level", "measured"),
                    *("usual", "state", "until", "why"),
                ],
                rows=ROWS,
                numbers=("asked", "measured", "usual", "level"),
                actions=[Action("Opt out", opt_out)],
                link=lambda key: resource_address(*key),
                none="Nothing is asked of any device.",
            )

            async def turned() -> None:
                await show_now()

            pager = Pager(rows=ROWS, changed=turned)

            async def opt_in(key: tuple[str, str, SetBy]) -> None:
                await shell.change(
                    lambda who: actions.opt_in(who, key[0], key[1]), "It takes part again."
                )
                await show_now()

            out = Grid(
                "Who has opted out",
                ["what", "VEN", "by", "since", "until", "reason"],
                rows=ROWS,
                actions=[Action("Opt in", opt_in, lambda key: key[2] is SetBy.OPERATOR)],
                none="Everybody takes part.",
            )

            async def show() -> None:
                now = services.clock()
                found = await run.io_bound(_looked, overview, now)
                if found is None:
                    return
                rows, opt_outs, released = found
                by_status = overview.by_status()
                figures.show(
                    **{
                        name: formatting.count(sum(by_status.get(each, 0) for each in statuses))
                        for name, statuses in _FIGURES.items()
                    },
                    opted_out=formatting.count(len(opt_outs)),
                    released=formatting.count(released),
                )
                actuators.show(
                    [
                        (name, (name, status.away or "connected", f"{status.not_taken:,}"))
                        for name, status in sorted(overview.actuators().items())
                    ][:ROWS]
                )
                pager.show(len(rows))
                in_force.show(
                    [
                        (tuple(row.order.key), _cells(row, now))
                        for row in rows[pager.skip : pager.skip + ROWS]
                    ]
                )
                out.show(
                    [
                        ((each.ven_name, each.resource_name, each.set_by), _of_opt_out(each, now))
                        for each in opt_outs[:ROWS]
                    ]
                )

            known: list[datetime] = []

            async def show_power() -> None:
                points = [each for each in services.power.points() if each.asked is not None]
                if points and known != [points[-1].taken_at]:
                    known[:] = [points[-1].taken_at]
                    show_lines(chart, _lines(thinned(points)))

            show_now = shell.every(REFRESH_S, show)
            shell.every(REFRESH_S, show_power)

    return orders


def _looked(overview: OrdersOverview, now: datetime) -> tuple[list[OrderRow], list[OptOut], int]:
    who = overview.who()
    opt_outs = [each for several in who.opt_outs.values() for each in several if each.holds(now)]
    return overview.rows(), opt_outs, len(who.released)


def _lines(points: Sequence[PowerPoint]) -> dict[str, list[tuple[float, float]]]:
    """By the name of each line."""
    asked = [(at.taken_at.timestamp(), at.asked) for at in points if at.asked is not None]
    return {
        "asked": [(at_s, power.asked_kw) for at_s, power in asked],
        "measured": [(at_s, power.measured_kw) for at_s, power in asked],
        "usual": [(at_s, power.usual_kw) for at_s, power in asked],
    }


_FIGURES = {
    "acknowledged": (OrderStatus.ACCEPTED,),
    "waiting": (OrderStatus.WAITING,),
    "refused": (OrderStatus.REFUSED,),
}


def _cells(row: OrderRow, now: datetime) -> tuple[str, ...]:
    order, desired = row.order, row.order.desired or DesiredState()
    limits = [
        f"{way} {formatting.power(limit)}"
        for way, limit in (
            ("import", desired.import_limit_kw),
            ("export", desired.export_limit_kw),
        )
        if limit is not None
    ]
    return (
        order.key.resource_name,
        order.key.ven_name,
        formatting.power(desired.setpoint_kw),
        ", ".join(limits) or formatting.NOTHING,
        formatting.NOTHING if desired.level is None else str(desired.level),
        formatting.power(row.measured_kw),
        formatting.power(order.baseline_kw),
        _state(row),
        formatting.ago(order.until, now),
        formatting.shortened(order.reason or desired.reason) or formatting.NOTHING,
    )


def _state(row: OrderRow) -> str:
    """In words."""
    order = row.order
    if order.is_unanswered:
        return "no answer"
    if order.is_release:
        return "being released"
    if order.status is OrderStatus.WAITING:
        return "sent"
    if order.status is OrderStatus.REFUSED:
        return "refused"
    return "acknowledged" if row.follows else "acknowledged, not followed"


def _of_opt_out(opt_out: OptOut, now: datetime) -> tuple[str, ...]:
    return (
        "the whole VEN" if opt_out.resource_name == THE_VEN else opt_out.resource_name,
        opt_out.ven_name,
        opt_out.set_by.value.lower(),
        formatting.ago(opt_out.since, now),
        formatting.NOTHING if opt_out.until is None else formatting.ago(opt_out.until, now),
        formatting.shortened(opt_out.reason) or formatting.NOTHING,
    )
