"""What several views are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from app.ops.page.formatting import NOTHING

Press = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Action:
    """A button in each row; `press` gets the row's key."""

    name: str
    press: Press
    shown: Callable[[Any], bool] = lambda _: True


def button(name: str, press: Callable[[], Any], *, main: bool = False) -> Any:
    """`main`: what is most often pressed where it stands."""
    made = ui.button(name, on_click=press, color=None).props("no-caps dense unelevated")
    return made.classes("main") if main else made


class Grid:
    """A table of so many rows that are filled again and again, and made once.

    `link` gives the address behind the first cell of a row; `numbers`: the columns to align as
    such; `none`: what is said where there is no row.
    """

    def __init__(
        self,
        caption: str,
        columns: Sequence[str],
        *,
        rows: int,
        actions: Sequence[Action] = (),
        link: Callable[[Any], str] | None = None,
        numbers: Collection[str] = (),
        none: str = "Nothing to show.",
    ) -> None:
        self._keys: list[Any] = [None] * rows
        self._rows: list[Any] = []
        self._cells: list[list[Any]] = []
        self._buttons: list[list[Any]] = []
        self._actions = actions
        self._link = link
        self._columns = columns
        self._numbers = numbers
        scrolls = ui.element("div").classes("scrolls").props("tabindex=0 role=region")
        scrolls.props["aria-label"] = caption
        how = "narrow" if len(columns) < 3 else "cards"  # on a phone, where there is no room
        with scrolls, ui.element("table").classes(f"grid {how}"):
            with ui.element("caption"):
                ui.label(caption)
            with ui.element("thead"), ui.element("tr"):
                first, *others = columns
                for column in (first, *(["actions"] if actions else ()), *others):
                    with ui.element("th").props("scope=col").classes(self._alignment(column)):
                        ui.label(column)
            with ui.element("tbody"):
                for place in range(rows):
                    self._add_row(place)
        self._empty = ui.label(none).classes("quiet")

    def _alignment(self, column: str) -> str:
        return "number" if column in self._numbers else ""

    def _cell(self, column: str) -> Any:
        made = ui.element("td").classes(self._alignment(column))
        made.props["data-label"] = column  # where a phone has no room for a head
        return made

    def _add_row(self, place: int) -> None:
        first, *others = self._columns
        with ui.element("tr") as row:
            with self._cell(first):
                cells: list[Any] = [ui.label("") if self._link is None else ui.link("", "#")]
            buttons = []
            if self._actions:  # where a phone shows them
                with self._cell("actions").classes("actions"):
                    buttons += [self._button(place, action) for action in self._actions]
            for column in others:
                with self._cell(column):
                    cells.append(ui.label(""))
        row.set_visibility(False)
        self._rows.append(row)
        self._cells.append(cells)
        self._buttons.append(buttons)

    def _button(self, place: int, action: Action) -> Any:
        async def press() -> None:
            await action.press(self._keys[place])

        return button(action.name, press)

    def show(self, rows: Sequence[tuple[Hashable, Sequence[str]]]) -> None:
        """These rows: a key, and the text of each cell."""
        for place, row in enumerate(self._rows):
            there = place < len(rows)
            row.set_visibility(there)
            if not there:
                continue
            key, texts = rows[place]
            self._keys[place] = key
            for cell, text in zip(self._cells[place], texts, strict=True):
                cell.set_text(text)
            if self._link is not None:
                first = self._cells[place][0]
                target = self._link(key)
                if first.props.get("href") != target:
                    first.props["href"] = target
            for button, action in zip(self._buttons[place], self._actions, strict=True):
                button.set_visibility(action.shown(key))
                if button.props.get("aria-label") != (label := f"{action.name} {texts[0]}"):
                    button.props["aria-label"] = label
        self._empty.set_visibility(not rows)

    def say_if_empty(self, words: str) -> None:
        """What is said where there is no row."""
        self._empty.set_text(words)


class Pager:
    """Where in a list one is: `skip` entries from its begin."""

    def __init__(self, *, rows: int, changed: Callable[[], Awaitable[None]]) -> None:
        self.rows = rows
        self.skip = 0
        self._total = 0
        self._changed = changed
        with ui.row().classes("pager") as self._row:
            self._before = button("Previous", lambda: self._go(-rows))
            self._where = ui.label("")
            self._after = button("Next", lambda: self._go(rows))

    async def _go(self, by: int) -> None:
        self.skip = max(0, min(self.skip + by, max(self._total - 1, 0)))
        await self._changed()

    def show(self, total: int) -> None:
        """How many there are."""
        self._total = total
        self._row.set_visibility(total > self.rows)
        last = min(self.skip + self.rows, total)
        self._where.set_text(f"{min(self.skip + 1, total):,} to {last:,} of {total:,}")
        self._before.set_enabled(self.skip > 0)
        self._after.set_enabled(last < total)


class Figures:
    """A row of numbers with their names."""

    def __init__(self, *names: str) -> None:
        self._values: dict[str, Any] = {}
        with ui.element("dl").classes("figures"):
            for name in names:
                with ui.element("div"):
                    with ui.element("dt"):
                        ui.label(name)
                    with ui.element("dd"):
                        self._values[name] = ui.label(NOTHING)

    def show(self, **values: str) -> None:
        """By name, with spaces as underscores."""
        for name, value in values.items():
            self._values[name.replace("_", " ")].set_text(value)


def scrolling_drawing(description: str) -> Any:
    """Where an SVG of ours goes; a keyboard can scroll it."""
    made = ui.html("", sanitize=False).classes("drawing").props("tabindex=0 role=region")
    made.props["aria-label"] = description
    return made
