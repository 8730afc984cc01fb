"""What stands around every view: where one can go, whether all is well, and who may change what."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import run, ui

from app.fleet import DatabaseError
from app.openadr import VtnError
from app.ops.page.services import PageServices
from app.ops.page.widgets import button

logger = logging.getLogger(__name__)

REFRESH_S = 2.0
Show = Callable[[], Awaitable[None]]
VIEWS = {
    "Fleet": "/",
    "Events": "/events",
    "Tasks": "/tasks",
    "Delivery": "/delivery",
    "Wiring": "/wiring",
}
WHY_NOT = (ValueError, LookupError, RuntimeError, VtnError, DatabaseError, OSError)
"""What is said to who asked, in one line."""


class Shell:
    """One view in one browser."""

    def __init__(self, services: PageServices) -> None:
        self._services = services
        client = ui.context.client
        headers = {name.lower() for name in client.request.headers}
        proxied = not headers.isdisjoint(("forwarded", "x-forwarded-for", "x-forwarded-host"))
        self._who = client.ip or "unknown"
        self._problems: dict[Show, str] = {}
        """Of each part of the view that could not be read."""
        self._admitted = not services.gatekeeper.asks(through_proxy=proxied)

    @contextmanager
    def around(self, title: str) -> Iterator[None]:
        """The view stands between head and foot."""
        ui.page_title(f"{title} · VEN fleet")
        ui.add_css(STYLE)
        with ui.header(fixed=False).classes("head"):  # Quasar's own, beside its <main>
            ui.link("To the content", "#content").classes("skip")
            ui.label("VEN fleet").classes("brand")
            with ui.element("nav").props('aria-label="Views"'):
                for name, address in VIEWS.items():
                    link = ui.link(name, address)
                    if name == title:
                        link.props("aria-current=page")
            self._stale = ui.label("").classes("ill").props("role=alert")
            self._well = ui.label("").classes("well").props("role=status")
        with ui.element("div").props("id=content tabindex=-1"):
            with ui.element("h1"):
                ui.label(title)
            yield
        self.every(REFRESH_S, self._say_how_it_is)

    def every(self, period_s: float, show: Show) -> Show:
        """Show it now, and again and again; what shows it at once, for whoever cannot wait.

        What cannot be read is said, and tried again.
        """

        async def shown() -> None:
            self._problems.pop(show, None)
            try:
                await show()
            except WHY_NOT as error:
                self._problems[show] = f"Not up to date: {error}"
            self._stale.set_text(next(iter(self._problems.values()), ""))

        ui.timer(period_s, shown)
        return shown

    async def _say_how_it_is(self) -> None:
        found = await run.io_bound(self._services.readiness)
        if found is None:  # the application stops
            return
        text = "All is well" if found.ready else "; ".join(found.reasons)
        self._well.set_text(text)
        self._well.classes(remove="ill" if found.ready else "fine")
        self._well.classes(add="fine" if found.ready else "ill")

    async def change(
        self, change: Callable[[str], Any], done: str | Callable[[Any], str], sure: str = ""
    ) -> None:
        """Make a change if this browser may, and say what came of it; `change` is told who asks.

        `done`: in words, or what makes words of the result. `sure`: what is asked before.
        """
        if (sure and not await self._confirmed(sure)) or not await self._may():
            return
        try:
            result = await run.io_bound(change, self._who)
        except WHY_NOT as error:
            ui.notify(str(error), type="negative", close_button="Close", timeout=10_000)
        else:
            words = done if isinstance(done, str) else done(result)
            ui.notify(words, type="positive", timeout=3_000)

    async def _confirmed(self, question: str) -> bool:
        with ui.dialog() as dialog, ui.card():
            ui.label(question)
            with ui.row():
                button("Yes", lambda: dialog.submit(True), main=True)
                button("No", lambda: dialog.submit(False))
        sure = await dialog
        dialog.delete()
        return bool(sure)

    async def _may(self) -> bool:
        if self._admitted:
            return True
        gatekeeper = self._services.gatekeeper
        if not gatekeeper.has_token:
            ui.notify(
                "Nothing can be changed from here: set OPS__TOKEN, and start again.",
                type="negative",
                close_button="Close",
            )
            return False
        with ui.dialog() as dialog, ui.card():
            ui.label("Who changes something here has to know OPS__TOKEN.")
            token = ui.input("Token", password=True).props("autofocus autocomplete=off")
            token.on("keydown.enter", lambda: dialog.submit(token.value))
            with ui.row():
                button("Go on", lambda: dialog.submit(token.value), main=True)
                button("Leave it", lambda: dialog.submit(None))
        given = await dialog
        dialog.delete()
        if not given:
            return False
        if gatekeeper.is_closed():
            ui.notify("Too soon after a wrong token; try again.", type="negative")
            return False
        self._admitted = gatekeeper.admits(given)
        if not self._admitted:
            await run.io_bound(self._services.steering.refused, self._who)
            ui.notify("This is not the token.", type="negative")
        return self._admitted


STYLE = """
:root { --ink: #1d2733; --quiet: #52606d; --line: #cbd2d9; --panel: #f3f5f7; --link: #0b4f86;
  --good: #1a6334; --bad: #a3201a; --paper: #ffffff; --bar: #0b6bb5; --later: #7a8794; }
body.body--dark { --ink: #e4e7eb; --quiet: #a5b1bd; --line: #3e4c59; --panel: #1c242c;
  --link: #8cc4f4; --good: #7bd79a; --bad: #ff9c94; --paper: #12181e; --bar: #4a9fe0;
  --later: #7a8794; }
body { color: var(--ink); background: var(--paper); font-family: system-ui, sans-serif; }
.nicegui-content { padding: 0 !important; display: block !important; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 8px; top: 8px; z-index: 9; background: var(--paper); }
.head { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: baseline; padding: 10px 16px;
  background: var(--panel) !important; color: var(--ink) !important;
  border-bottom: 1px solid var(--line); }
.brand { font-weight: 700; }
.head nav { display: flex; flex-wrap: wrap; gap: 4px 14px; }
a, .nicegui-link { color: var(--link); text-decoration: underline; }
.head a[aria-current] { font-weight: 700; text-decoration: none; color: var(--ink); }
.well { margin-left: auto; }
.fine { color: var(--good); } .ill { color: var(--bad); font-weight: 600; }
#content { padding: 8px 16px 40px; max-width: 1500px; margin: 0 auto; outline: none; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 8px 0; font-weight: 600; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 22px 0 6px; font-weight: 600; }
.quiet { color: var(--quiet); }
.scrolls { overflow-x: auto; }
table.grid { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
table.grid caption { text-align: left; color: var(--quiet); padding: 4px 0; }
table.grid th { text-align: left; font-weight: 600; padding: 4px 10px 4px 0;
  border-bottom: 2px solid var(--line); white-space: nowrap; }
table.grid td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line);
  vertical-align: middle; overflow-wrap: break-word; max-width: 44ch; }
.actions { white-space: nowrap; }
.actions .q-btn { margin-right: 4px; }
.q-btn { color: var(--link); border: 1px solid var(--link); border-radius: 4px; }
.q-btn.main { background: var(--link); color: var(--paper); }
.figures { display: flex; flex-wrap: wrap; gap: 6px 28px; margin: 6px 0; }
.figures dt { color: var(--quiet); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.chart { height: 300px; width: 100%; }
.pager { align-items: center; margin: 8px 0; }
.traceback { white-space: pre-wrap; overflow-wrap: anywhere; font-family: monospace;
  background: var(--panel); padding: 8px; font-size: .85rem; }
.drawing { overflow-x: auto; }
.drawing svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.form { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: end; }
.form .q-field { min-width: 13rem; }
.q-field__label { color: var(--quiet); }
"""
