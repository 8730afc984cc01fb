"""How far what takes long has come, on a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import rich.progress
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from app.platform import MakeBar, Progress, no_bar


class Rate(ProgressColumn):
    """How many a second."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._what}/s")


@contextmanager
def bars() -> Iterator[MakeBar]:
    """Makes a bar for whatever is counted; nothing elsewhere, where the log says enough.

    None is left on the screen at the end, even if the thread that counts does not get there.
    """
    if not sys.stderr.isatty():
        yield no_bar
        return
    over = threading.Event()
    with ExitStack() as left:

        @contextmanager
        def bar(doing: str, what: str) -> Iterator[Progress]:
            shown = rich.progress.Progress(
                TextColumn(doing),
                BarColumn(),
                MofNCompleteColumn(),
                Rate(what),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            rows: list[TaskID] = []

            def show(done: int, total: int) -> None:
                if not rows and not over.is_set():
                    left.callback(shown.stop)
                    shown.start()
                    rows.append(shown.add_task(doing, total=total))
                if rows:
                    shown.update(rows[0], completed=done, total=total)

            try:
                yield show
            finally:
                if rows:
                    shown.stop()

        try:
            yield bar
        finally:
            over.set()
