"""The page of the gateway: all shards of the fleet, each with its own page behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from nicegui import run, ui

from app.ops.page import formatting
from app.ops.page.services import GatewayPageServices, NodeRow, ShardRow
from app.ops.page.shell import REFRESH_S
from app.ops.page.site import run_site
from app.ops.page.style import STYLE
from app.ops.page.widgets import Figures, Grid, button

KINDS, NODES = 8, 32
COLUMNS = ["shard", "run by", "epoch", "VENs", "power", "readings waiting", "last report", "health"]


def make_gateway_site(services: GatewayPageServices) -> Any:
    """One view; what stands behind its links, others serve."""
    ui.page("/")(_make_view(services))
    return run_site()


def _make_view(services: GatewayPageServices) -> Callable[[], None]:
    def shards() -> None:
        ui.page_title("VEN fleet")
        ui.add_css(STYLE)
        with ui.header(fixed=False).classes("head"):
            ui.link("To the content", "#content").classes("skip")
            ui.label("VEN fleet").classes("brand")
            well = ui.label("").classes("well").props("role=status")
        with ui.element("div").props("id=content tabindex=-1"):
            with ui.element("h1"):
                ui.label("Shards")
            figures = Figures("shards run", "power now", "VENs", "readings waiting")
            grid = Grid(
                "Open one to see its VENs, events, tasks and deliveries",
                COLUMNS,
                rows=services.shards,
                link=lambda number: f"/shards/{number}/",
                numbers=["epoch", "VENs", "power", "readings waiting"],
            )
            with ui.element("div") as cluster:
                nodes = Grid(
                    "Nodes of the cluster",
                    ["node", "address", "shards", "CPUs", "gateway", "restarts"],
                    rows=NODES,
                    numbers=["CPUs", "restarts"],
                )
            kinds = Grid(
                "Power now, by kind; what is negative is exported",
                ["kind", "power"],
                rows=KINDS,
                numbers=["power"],
            )
            with ui.element("h2"):
                ui.label("VENs")
            with ui.element("div").classes("form"):
                name = ui.input("Name of a VEN").props("clearable dense")
                name.on("keydown.enter", lambda: _open(name.value))
                button("Open", lambda: _open(name.value), main=True)

        async def show() -> None:
            rows = await run.io_bound(services.rows)
            if rows is None:  # the application stops
                return
            text, how = _in_words(rows)
            well.set_text(text)
            well.classes(remove="ill odd fine").classes(add=how)
            machines = await run.io_bound(services.nodes) or ()
            cluster.set_visibility(bool(machines))
            nodes.show([(each.name, _node_cells(each)) for each in machines[:NODES]])
            grid.show([(row.number, _cells(row, services.clock())) for row in rows])
            power_kw: Counter[str] = Counter()
            for row in rows:
                power_kw.update(row.power_kw)
            kinds.show(
                [(kind, (kind, formatting.power(kw))) for kind, kw in sorted(power_kw.items())]
            )
            figures.show(
                shards_run=f"{sum(row.holder is not None for row in rows)} of {len(rows)}",
                power_now=formatting.power(sum(power_kw.values()) if power_kw else None),
                VENs=_sum(row.vens for row in rows),
                readings_waiting=_sum(row.waiting_readings for row in rows),
            )

        ui.timer(REFRESH_S, show)

    return shards


def _in_words(rows: Sequence[ShardRow]) -> tuple[str, str]:
    """How all of it is, and a class of the style."""
    problems = [f"shard {row.number}: {row.problem}" for row in rows if row.problem]
    if problems:
        return "; ".join(problems), "ill"
    warnings = [f"shard {row.number}: {each}" for row in rows for each in row.warnings]
    if warnings:
        return f"All else is well; {'; '.join(warnings)}", "odd"
    return "All is well", "fine"


def _cells(row: ShardRow, now: datetime) -> tuple[str, ...]:
    return (
        f"shard {row.number}",
        row.holder or "nobody",
        formatting.NOTHING if row.epoch is None else str(row.epoch),
        _count(row.vens),
        formatting.power(sum(row.power_kw.values()) if row.power_kw else None),
        _count(row.waiting_readings),
        formatting.ago(row.last_report_at, now),
        formatting.shortened(row.problem or "; ".join(row.warnings) or "well"),
    )


def _node_cells(node: NodeRow) -> tuple[str, ...]:
    shards = ", ".join(map(str, node.shards)) or formatting.NOTHING
    return (
        node.name,
        node.address,
        shards if node.is_member else "none: other settings, or another version",
        str(node.cpus),
        "yes" if node.has_gateway else "no",
        str(node.restarts),
    )


def _count(number: int | None) -> str:
    return formatting.NOTHING if number is None else formatting.count(number)


def _sum(numbers: Iterable[int | None]) -> str:
    """Of those that are known."""
    known = [number for number in numbers if number is not None]
    return formatting.count(sum(known)) if known else formatting.NOTHING


def _open(ven_name: str | None) -> None:
    """The page of a VEN, in whatever shard it is."""
    name = (ven_name or "").strip()
    if name:
        ui.navigate.to(f"/vens/{quote(name, safe='')}")
