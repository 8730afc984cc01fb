"""What the page costs: delivery with a browser that looks at it, and how soon a view is there.

    python -m bench.page

A real Chromium on the same two cores, so that what it takes itself is in the figures, too. Each
fleet in a process of its own, as the page starts once per process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import child
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
        server = container.ops.server()
        server.start()
        server.open_page()
        delivered_per_s(container, 1)
        with browser() as chromium:
            yield container, lambda: Window(chromium, f"http://127.0.0.1:{port}")
        container.platform.shutdown().set()
        server.close()


def rows(
    shape: Shape = SHAPE, many: Shape = MANY, *, rounds: int = 5, ticks: int = 80
) -> list[Row]:
    """Delivery with nobody looking and with the fleet open; views of it and of a large one."""
    found = child.call("bench.page", shape=asdict(shape), rounds=rounds, ticks=ticks)
    section = f"page, {shape}"
    alone = Row(section=section, name="nobody looks", values=found["alone"], unit="readings/s")
    watched = Row(
        section=section, name="a browser looks", values=found["watched"], unit="readings/s"
    )
    of_many = child.call("bench.page", shape=asdict(many), rounds=rounds, ticks=0)
    return [
        alone,
        watched,
        ratio(section, "ratio", watched, alone, goal=">= 0.95"),
        *_views(section, found["seen_s"]),
        *_views(f"page, {many}", of_many["seen_s"]),
    ]


def measure(shape: Shape, *, rounds: int, ticks: int) -> dict[str, Any]:
    """Readings per second with nobody looking and with the fleet's view open, in turn; then each
    view, in seconds. Without ticks the views only."""
    alone: list[float] = []
    watched: list[float] = []
    seen_s: dict[str, list[float]] = {view: [] for view in VIEWS}
    with shown(shape) as (container, open_window):
        for _ in range(rounds):
            if ticks:
                alone.append(delivered_per_s(container, ticks))
            window = open_window()
            window.page.goto("/")  # what all views share is loaded, too
            window.page.locator(SOMETHING).first.wait_for()
            if ticks:
                watched.append(delivered_per_s(container, ticks))
            _look(window, seen_s)
            window.close()
    return {"alone": alone, "watched": watched, "seen_s": seen_s}


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


def main() -> None:
    given = child.given()
    shape = Shape(**given["shape"])
    child.answer(measure(shape, rounds=given["rounds"], ticks=given["ticks"]))


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else print(table(rows()))
