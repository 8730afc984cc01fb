"""What commands share: examples in their help, and JSON."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def examples(*lines: str) -> str:
    """The end of a command's help, as it is written."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
