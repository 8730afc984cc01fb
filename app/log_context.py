"""What the lines of a log are about: the task, the VEN and the report at hand.

Whoever begins something names it; lines that are written meanwhile, by whatever part, carry it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_NOTHING: Mapping[str, str] = {}
_names: ContextVar[Mapping[str, str]] = ContextVar("about", default=_NOTHING)


@contextmanager
def about(**names: str) -> Iterator[None]:
    """Until it ends, lines of this thread are about these, and about what they were before."""
    token = _names.set({**_names.get(), **names})
    try:
        yield
    finally:
        _names.reset(token)


def at_hand() -> Mapping[str, str]:
    """What it is about now."""
    return _names.get()
