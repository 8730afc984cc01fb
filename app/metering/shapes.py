"""What resources do without events: load shapes, scaled to each, with noise."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from app.control import ResourceArrays
from app.fleet import Resource, ResourceKind
from app.metering.profiles import Profiles, quarter_of_the_year

logger = logging.getLogger(__name__)

NOISE_SHARE = 0.03
"""The standard deviation of the noise, as a share of the rated power."""
NOISE_SPAN = 1 << 16
"""How many offsets the noise table is read at."""
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shapes:
    """What resources do without events, one array element per column."""

    revision: int
    vens: frozenset[str] | None
    resources: ResourceArrays
    profile: npt.NDArray[np.intp]
    scale_kw: Float32
    offset_kw: Float32
    mean_kw: Float32
    noise_kw: Float32
    noise: Float32

    def part(self, ven_name: str) -> Shapes:
        """Of one VEN, without noise."""
        columns = self.resources.roster.columns(ven_name)
        return replace(
            self,
            resources=self.resources.part(ven_name),
            profile=self.profile[columns],
            scale_kw=self.scale_kw[columns],
            offset_kw=self.offset_kw[columns],
            mean_kw=self.mean_kw[columns],
            noise_kw=self.noise_kw[columns],
        )

    def shape_kw(self, per_unit: Float32) -> Float32:
        """`per_unit`: by kind of profile."""
        shape: Float32 = per_unit.take(self.profile)
        shape *= self.scale_kw
        shape += self.offset_kw
        return shape


def build_shapes(
    approved: Iterable[tuple[str, Resource]],
    *,
    revision: int,
    vens: frozenset[str] | None,
    comfort_h: Mapping[ResourceKind, float],
    profiles: Profiles,
    seed: int,
) -> Shapes:
    """Of these resources, each with its VEN; of these VENs only, or of all."""
    followed: list[int] = []
    """By column: that of a real series, or -1."""

    def chosen() -> Iterator[tuple[str, Resource]]:
        for ven_name, resource in approved:
            if vens is None or ven_name in vens:
                followed.append(profiles.devices.get(resource.meter, -1))
                yield ven_name, resource

    resources = ResourceArrays.of(chosen(), comfort_h)
    profile = _profile_of(resources, profiles)
    drawn = np.random.default_rng([seed, 1])
    noise = drawn.standard_normal(resources.roster.size + NOISE_SPAN, dtype=np.float32)
    offset_kw, scale_kw = _standing_kw(resources), resources.rated_kw
    noise_kw = resources.rated_kw * np.float32(NOISE_SHARE)
    if profiles.devices:
        columns = np.array(followed, dtype=np.intp)
        is_real = columns >= 0
        profile = np.where(is_real, columns, profile)
        scale_kw = np.where(is_real, np.float32(1), scale_kw)
        offset_kw, noise_kw = (
            np.where(is_real, np.float32(0), each) for each in (offset_kw, noise_kw)
        )
    if resources.is_metered.any():  # what they do is measured
        scale_kw, offset_kw, noise_kw = (
            np.where(resources.is_metered, np.float32(0), each)
            for each in (scale_kw, offset_kw, noise_kw)
        )
    mean = profiles.mean(0, profiles.steps).take(profile) * scale_kw + offset_kw
    logger.debug("the simulator takes up %d resources", resources.roster.size)
    return Shapes(
        revision=revision,
        vens=vens,
        resources=resources,
        profile=profile,
        scale_kw=scale_kw,
        offset_kw=offset_kw,
        mean_kw=np.clip(mean, resources.lowest_kw, resources.highest_kw).astype(np.float32),
        noise_kw=noise_kw,
        noise=noise,
    )


def joined(
    approved: Iterable[tuple[str, Resource]], removed: Iterable[tuple[str, Resource]]
) -> Iterator[tuple[str, Resource]]:
    """Both, VEN by VEN."""
    left: dict[str, list[Resource]] = {}
    for ven_name, resource in removed:
        left.setdefault(ven_name, []).append(resource)
    for ven_name, own in itertools.groupby(approved, key=itemgetter(0)):
        yield from own
        yield from ((ven_name, resource) for resource in left.pop(ven_name, ()))
    for ven_name, others in left.items():
        yield from ((ven_name, resource) for resource in others)


class UsualPower:
    """What resources do without events, by the load shapes of their kinds and without noise."""

    def __init__(self, profiles: Callable[[], Profiles]) -> None:
        self._profiles = profiles

    def __call__(self, resources: ResourceArrays, at: datetime) -> Float32:
        """Of each column, kW."""
        profiles = self._profiles()
        per_unit = profiles.per_unit[quarter_of_the_year(at) % profiles.steps]
        shape_kw = per_unit.take(_profile_of(resources, profiles))
        shape_kw = shape_kw * resources.rated_kw + _standing_kw(resources)
        return np.asarray(np.clip(shape_kw, resources.lowest_kw, resources.highest_kw))


def _profile_of(resources: ResourceArrays, profiles: Profiles) -> npt.NDArray[np.intp]:
    """The column of the profile of each resource's kind."""
    column_of = {kind: number for number, kind in enumerate(profiles.kinds)}
    of_kinds = np.array([column_of[kind] for kind in ResourceKind], dtype=np.intp)
    return of_kinds[resources.kinds]


def _standing_kw(resources: ResourceArrays) -> Float32:
    """A fridge and a house never stand still: 2 % of their rated power at the least."""
    steady = (ResourceKind.BASE_LOAD, ResourceKind.REFRIGERATION)
    share = np.array([0.02 if kind in steady else 0.0 for kind in ResourceKind], dtype=np.float32)
    return np.asarray(share[resources.kinds] * resources.highest_kw, dtype=np.float32)
