"""How far something that takes long has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Progress = Callable[[int, int], None]
"""Called with how many of how many are done."""
MakeBar = Callable[[str, str], AbstractContextManager[Progress]]
"""Shows progress as long as the block lasts: what is done, and what is counted ('storing',
'resources')."""


def no_progress(done: int, total: int) -> None:
    """For those who do not watch."""


@contextmanager
def no_bar(doing: str, what: str) -> Iterator[Progress]:
    """For those who do not watch."""
    del doing, what
    yield no_progress
