"""Reaches what stands in the rooms of a container."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from containers import Container


def provider(container: Container, path: str) -> Any:
    """The provider at 'room.name': to be reset, or given other arguments."""
    return attrgetter(path)(container)
