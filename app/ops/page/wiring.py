"""The view of the wiring: every provider of the container, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from nicegui import ui

from app.observability import Node
from app.ops.page import drawing, formatting
from app.ops.page.services import PageServices
from app.ops.page.shell import Shell
from app.ops.page.widgets import Grid, scrolling_drawing

ALL = "all providers"
INITIAL_FOCUS = "ven_manager"
"""Around what one begins to look: its name in the container itself."""


def around(nodes: Sequence[Node], name: str) -> list[Node]:
    """A provider with what it is given, and with what it is given to; and no other lines."""
    given = {needed for node in nodes if node.name == name for needed in node.needs}
    nearby = []
    for node in nodes:
        if node.name == name:
            nearby.append(node)
        elif name in node.needs or node.name in given:
            nearby.append(replace(node, needs=tuple({name} & set(node.needs))))
    return nearby


def make_wiring_view(services: PageServices) -> Callable[[], None]:
    """The page's function."""

    def wiring() -> None:
        shell = Shell(services)
        with shell.around("Wiring"):
            nodes = services.wiring()
            replaced = [node.name for node in nodes if node.overridden_by]
            ui.label(
                "One container builds the application: each provider makes one part and gives it"
                " the parts that it depends on. Each column is a room. Overridden, and"
                f" dashed: {', '.join(replaced) or 'none'}."
            ).classes("quiet")
            names = [node.name for node in nodes]
            first = next((node.name for node in nodes if node.alias == INITIAL_FOCUS), ALL)
            choice = ui.select(
                [ALL, *sorted(names)], value=first, label="Show what surrounds", with_input=True
            )
            choice.props("dense")
            choice.classes("short")
            drawn = scrolling_drawing("Which provider depends on which")

            def draw() -> None:
                some = nodes if choice.value == ALL else around(nodes, str(choice.value))
                drawn.set_content(drawing.wiring(some))

            choice.on_value_change(draw)
            draw()
            grid = Grid(
                "Providers of the container",
                ["provider", "kind", "makes", "depends on", "overridden by"],
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
                            node.overridden_by or formatting.NOTHING,
                        ),
                    )
                    for node in nodes
                ]
            )

    return wiring
