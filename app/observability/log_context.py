"""What the lines of a log are about: the task, the VEN and the report at hand.

Whoever begins something names it; lines that are written meanwhile, by whatever part, carry it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

_NOTHING: Mapping[str, str] = {}
_names: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=_NOTHING)


class log_context:  # noqa: N801 - read as `with log_context(ven="Aarhus"):`
    """Until it ends, lines of this thread are about these, and about what they were before."""

    # A class, and not a generator: it is entered for every report.
    __slots__ = ("_names", "_token")

    def __init__(self, **names: str) -> None:
        self._names = names

    def __enter__(self) -> None:
        self._token = _names.set({**_names.get(), **self._names})

    def __exit__(self, *_: object) -> None:
        _names.reset(self._token)


def current_log_context() -> Mapping[str, str]:
    """What it is about now."""
    return _names.get()
