"""Where readings come from, and what one instant of them is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import orjson

PowerKw = npt.NDArray[np.float32]


class Roster:
    """Whose power stands in which column of a frame: VEN by VEN, resource by resource.

    It never changes; a fleet that changes gets another one, so that what was metered keeps the
    names that it was metered under.
    """

    def __init__(self, columns: Iterable[tuple[str, Iterable[str]]]) -> None:
        self._slices: dict[str, slice] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        start = 0
        for ven_name, names in columns:
            self._names[ven_name] = tuple(names)
            self._slices[ven_name] = slice(start, start + len(self._names[ven_name]))
            start = self._slices[ven_name].stop
        self.size = start

    @property
    def ven_names(self) -> Iterable[str]:
        return self._slices.keys()

    def columns(self, ven_name: str) -> slice:
        """The VEN's columns; an empty slice for a VEN that is not in it."""
        return self._slices.get(ven_name, slice(0, 0))

    def names(self, ven_name: str) -> tuple[str, ...]:
        """The resources of a VEN, in the order of its columns."""
        return self._names.get(ven_name, ())

    @cached_property
    def _quoted(self) -> dict[str, tuple[bytes, ...]]:
        return {ven: tuple(map(orjson.dumps, names)) for ven, names in self._names.items()}

    def quoted_names(self, ven_name: str) -> tuple[bytes, ...]:
        """`names` as JSON strings."""
        return self._quoted.get(ven_name, ())

    def __iter__(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        return iter(self._names.items())


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """The power of every approved resource at one instant."""

    taken_at: datetime
    """Aware UTC at microsecond resolution; strictly increasing from frame to frame."""
    profile_index: int
    """Where in the source's data the frame stands; -1 where there is no such thing."""
    roster: Roster
    power_kw: PowerKw
    """One value per column of the roster; positive consumes, negative exports; NaN: no reading."""
    seq: int = 0
    """The number that the store gave it, rising; 0 before it is stored."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The power of one resource at one instant."""

    resource_name: str
    taken_at: datetime
    power_kw: float


class MeterSource(Protocol):
    """What a tick gets its frame from: the simulator, or real meters."""

    def next_frame(self) -> Frame:
        """The next reading of every approved resource, not yet stored."""


class StoreFull(RuntimeError):
    """No frame may be stored now; one line says why."""


class Room(Protocol):
    """What looks after the size of the store of readings."""

    def make_room(self, frame_bytes: int) -> None:
        """Before a frame of this size is stored. StoreFull when there is to be none."""
