"""The fleet as columns: what is computed for all resources at once, and nothing per resource."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from app.fleet import Resource, ResourceKind
from app.readings import Columns, Float32, Roster

Scalar = TypeVar("Scalar", bound=np.generic)

Span = tuple[datetime, datetime]
"""From one instant to another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceArrays:
    """Resources and their limits, one array element per column of the roster; read-only."""

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
    is_metered: npt.NDArray[np.bool_]
    """Whether a real meter measures it; else its readings are simulated."""
    is_part: bool = False
    """Whether these are one VEN's, cut out of the arrays of all for a moment."""

    @classmethod
    def of(
        cls, approved: Iterable[tuple[str, Resource]], comfort_h: Mapping[ResourceKind, float]
    ) -> ResourceArrays:
        """The arrays of these (VEN's name, resource), in their order, VEN by VEN.

        `comfort_h`: for how many hours at rated power a kind can put off or bring forward. None of
        the resources is kept.
        """
        place = {kind: number for number, kind in enumerate(ResourceKind)}
        kinds, is_storage, is_metered = array("b"), array("b"), array("b")
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
                is_metered.append(resource.has_meter)
        return cls(
            roster=Roster(rows),
            kinds=_frozen(np.array(kinds, dtype=np.intp)),
            lowest_kw=_frozen(np.array(lowest, dtype=np.float32)),
            highest_kw=_frozen(np.array(highest, dtype=np.float32)),
            store_min_kwh=_frozen(np.array(store_min, dtype=np.float32)),
            store_max_kwh=_frozen(np.array(store_max, dtype=np.float32)),
            is_storage=_frozen(np.array(is_storage, dtype=np.bool_)),
            is_metered=_frozen(np.array(is_metered, dtype=np.bool_)),
        )

    @cached_property
    def rated_kw(self) -> Float32:
        """The larger of what each can consume and export."""
        return np.maximum(np.abs(self.lowest_kw), np.abs(self.highest_kw))

    @cached_property
    def of_kind(self) -> Mapping[ResourceKind, Columns]:
        """The columns of each kind that there is."""
        by_kind = ((kind, np.flatnonzero(self.kinds == n)) for n, kind in enumerate(ResourceKind))
        return {kind: columns for kind, columns in by_kind if len(columns)}

    def part(self, ven_name: str) -> ResourceArrays:
        """The arrays of one VEN."""
        columns = self.roster.columns(ven_name)
        return ResourceArrays(
            roster=Roster([(ven_name, self.roster.names(ven_name))]),
            kinds=self.kinds[columns],
            lowest_kw=self.lowest_kw[columns],
            highest_kw=self.highest_kw[columns],
            store_min_kwh=self.store_min_kwh[columns],
            store_max_kwh=self.store_max_kwh[columns],
            is_storage=self.is_storage[columns],
            is_metered=self.is_metered[columns],
            is_part=True,
        )

    @property
    def has_store(self) -> npt.NDArray[np.bool_]:
        """Whether each can store anything."""
        return self.store_max_kwh > self.store_min_kwh


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlInput:
    """What resources are to answer: one step of time, one array element per column."""

    now: datetime
    step_h: float
    """How long the answer will hold; 0 where nothing is known of it."""
    shape_kw: Float32
    """What each would do without events, within its limits of power."""
    mean_kw: Float32
    """The mean of `shape_kw` over a year."""
    stored_kwh: Float32
    is_fixed: npt.NDArray[np.bool_] | None = None
    """Whether each does what it does, whatever is asked, as who opted out; None: none of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlResult:
    """What resources are asked to do, one array element per column."""

    commanded_kw: Float32
    """The power of each, where it obeys; what it measures is another matter."""
    baseline_kw: Float32
    """What they would have done without any event."""
    stored_kwh: Float32
    """At the end of the step."""
    lowest_kw: Float32
    highest_kw: Float32
    """What they could have done at the least and at the most."""
    level: npt.NDArray[np.int8]
    """The active SIMPLE level; 0: none."""
    setpoint_kw: Float32
    """The active set point; NaN: none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """What the resources of one VEN are expected to do in a span."""

    names: tuple[str, ...]
    """The resources, in the order of the arrays."""
    result: ControlResult


class ControlModel(Protocol):
    """How resources answer what their VENs are asked."""

    comfort_h: Mapping[ResourceKind, float]

    def answer(self, resources: ResourceArrays, inputs: ControlInput) -> ControlResult:
        """What these resources are asked to do."""


def _store_kwh(resource: Resource, comfort_h: Mapping[ResourceKind, float]) -> tuple[float, float]:
    if resource.energy_max_kwh > 0:
        return resource.energy_min_kwh, resource.energy_max_kwh
    rated_kw = max(abs(resource.power_min_kw), abs(resource.power_max_kw))
    return 0.0, 2 * comfort_h.get(resource.kind, 0.0) * rated_kw


def _frozen(values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    values.flags.writeable = False  # who computes with limits must not change them
    return values


def half_full(resources: ResourceArrays) -> Float32:
    """What is stored when nothing else is known: half of what can be, kWh."""
    half: Any = (resources.store_min_kwh + resources.store_max_kwh) / 2
    return np.asarray(half, dtype=np.float32)
