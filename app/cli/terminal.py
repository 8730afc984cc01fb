"""What commands print for people: values from outside are text, whatever is in them."""

from __future__ import annotations

import io
import sys

from rich.console import Console, RenderableType


def show(what: RenderableType) -> None:
    """Print a table, or a line, to stdout. Brackets in it are no markup, and colons no emoji."""
    Console(markup=False, emoji=False, highlight=False).print(what)


def replace_what_cannot_be_shown() -> None:
    """Where a terminal or a pipe is not UTF-8, what it cannot show is a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
