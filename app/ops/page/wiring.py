"""The view of the wiring: every provider of the container, and what it is given."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from app.ops.page import drawing, words
from app.ops.page.services import PageServices
from app.ops.page.shell import Shell
from app.ops.page.widgets import Grid, scrolling_drawing


def make_wiring_view(services: PageServices) -> Callable[[], None]:
    """The page's function."""

    def wiring() -> None:
        shell = Shell(services)
        with shell.around("Wiring"):
            nodes = services.wiring()
            ui.label(
                "What a box needs stands to its left; lines from what most need are left out."
                " A dashed box has been overridden."
                " The same as text: python -m app graph"
            ).classes("quiet")
            scrolling_drawing("What is wired to what").set_content(drawing.wiring(nodes))
            grid = Grid(
                "Providers of the container",
                ["provider", "kind", "makes", "is given", "overridden by"],
                rows=max(len(nodes), 1),
            )
            grid.show(
                [
                    (
                        node.name,
                        (
                            node.name,
                            node.kind,
                            node.provides,
                            ", ".join(node.depends_on) or "nothing",
                            node.overridden_by or words.NOTHING,
                        ),
                    )
                    for node in nodes
                ]
            )

    return wiring
