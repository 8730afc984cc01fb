"""Whose value stands in which column of an array of readings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from app.platform import json_bytes

Float32 = npt.NDArray[np.float32]
Columns = npt.NDArray[np.intp]


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
        return {
            ven: tuple(json_bytes(name) for name in names) for ven, names in self._names.items()
        }

    def quoted_names(self, ven_name: str) -> tuple[bytes, ...]:
        """`names` as JSON strings."""
        return self._quoted.get(ven_name, ())

    def __iter__(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        return iter(self._names.items())


def column_map(source: Roster, target: Roster) -> Columns | None:
    """Where each column of the target stands in the source, -1 for nowhere; None: all the same."""
    if source is target:
        return None
    where = np.full(target.size, -1, dtype=np.intp)
    for ven_name, names in target:  # which may be a small part of the source
        own, begin = source.names(ven_name), source.columns(ven_name).start
        if own == names:
            where[target.columns(ven_name)] = range(begin, begin + len(own))
        elif own:
            place = {name: begin + number for number, name in enumerate(own)}
            where[target.columns(ven_name)] = [place.get(name, -1) for name in names]
    return where


def realign(values: Float32, where: Columns | None, otherwise: Float32) -> Float32:
    """The values in other columns; `otherwise` where there is none, or NaN."""
    aligned = values
    if where is not None:
        aligned = np.full(len(where), np.nan, dtype=np.float32)
        there = where >= 0
        aligned[there] = values[where[there]]
    return np.where(np.isnan(aligned), otherwise, aligned).astype(np.float32)
