"""Meter data without meters: every approved resource follows a real load shape."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from app.fleet import VEN, DatabaseError, FleetRepository, Resource, ResourceKind, Status
from app.metering.frames import ROW_BYTES, FrameStore
from app.metering.profiles import STEP_MINUTES, Profiles
from app.metering.rising import RisingClock
from app.metering.source import Frame, Reading, Room, Roster, StoreFull

logger = logging.getLogger(__name__)

NOISE_SHARE = 0.03
"""The standard deviation of the noise, as a share of the rated power."""
NOISE_SPAN = 1 << 16
"""How many offsets the noise table is read at."""
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plant:
    """The approved resources as columns: what one step needs, and nothing per resource."""

    revision: int
    vens: frozenset[str] | None
    roster: Roster
    profile: npt.NDArray[np.intp]
    scale_kw: Float32
    offset_kw: Float32
    noise_kw: Float32
    lowest_kw: Float32
    highest_kw: Float32
    noise: Float32


class MeterDataSimulator:
    """The first MeterSource: one step computes the power of every approved resource at once.

    The noise is read from a table drawn once from `seed`, at an offset that is a function of seed
    and index, so that the same index gives the same powers after a restart. The index goes on from
    the last stored frame; without one it begins at the quarter of the year that `clock` shows.
    Safe for several threads. `clock` returns an aware UTC datetime, `monotonic` seconds that never
    go back; instants rise even while the clock is set back.
    """

    def __init__(
        self,
        *,
        repository: FleetRepository,
        frames: FrameStore,
        profiles: Callable[[], Profiles],
        room: Room,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        seed: int = 0,
    ) -> None:
        self._repository = repository
        self._frames = frames
        self._load_profiles = profiles
        self._room = room
        self._rising = RisingClock(clock=clock, monotonic=monotonic)
        self._seed = seed
        self.problem: str | None = None
        """Why the last tick could not be stored; None while all is well."""
        self._lock = threading.RLock()
        self._profiles: Profiles | None = None
        self._plant: _Plant | None = None
        self._last: Frame | None = None
        self._begun = False

    def initialize_resources(self, vens: Iterable[VEN | str] | None = None) -> int:
        """Take up the approved resources of these VENs, or of all; returns how many.

        A fleet that changes later is taken up by the next step.
        """
        names = None
        if vens is not None:
            names = frozenset(ven.ven_name if isinstance(ven, VEN) else ven for ven in vens)
        with self._lock:
            self._plant = self._build(self._repository.revision(), names)
            return self._plant.roster.size

    def increase_time(self) -> int:
        """One tick: move to the next index and store its frame, durably. Returns the index.

        StoreFull or DatabaseError: the next tick goes on from what is stored.
        """
        with self._lock:
            frame = self.next_frame()
            try:
                self._room.make_room(frame.power_kw.nbytes + ROW_BYTES)
                self._last = self._frames.append(frame)
            except (StoreFull, DatabaseError) as error:
                self._begun = False  # it may be stored, and only the answer be lost
                self.problem = str(error)
                raise
            self._rising.taken()
            if self.problem is not None:
                logger.info("metering goes on")
            self.problem = None
            return frame.profile_index

    def next_frame(self) -> Frame:
        """The frame of the next index, not yet stored."""
        with self._lock:
            plant = self._current_plant()
            last = self._last_frame()
            now = self._rising.now(None if last is None else last.taken_at)
            index = _quarter_of_the_year(now) if last is None else last.profile_index + 1
            index %= self._shapes().steps
            return Frame(
                taken_at=now,
                profile_index=index,
                roster=plant.roster,
                power_kw=self._power_kw(plant, index),
            )

    def collect_next_metering(self, ven_name: str) -> list[Reading]:
        """The latest readings of the approved resources of one VEN; none before the first tick."""
        with self._lock:
            frame = self._last_frame()
        if frame is None:
            return []
        powers = frame.power_kw[frame.roster.columns(ven_name)].tolist()
        return [
            Reading(resource_name=name, taken_at=frame.taken_at, power_kw=power)
            for name, power in zip(frame.roster.names(ven_name), powers, strict=True)
        ]

    def get_statistics(self) -> dict[str, Any]:
        """How many VENs and resources there are, in all and by status and VEN."""
        summaries = self._repository.summaries()
        total = {
            status: sum(getattr(each, status) for each in summaries)
            for status in ("approved", "pending", "suspended")
        }
        return {
            "total_vens": len(summaries),
            "total_resources": sum(each.resources for each in summaries),
            "total_approved": total["approved"],
            "total_pending": total["pending"],
            "total_suspended": total["suspended"],
            "total_by_status": {
                Status.APPROVED.value: total["approved"],
                Status.PENDING.value: total["pending"],
                Status.SUSPENDED.value: total["suspended"],
            },
            "by_ven": {
                each.ven.ven_name: {
                    "status": each.ven.status.value,
                    "resources": each.resources,
                    "approved": each.approved,
                    "pending": each.pending,
                    "suspended": each.suspended,
                }
                for each in summaries
            },
        }

    def _current_plant(self) -> _Plant:
        revision = self._repository.revision()
        if self._plant is None or self._plant.revision != revision:
            chosen = None if self._plant is None else self._plant.vens
            self._plant = self._build(revision, chosen)
        return self._plant

    def _last_frame(self) -> Frame | None:
        if not self._begun:
            self._last = self._frames.last()
            self._begun = True
        return self._last

    def _shapes(self) -> Profiles:
        if self._profiles is None:
            self._profiles = self._load_profiles()
        return self._profiles

    def _build(self, revision: int, vens: frozenset[str] | None) -> _Plant:
        approved = [
            (ven_name, resource)
            for ven_name, resource in self._repository.resources(status=Status.APPROVED)
            if vens is None or ven_name in vens
        ]
        resources = [resource for _, resource in approved]
        roster = Roster(
            (ven_name, [resource.resource_name for _, resource in group])
            for ven_name, group in groupby(approved, key=itemgetter(0))
        )
        column_of = {kind: number for number, kind in enumerate(self._shapes().kinds)}
        scale_kw = _column(resources, _rated_kw)
        drawn = np.random.default_rng([self._seed, 1])
        noise = drawn.standard_normal(roster.size + NOISE_SPAN, dtype=np.float32)
        logger.debug("the simulator takes up %d resources", roster.size)
        return _Plant(
            revision=revision,
            vens=vens,
            roster=roster,
            profile=np.array([column_of[resource.kind] for resource in resources], dtype=np.intp),
            scale_kw=scale_kw,
            offset_kw=_column(resources, _standing_kw),
            noise_kw=scale_kw * np.float32(NOISE_SHARE),
            lowest_kw=_column(resources, lambda resource: resource.power_min_kw),
            highest_kw=_column(resources, lambda resource: resource.power_max_kw),
            noise=noise,
        )

    def _power_kw(self, plant: _Plant, index: int) -> Float32:
        """All powers of one index, at a watt's resolution, within each resource's limits."""
        power_kw: Float32 = self._shapes().per_unit[index].take(plant.profile)
        power_kw *= plant.scale_kw
        power_kw += plant.offset_kw
        start = _noise_offset(self._seed, index)
        power_kw += plant.noise_kw * plant.noise[start : start + plant.roster.size]
        np.clip(power_kw, plant.lowest_kw, plant.highest_kw, out=power_kw)
        np.round(power_kw, 3, out=power_kw)
        return power_kw


def _column(resources: list[Resource], value: Callable[[Resource], float]) -> Float32:
    return np.array([value(resource) for resource in resources], dtype=np.float32)


def _rated_kw(resource: Resource) -> float:
    return max(abs(resource.power_min_kw), abs(resource.power_max_kw))


def _standing_kw(resource: Resource) -> float:
    """A fridge and a house never stand still: 2 % of their rated power at the least."""
    steady = resource.kind in (ResourceKind.BASE_LOAD, ResourceKind.REFRIGERATION)
    return 0.02 * resource.power_max_kw if steady else 0.0


def _quarter_of_the_year(instant: datetime) -> int:
    begin = instant.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return int((instant - begin).total_seconds() // (STEP_MINUTES * 60))


def _noise_offset(seed: int, index: int) -> int:
    """Spread over the table by Fibonacci hashing, so that neighbouring steps share no noise."""
    return ((index + seed) * 0x9E3779B97F4A7C15 >> 24) % NOISE_SPAN
