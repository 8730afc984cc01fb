"""What the page costs: delivery with a browser that looks at it, and how soon a view is there.

    python -m bench.page

A real Chromium on the same two cores, so that what it takes itself is in the figures, too.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.delivery import delivered_per_s
from bench.fleet import Shape, fleet, sink
from bench.rows import Row, ratio, table
from soak.fleet import free_port
from tests.support.browser import Window, browser

SHAPE = Shape(287, 46)
VIEWS = ("/", "/events", "/tasks", "/delivery", "/wiring")


def rows(shape: Shape = SHAPE, *, rounds: int = 5, ticks: int = 8) -> list[Row]:
    """Delivery with nobody looking and with the fleet's view open, in turn; then each view."""
    alone: list[float] = []
    watched: list[float] = []
    seen_s: dict[str, list[float]] = {view: [] for view in VIEWS}
    port = free_port()
    with (
        sink() as vtn,
        tempfile.TemporaryDirectory() as directory,
        fleet(shape, vtn.base_url, Path(directory), ops={"port": port}) as container,
        browser() as chromium,
    ):
        server = container.ops_server()
        server.start()
        server.open_page()
        delivered_per_s(container, 1)
        for _ in range(rounds):
            alone.append(delivered_per_s(container, ticks))
            window = Window(chromium, f"http://127.0.0.1:{port}")
            window.page.goto("/")
            window.page.get_by_role("link", name="Aarhus", exact=True).wait_for()
            watched.append(delivered_per_s(container, ticks))
            for view in VIEWS:
                began_s = time.perf_counter()
                window.page.goto(view)
                window.page.get_by_role("heading", level=1).wait_for()
                window.page.locator("tbody tr, dd").first.wait_for(state="attached")
                seen_s[view].append(time.perf_counter() - began_s)
            window.close()
        container.stopping().set()
        server.close()
    section = f"page, {shape}"
    of_alone = Row(section=section, name="nobody looks", values=alone, unit="readings/s")
    of_watched = Row(section=section, name="a browser looks", values=watched, unit="readings/s")
    return [
        of_alone,
        of_watched,
        ratio(section, "ratio", of_watched, of_alone, goal=""),
        *(
            Row(section=section, name=f"view {view}", values=values, unit="s", goal="<= 1")
            for view, values in seen_s.items()
        ),
    ]


if __name__ == "__main__":
    print(table(rows()))
