"""The view of the sources of measurements, and that of one resource."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, urlencode

from nicegui import run, ui

from app.intake import SourceStatus
from app.ops.page import formatting
from app.ops.page.services import PageServices
from app.ops.page.shell import REFRESH_S, Shell
from app.ops.page.widgets import Figures, Grid

ROWS = 25


def make_sources_view(services: PageServices) -> Callable[[], None]:
    """The page's function."""

    def sources() -> None:
        shell = Shell(services)
        with shell.around("Sources"):
            ui.label(
                "Where the measurements of real meters come from, as SOURCES_FILE says. Counted"
                " since the application started."
            ).classes("quiet")
            table = Grid(
                "Sources",
                [
                    *(
                        "source",
                        "state",
                        "resources",
                        "without fresh data",
                        "newest measurement",
                        "rate",
                    ),
                    *("taken", "repeated", "corrected", "late", "refused", "ignored"),
                    "unknown devices",
                ],
                rows=ROWS,
                numbers=[
                    *("resources", "without fresh data", "rate", "taken", "repeated"),
                    *("corrected", "late", "refused", "ignored", "unknown devices"),
                ],
                none="There is no source: every resource is simulated, or not metered.",
            )
            not_let_in = ui.label().classes("quiet")
            reasons = Grid(
                "Why measurements were refused",
                ["source", "reason", "measurements"],
                rows=ROWS,
                numbers=["measurements"],
                none="None was refused.",
            )
            stale = Grid(
                "Resources without fresh data",
                ["resource", "VEN", "source"],
                rows=ROWS,
                link=lambda key: resource_address(*key),
                none="Every resource of a live source has fresh data.",
            )

        async def show() -> None:
            statuses = await run.io_bound(services.sources.all)
            if statuses is None:
                return
            now = services.clock()
            table.show([(each.source.name, _cells(each, now)) for each in statuses[:ROWS]])
            count = services.sources.without_token
            not_let_in.set_text(
                f"{count:,} requests were not let in: they had the token of no source; the log says"
                " from where they came."
                if count
                else ""
            )
            why = [
                (
                    (each.source.name, reason),
                    (each.source.name, formatting.shortened(reason), f"{count:,}"),
                )
                for each in statuses
                for reason, count in each.counts.reasons.most_common()
            ]
            reasons.show(why[:ROWS])
            old = [
                ((ven, name), (name, ven, each.source.name))
                for each in statuses
                for ven, name in each.stale
            ]
            stale.show(old[:ROWS])

        shell.every(REFRESH_S, show)

    return sources


def make_resource_view(services: PageServices) -> Callable[..., None]:
    """The page's function; it gets the names of a VEN and of its resource."""

    def resource(ven: str = "", name: str = "") -> None:
        ven_name, resource_name = ven, name
        shell = Shell(services)
        with shell.around("Fleet", resource_name):
            ui.link(ven_name, f"/vens/{quote(ven_name, safe='')}")
            figures = Figures("source", "device", "kind", "status", "limits")
            problem = ui.label("").classes("ill")
            table = Grid(
                "Its last measurements",
                ["start, UTC", "end", "quantity", "value", "quality"],
                rows=ROWS,
                numbers=["value"],
                none="There is no measurement of the last day.",
            )

        async def show() -> None:
            found = await run.io_bound(services.resources.find, ven_name, resource_name, ROWS)
            if found is None:
                problem.set_text(f"VEN {ven_name!r} has no resource {resource_name!r}.")
                return
            problem.set_text("")
            known = found.resource
            figures.show(
                source=known.source or formatting.NOTHING,
                device=known.meter if known.has_meter else formatting.NOTHING,
                kind=known.kind.value,
                status=known.status.value,
                limits=f"{known.power_min_kw:g} to {known.power_max_kw:g} kW",
            )
            table.show([(place, row) for place, row in enumerate(found.measurements)])

        shell.every(REFRESH_S, show)

    return resource


def resource_address(ven_name: str, resource_name: str) -> str:
    """Names may hold anything, so that they are no parts of a path."""
    return f"/resource?{urlencode({'ven': ven_name, 'name': resource_name})}"


def _cells(status: SourceStatus, now: datetime) -> tuple[str, ...]:
    counts = status.counts
    return (
        status.source.name,
        _state(status),
        formatting.count(status.resources),
        formatting.NOTHING if not status.source.is_live else formatting.count(len(status.stale)),
        formatting.ago(status.newest, now),
        f"{counts.per_second:,.1f}/s",
        *(formatting.count(each) for each in (counts.taken, counts.repeated, counts.corrected)),
        *(formatting.count(each) for each in (counts.late, counts.refused)),
        formatting.count(counts.ignored + counts.dropped),
        formatting.count(status.unknown),
    )


def _state(status: SourceStatus) -> str:
    """Of a source that we connect to, whether we are."""
    if status.source.type != "mqtt":
        return formatting.NOTHING
    away = status.counts.away
    return "connected" if away is None else formatting.shortened(f"away: {away}")
