"""How far something that takes long has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many of how many are done."""


def no_progress(done: int, total: int) -> None:
    """For those who do not watch."""
