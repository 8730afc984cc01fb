"""The capacity of sites: who shares one, and who has to give way (User Guide 8.10.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Columns = npt.NDArray[np.intp]
WAYS = ("IMPORT", "EXPORT")


class Limit(NamedTuple):
    """What the resources that one event is meant for may use together, of one VEN."""

    columns: Columns
    kw: Float32 | float
    """Where it is one number per resource, the smallest counts."""

    def covers(self, other: Limit) -> bool:
        """Whether it is meant for all whom the other one is meant for."""
        return bool(np.isin(other.columns, self.columns).all())


Limits = list[Limit]
"""Of one VEN, what prevails last. One that is meant for nobody but whom a later one is meant for,
too, is none of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedCapacity:
    """Sites that are limited, no resource in two of them. One array element per resource."""

    columns: Columns | slice
    """Who has a share in one."""
    site: Columns
    """In which, by number."""
    most_kw: npt.NDArray[np.float64]
    """The capacity, one element per site."""


def add_limit(limits: Limits, limit: Limit) -> None:
    """One that prevails over those that are there."""
    limits[:] = [each for each in limits if not limit.covers(each)]
    limits.append(limit)


def capacities(
    by_type: Mapping[str, Mapping[str, Limits]], reserved: Mapping[str, Float32 | None], size: int
) -> Mapping[str, Sequence[SharedCapacity]]:
    """By way, IMPORT or EXPORT: all that is limited, what prevails first.

    A part of a site that is limited counts within the limit of the whole, too. A LIMIT prevails
    over what was subscribed and reserved. `by_type`: by payload type and VEN; `reserved`: by way,
    for all resources.
    """
    found: dict[str, list[SharedCapacity]] = {}
    for way in WAYS:
        own = by_type.get(f"{way}_CAPACITY_LIMIT", {})
        subscribed = by_type.get(f"{way}_CAPACITY_SUBSCRIPTION", {})
        of_vens = []
        for ven_name in {**subscribed, **own}:
            merged = [_raised(each, reserved.get(way)) for each in subscribed.get(ven_name, ())]
            for limit in own.get(ven_name, ()):
                add_limit(merged, limit)
            of_vens.append(merged[::-1])
        depth = max(map(len, of_vens), default=0)
        found[way] = [
            _shared((limits[rank] for limits in of_vens if rank < len(limits)), size)
            for rank in range(depth)
        ]
    return found


def _raised(limit: Limit, reserved: Float32 | None) -> Limit:
    if reserved is None:
        return limit
    return Limit(limit.columns, limit.kw + np.nan_to_num(reserved[limit.columns]))


def _shared(limits: Iterable[Limit], size: int) -> SharedCapacity:
    sites = list(limits)
    columns = np.concatenate([limit.columns for limit in sites])
    lengths = [len(limit.columns) for limit in sites]
    is_all = len(columns) == size and bool((columns == np.arange(size)).all())
    return SharedCapacity(
        columns=slice(None) if is_all else columns,
        site=np.repeat(np.arange(len(sites), dtype=np.intp), lengths),
        most_kw=np.array([float(np.min(limit.kw)) for limit in sites]),
    )
