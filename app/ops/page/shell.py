"""What stands around every view: where one can go, whether all is well, and who may change what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import run, ui

from app.openadr import VtnError
from app.ops.page.services import PageServices
from app.ops.page.style import STYLE
from app.ops.page.widgets import button
from app.platform import DatabaseError

logger = logging.getLogger(__name__)

REFRESH_S = 2.0
Show = Callable[[], Awaitable[None]]
VIEWS = {
    "Fleet": "/",
    "Events": "/events",
    "Tasks": "/tasks",
    "Sources": "/sources",
    "Orders": "/orders",
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
        self._admitted = not services.token_guard.asks(through_proxy=proxied)

    @contextmanager
    def around(self, view: str, title: str = "") -> Iterator[None]:
        """One of VIEWS stands between head and foot; `title`: where it is about one thing."""
        title = title or view
        ui.page_title(f"{title} · VEN fleet")
        ui.add_css(STYLE)
        with ui.header(fixed=False).classes("head"):  # Quasar's own, beside its <main>
            ui.link("To the content", "#content").classes("skip")
            ui.label("VEN fleet").classes("brand")
            if not self._services.shard.is_whole:
                ui.html('<a href="/">All shards</a>', sanitize=False)
                ui.label(f"Shard {self._services.shard.number}")
            with ui.element("nav").props('aria-label="Views"'):
                for name, address in VIEWS.items():
                    link = ui.link(name, address)
                    if name == view:
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
        readiness = await run.io_bound(self._services.readiness)
        if readiness is None:  # the application stops
            return
        beside = list(readiness.warnings)
        if readiness.paused_tasks:
            beside.append(f"paused by hand: {', '.join(readiness.paused_tasks)}")
        text, how = "All is well", "fine"
        if readiness.reasons:
            text, how = "; ".join([*readiness.reasons, *beside]), "ill"
        elif beside:
            text, how = f"All else is well; {'; '.join(beside)}", "odd"
        self._well.set_text(text)
        self._well.classes(remove="ill odd fine").classes(add=how)

    async def change(
        self, change: Callable[[str], Any], done: str | Callable[[Any], str], sure: str = ""
    ) -> None:
        """Make a change if this browser may, and show the outcome; `change` gets who asks.

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
                button("No", lambda: dialog.submit(False)).props("autofocus")
        sure = await dialog
        dialog.delete()
        return bool(sure)

    async def _may(self) -> bool:
        if self._admitted:
            return True
        token_guard = self._services.token_guard
        if not token_guard.has_token:
            ui.notify(
                "Nothing can be changed from here: set OPS__TOKEN and restart the application.",
                type="negative",
                close_button="Close",
            )
            return False
        with ui.dialog() as dialog, ui.card():
            ui.label("To change something here, give OPS__TOKEN.")
            token = ui.input("Token", password=True).props("autofocus autocomplete=off")
            token.on("keydown.enter", lambda: dialog.submit(token.value))
            with ui.row():
                button("Continue", lambda: dialog.submit(token.value), main=True)
                button("Cancel", lambda: dialog.submit(None))
        given = await dialog
        dialog.delete()
        if not given:
            return False
        self._admitted = token_guard.accepts(given)
        if not self._admitted:
            wait_s = token_guard.refuse(self._who)
            await run.io_bound(self._services.actions.refused, self._who)
            await asyncio.sleep(wait_s)
            ui.notify("That is not the token.", type="negative")
        return self._admitted
