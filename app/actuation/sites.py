"""The resources that share a site with one that is given orders, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from app.actuation.order import Key
from app.control import ResourceArrays
from app.fleet import Resource, ResourceKind

NOTHING = timedelta(0)


@runtime_checkable
class OrderedFleet(Protocol):
    """Who is given orders."""

    def revision(self) -> int: ...

    def sites(self) -> Iterable[tuple[str, Resource]]: ...

    def actuator_of(self, ven_name: str, resource_name: str) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a resource may be asked to change."""

    ramp_kw_per_min: float = 0.0
    """0: at once."""
    min_on: timedelta = NOTHING
    min_off: timedelta = NOTHING


AT_ONCE = Pace()


@dataclass(frozen=True, kw_only=True, eq=False)
class Sites:
    """All resources of the VENs that have one which is given orders."""

    resources: ResourceArrays
    keys: tuple[Key, ...]
    """One per column."""
    actuators: Mapping[int, str]
    """By column, of those that are given orders."""
    paces: Mapping[int, Pace]
    """By column, of those that may not change at once."""

    @classmethod
    def of(
        cls, members: Iterable[tuple[str, Resource]], comfort_h: Mapping[ResourceKind, float]
    ) -> Sites:
        """Of these (VEN's name, resource), VEN by VEN."""
        rows = list(members)
        paces = {
            column: Pace(
                ramp_kw_per_min=resource.ramp_kw_per_min or 0.0,
                min_on=resource.min_on or NOTHING,
                min_off=resource.min_off or NOTHING,
            )
            for column, (_, resource) in enumerate(rows)
        }
        return cls(
            resources=ResourceArrays.of(rows, comfort_h),
            keys=tuple(Key(ven_name, resource.resource_name) for ven_name, resource in rows),
            actuators={
                column: resource.actuator
                for column, (_, resource) in enumerate(rows)
                if resource.actuator
            },
            paces={column: pace for column, pace in paces.items() if pace != AT_ONCE},
        )

    @cached_property
    def columns(self) -> Mapping[Key, int]:
        """Where each resource stands."""
        return {key: column for column, key in enumerate(self.keys)}

    @cached_property
    def actuator_of(self) -> Mapping[Key, str]:
        """By resource."""
        return {self.keys[column]: name for column, name in self.actuators.items()}

    @cached_property
    def ordered(self) -> npt.NDArray[np.bool_]:
        """Which are given orders."""
        found = np.zeros(len(self.keys), dtype=np.bool_)
        found[list(self.actuators)] = True
        return found


class SitesOfFleet:
    """The sites, read again when the fleet has changed. For one thread."""

    def __init__(self, *, fleet: OrderedFleet, comfort_h: Mapping[ResourceKind, float]) -> None:
        self._fleet = fleet
        self._comfort_h = comfort_h
        self._revision: int | None = None
        self._known: Sites | None = None

    def current(self) -> Sites:
        """As they are now. DatabaseError."""
        revision = self._fleet.revision()
        if self._known is None or revision != self._revision:
            self._known = Sites.of(self._fleet.sites(), self._comfort_h)
            self._revision = revision
        return self._known
