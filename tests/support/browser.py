"""A real Chromium, without a window, and what a person sees in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.needed import program

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
"""Git-ignored; the README's pictures are copies."""
DESKTOP, PHONE = (1300, 900), (390, 844)
PATIENCE_MS = 15_000


def chromium() -> str:
    """Its path."""
    return program("chromium", "chromium-browser", package="chromium")


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without a sandbox: tests may run as root, and see only pages of ours.
        made = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield made
        made.close()


class Window:
    """One page of a browser, with what it complained of."""

    def __init__(
        self, of: Browser, base_url: str, *, dark: bool = False, size: tuple[int, int] = DESKTOP
    ) -> None:
        width, height = size
        self._context = of.new_context(
            base_url=base_url,
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": height},
        )
        self._context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self._context.new_page()
        self.complaints: list[str] = []
        self.bytes_received = 0
        """Over HTTP, and over the page's socket."""
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfinished", self._weigh)
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._weigh_frame))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _weigh(self, request: Any) -> None:
        sizes = request.sizes()
        self.bytes_received += sizes["responseBodySize"] + sizes["responseHeadersSize"]

    def _weigh_frame(self, payload: str | bytes) -> None:
        self.bytes_received += len(payload)

    def look_at(self, path: str) -> None:
        """Go there, and wait until it is connected and shows something of now."""
        self.page.goto(path)
        self.page.get_by_role("status").get_by_text("is well").wait_for()

    def row(self, name: str) -> Any:
        """The row of a table that begins with this text."""
        return self.page.locator("tbody tr:visible").filter(
            has=self.page.get_by_text(name, exact=True)
        )

    def figure(self, name: str) -> str:
        """The number under this name."""
        own = self.page.locator(".figures > div").filter(
            has=self.page.get_by_text(name, exact=True)
        )
        return str(own.locator("dd").inner_text())

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def cell(self, row: str, column: str) -> str:
        """The text in a row under a heading."""
        heads = self.page.locator("table").filter(has=self.row(row)).locator("thead th")
        place = [text.strip() for text in heads.all_inner_texts()].index(column)
        return str(self.row(row).locator("td").nth(place).inner_text()).strip()

    def series(self) -> list[dict[str, Any]]:
        """The lines of the chart, as the browser draws them."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """() => {
                const chart = document.querySelector(".nicegui-echart");
                return getElement(parseInt(chart.id.slice(1))).chart.getOption().series;
            }"""
        )
        return found

    def lines(self) -> dict[str, list[float]]:
        """The values of each line of the chart, by its name."""
        return {
            str(each["name"]): [value for _, value in each["data"]] for each in self.series() or ()
        }

    def barriers(self) -> list[str]:
        """What axe finds that keeps people out."""
        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]

    def shoot(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def close(self) -> None:
        self._context.close()
