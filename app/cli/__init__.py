"""The commands of `ven-fleet` and `python -m app`."""

from app.cli.commands import main

__all__ = ["main"]
