"""What the page costs: delivery with a browser that looks at it, and how soon a view is there.

    python -m bench.page

A real Chromium on the same two cores, so that what it takes itself is in the figures, too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.delivery import delivered_per_s
from bench.fleet import Shape, fleet, sink
from bench.rows import Row, ratio, table
from containers import Container
from tests.support.browser import Window, browser
from tests.support.servers import free_port

SHAPE = Shape(287, 46)
MANY = Shape(10_000, 10)
SOMETHING = "tbody tr:visible, dd:visible, svg"
VIEWS = ("/", "/events", "/tasks", "/delivery", "/wiring")


@contextmanager
def shown(shape: Shape) -> Iterator[tuple[Container, Callable[[], Window]]]:
    """A fleet with its page, and what opens it in a browser.

    The page is served before there is a browser: both want an event loop of their own.
    """
    port = free_port()
    with (
        sink() as vtn,
        tempfile.TemporaryDirectory() as directory,
        fleet(shape, vtn.base_url, Path(directory), ops={"port": port}) as container,
    ):
        server = container.ops_server()
        server.start()
        server.open_page()
        delivered_per_s(container, 1)
        with browser() as chromium:
            yield container, lambda: Window(chromium, f"http://127.0.0.1:{port}")
        container.stopping().set()
        server.close()


def rows(shape: Shape = SHAPE, *, rounds: int = 5, ticks: int = 80) -> list[Row]:
    """Delivery with nobody looking and with the fleet's view open, in turn; then each view."""
    alone: list[float] = []
    watched: list[float] = []
    seen_s: dict[str, list[float]] = {view: [] for view in VIEWS}
    with shown(shape) as (container, open_window):
        for _ in range(rounds):
            alone.append(delivered_per_s(container, ticks))
            window = open_window()
            window.page.goto("/")
            window.page.locator(SOMETHING).first.wait_for()
            watched.append(delivered_per_s(container, ticks))
            _look(window, seen_s)
            window.close()
    section = f"page, {shape}"
    of_alone = Row(section=section, name="nobody looks", values=alone, unit="readings/s")
    of_watched = Row(section=section, name="a browser looks", values=watched, unit="readings/s")
    return [
        of_alone,
        of_watched,
        ratio(section, "ratio", of_watched, of_alone, goal=""),
        *_views(section, seen_s),
    ]


def rows_of_many(shape: Shape = MANY, *, rounds: int = 3) -> list[Row]:
    """How soon each view of a large fleet is there."""
    seen_s: dict[str, list[float]] = {view: [] for view in VIEWS}
    with shown(shape) as (_, open_window):
        window = open_window()
        window.page.goto("/")  # the first one loads what all share
        for _ in range(rounds):
            _look(window, seen_s)
        window.close()
    return _views(f"page, {shape}", seen_s)


def _look(window: Window, seen_s: dict[str, list[float]]) -> None:
    """At each view, until it shows something."""
    for view in VIEWS:
        began_s = time.perf_counter()
        window.page.goto(view)
        window.page.get_by_role("heading", level=1).wait_for()
        window.page.locator(SOMETHING).first.wait_for()
        seen_s[view].append(time.perf_counter() - began_s)


def _views(section: str, seen_s: dict[str, list[float]]) -> list[Row]:
    return [
        Row(section=section, name=f"view {view}", values=values, unit="s", goal="<= 1")
        for view, values in seen_s.items()
    ]


if __name__ == "__main__":
    print(table([*rows(), *rows_of_many()]))
