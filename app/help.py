"""What commands share: examples in their help, JSON, rates."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import ProgressColumn, Task
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def examples(*lines: str) -> str:
    """The end of a command's help, as it is written."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


class Rate(ProgressColumn):
    """How many a second."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._what}/s")
