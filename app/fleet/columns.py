"""The fleet as columns: what is computed for all resources at once, and nothing per resource."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.fleet.model import Resource, ResourceKind
from app.platform import dumped

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
        return {ven: tuple(dumped(name) for name in names) for ven, names in self._names.items()}

    def quoted_names(self, ven_name: str) -> tuple[bytes, ...]:
        """`names` as JSON strings."""
        return self._quoted.get(ven_name, ())

    def __iter__(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        return iter(self._names.items())


@dataclass(frozen=True, kw_only=True, eq=False)
class Plant:
    """Resources and their limits, one array element per column of the roster."""

    roster: Roster
    kinds: npt.NDArray[np.intp]
    """The place of each resource's kind in `ResourceKind`."""
    lowest_kw: Float32
    highest_kw: Float32
    store_min_kwh: Float32
    store_max_kwh: Float32
    """What can be stored: the energy of a battery, or what comfort allows a heat pump to put off.
    Equal to `store_min_kwh` for what cannot store."""
    is_storage: npt.NDArray[np.bool_]
    """Whether the store is one that people charge: a battery, a car, a tank."""
    is_part: bool = False
    """Whether it is one VEN of a larger plant, looked at for a moment."""

    @classmethod
    def of(
        cls, approved: Iterable[tuple[str, Resource]], comfort_h: Mapping[ResourceKind, float]
    ) -> Plant:
        """The plant of these (VEN's name, resource), in their order, VEN by VEN.

        `comfort_h`: for how many hours at rated power a kind can put off or bring forward. None of
        the resources is kept.
        """
        place = {kind: number for number, kind in enumerate(ResourceKind)}
        kinds, is_storage = array("b"), array("b")
        lowest, highest, store_min, store_max = (array("f") for _ in range(4))
        rows: list[tuple[str, list[str]]] = []
        for ven_name, group in groupby(approved, key=itemgetter(0)):
            names: list[str] = []
            rows.append((ven_name, names))
            for _, resource in group:
                names.append(resource.resource_name)
                kinds.append(place[resource.kind])
                lowest.append(resource.power_min_kw)
                highest.append(resource.power_max_kw)
                stored_min, stored_max = _store_kwh(resource, comfort_h)
                store_min.append(stored_min)
                store_max.append(stored_max)
                is_storage.append(resource.energy_max_kwh > 0)
        return cls(
            roster=Roster(rows),
            kinds=np.array(kinds, dtype=np.intp),
            lowest_kw=_floats(lowest),
            highest_kw=_floats(highest),
            store_min_kwh=_floats(store_min),
            store_max_kwh=_floats(store_max),
            is_storage=np.array(is_storage, dtype=np.bool_),
        )

    @cached_property
    def rated_kw(self) -> Float32:
        """The larger of what each can consume and export."""
        return np.maximum(np.abs(self.lowest_kw), np.abs(self.highest_kw))

    @cached_property
    def of_kind(self) -> Mapping[ResourceKind, Columns]:
        """The columns of each kind that there is."""
        found = ((kind, np.flatnonzero(self.kinds == n)) for n, kind in enumerate(ResourceKind))
        return {kind: columns for kind, columns in found if len(columns)}

    @cached_property
    def ven_of(self) -> Columns:
        """The place of each resource's VEN in the roster."""
        counts = [len(names) for _, names in self.roster]
        return np.repeat(np.arange(len(counts), dtype=np.intp), counts)

    def part(self, ven_name: str) -> Plant:
        """The plant of one VEN."""
        columns = self.roster.columns(ven_name)
        return Plant(
            roster=Roster([(ven_name, self.roster.names(ven_name))]),
            kinds=self.kinds[columns],
            lowest_kw=self.lowest_kw[columns],
            highest_kw=self.highest_kw[columns],
            store_min_kwh=self.store_min_kwh[columns],
            store_max_kwh=self.store_max_kwh[columns],
            is_storage=self.is_storage[columns],
            is_part=True,
        )

    @property
    def has_store(self) -> npt.NDArray[np.bool_]:
        """Whether each can store anything."""
        return self.store_max_kwh > self.store_min_kwh


@dataclass(frozen=True, kw_only=True, eq=False)
class Situation:
    """What resources are to answer: one step of time, one array element per column."""

    now: datetime
    step_h: float
    """How long the answer will hold; 0 where nothing is known of it."""
    shape_kw: Float32
    """What each would do of itself, within its limits of power."""
    mean_kw: Float32
    """The mean of `shape_kw` over a year."""
    stored_kwh: Float32


@dataclass(frozen=True, kw_only=True, eq=False)
class Response:
    """What resources do, one array element per column."""

    power_kw: Float32
    baseline_kw: Float32
    """What they would have done without any event."""
    stored_kwh: Float32
    """At the end of the step."""
    lowest_kw: Float32
    highest_kw: Float32
    """What they could have done at the least and at the most."""
    level: npt.NDArray[np.int8]
    """The SIMPLE level in force; 0: none."""
    setpoint_kw: Float32
    """The set point in force; NaN: none."""


class Answers(Protocol):
    """How resources answer what their VENs are asked."""

    comfort_h: Mapping[ResourceKind, float]

    def answer(self, plant: Plant, situation: Situation) -> Response:
        """What the resources of the plant do in this situation."""


def _store_kwh(resource: Resource, comfort_h: Mapping[ResourceKind, float]) -> tuple[float, float]:
    if resource.energy_max_kwh > 0:
        return resource.energy_min_kwh, resource.energy_max_kwh
    rated_kw = max(abs(resource.power_min_kw), abs(resource.power_max_kw))
    return 0.0, 2 * comfort_h.get(resource.kind, 0.0) * rated_kw


def _floats(values: array[float]) -> Float32:
    return np.array(values, dtype=np.float32)


def half_full(plant: Plant) -> Float32:
    """What a plant has stored when nothing else is known."""
    half: Any = (plant.store_min_kwh + plant.store_max_kwh) / 2
    return np.asarray(half, dtype=np.float32)


def places(source: Roster, target: Roster) -> Columns | None:
    """Where each column of the target stands in the source, -1 for nowhere; None: all the same."""
    if source is target:
        return None
    place = {
        (ven_name, name): source.columns(ven_name).start + number
        for ven_name, names in source
        for number, name in enumerate(names)
    }
    return np.array(
        [place.get((ven_name, name), -1) for ven_name, names in target for name in names],
        dtype=np.intp,
    )


def moved(values: Float32, where: Columns | None, otherwise: Float32) -> Float32:
    """The values in other columns; `otherwise` where there is none, or NaN."""
    found = values if where is None else np.where(where < 0, np.nan, values[where])
    return np.where(np.isnan(found), otherwise, found).astype(np.float32)
