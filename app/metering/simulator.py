"""Meter data without meters: every approved resource follows a real load shape."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from app.control import (
    ControlInput,
    ControlModel,
    Forecast,
    ResourceArrays,
    Span,
    half_full,
)
from app.fleet import VEN, Resource, Status
from app.metering.frames import Measured, made_frame
from app.metering.orders import KnowsOrders
from app.metering.profiles import Profiles, quarter_of_the_year
from app.metering.shapes import NOISE_SPAN, Shapes, build_shapes, joined
from app.metering.source import KnowsLatest, MeteredFleet, SpaceGuard
from app.observability import Tracing
from app.platform import DatabaseError
from app.readings import (
    AppendsFrames,
    Frame,
    OrderState,
    Reading,
    StoreFull,
    column_map,
    realign,
)

logger = logging.getLogger(__name__)

MAX_STEP_H = 1.0
"""Upper bound of one step, used after a gap in metering."""
DEFAULT_TICK_S = 30.0
Float32 = npt.NDArray[np.float32]


class MeterDataSimulator:
    """The first MeterSource: one step computes the power of every approved resource at once.

    What a resource does without events is its load shape; `control_model` says how it answers
    them. States of charge continue from the last frame, also after a restart.

    The noise comes from a table drawn once from `seed`, at an offset that depends on seed and
    index, so that the same index gives the same powers after a restart. The index continues from
    the last stored frame; without one it begins at the quarter of the year that `clock` shows.
    Safe for several threads. `clock` returns aware UTC; `monotonic`, seconds that never go back,
    measures the time between two frames where both were taken by this process.
    """

    def __init__(
        self,
        *,
        repository: MeteredFleet,
        frames: AppendsFrames,
        profiles: Callable[[], Profiles],
        replay: Callable[[], Mapping[str, Float32]] = dict,
        control_model: ControlModel,
        latest: KnowsLatest,
        orders: KnowsOrders,
        space: SpaceGuard,
        tracing: Tracing,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        seed: int = 0,
    ) -> None:
        self._repository = repository
        self._frames = frames
        self._load_profiles = profiles
        self._load_replay = replay
        self._control_model = control_model
        self._latest = latest
        self._orders = orders
        self._space = space
        self._tracing = tracing
        self._clock = clock
        self._monotonic = monotonic
        self._taken_at_s: float | None = None
        """When the last frame was taken, by the monotonic clock; None: before the start."""
        self._seed = seed
        self.problem: str | None = None
        """Why the last tick could not be stored; None while all is well."""
        self.readings_taken = 0
        """Since the application started."""
        self._lock = threading.RLock()
        self._profiles_cache: Profiles | None = None
        self._shapes: Shapes | None = None
        self._shapes_with_removed: Shapes | None = None
        self._tick_s = DEFAULT_TICK_S
        self._last: Frame | None = None
        self._is_last_loaded = False

    def initialize_resources(self, vens: Iterable[VEN | str] | None = None) -> int:
        """Load the approved resources of these VENs (default: all); their number.

        What changes in the fleet later is loaded by the next step.
        """
        names = None
        if vens is not None:
            names = frozenset(ven.ven_name if isinstance(ven, VEN) else ven for ven in vens)
        with self._lock:
            self._shapes = self._build(self._repository.revision(), names)
            return self._shapes.resources.roster.size

    def increase_time(self) -> int:
        """One tick: move to the next index and store its frame, durably. Returns the index.

        StoreFull or DatabaseError: the next tick continues from what is stored.
        """
        with self._lock, self._tracing.span("take readings") as span:
            frame = self.next_frame()
            span.set("readings", frame.roster.size)
            try:
                self._space.reserve(frame.stored_bytes)
                self._last = self._frames.append(frame)
            except (StoreFull, DatabaseError) as error:
                self._is_last_loaded = (
                    False  # the commit may have succeeded although the call failed
                )
                self.problem = str(error)
                raise
            self._taken_at_s = self._monotonic()
            self.readings_taken += frame.readings
            span.is_of_frame(self._last.seq)
            if self.problem is not None:
                logger.info("metering resumed")
            self.problem = None
            return frame.profile_index

    def next_frame(self) -> Frame:
        """The frame of the next index, not yet stored."""
        with self._lock:
            shapes = self._current()
            last = self._last_frame()
            now = self._clock().astimezone(UTC)
            index = quarter_of_the_year(now) if last is None else last.profile_index + 1
            index %= self._profiles().steps
            passed_s = 0.0 if last is None else self._passed_s(last, now)
            resources = shapes.resources
            shape_kw, stored_kwh = self._shape_kw(shapes, index), _stored(resources, last)
            measured = None
            if resources.is_metered.any():
                measured = Measured.of(resources, self._latest.latest(resources.roster, now))
                shape_kw, stored_kwh = measured.taken_up(shape_kw, stored_kwh)
            orders = self._orders.of(resources.roster, now)
            result = self._control_model.answer(
                resources,
                ControlInput(
                    now=now,
                    step_h=min(passed_s / 3600, MAX_STEP_H),
                    shape_kw=shape_kw,
                    mean_kw=shapes.mean_kw,
                    stored_kwh=stored_kwh,
                    is_fixed=None if orders is None else orders.is_opted_out,
                ),
            )
            if passed_s:
                self._tick_s = min(passed_s, MAX_STEP_H * 3600)
            return made_frame(
                resources, result, measured, orders, taken_at=now, profile_index=index
            )

    def _passed_s(self, last: Frame, now: datetime) -> float:
        """How long ago the last frame was taken; over a restart only the clock can tell."""
        if self._taken_at_s is not None:
            return self._monotonic() - self._taken_at_s
        return max((now - last.taken_at).total_seconds(), 0.0)

    def bounds_kw(self, frame: Frame) -> tuple[Float32, Float32]:
        """What each resource of a frame could have done at the least and at the most, in kW.

        NaN for a resource that is no longer in the fleet.
        """
        with self._lock:
            shapes = self._of_the_past()
            resources = shapes.resources
            there = column_map(frame.roster, resources.roster)
            result = self._control_model.answer(
                resources,
                ControlInput(
                    now=frame.taken_at,
                    step_h=self._tick_s / 3600,
                    shape_kw=realign(frame.baseline_kw, there, shapes.mean_kw),
                    mean_kw=shapes.mean_kw,
                    stored_kwh=_stored(resources, frame),
                    is_fixed=_opted_out(resources, frame),
                ),
            )
        back = column_map(resources.roster, frame.roster)
        nothing = np.full(frame.roster.size, np.nan, dtype=np.float32)
        return (
            realign(result.lowest_kw, back, nothing),
            realign(result.highest_kw, back, nothing),
        )

    def forecast(self, ven_name: str, spans: Sequence[Span]) -> list[Forecast]:
        """What the resources of one VEN are expected to do in these spans, which follow in time.

        The events that are known now are taken into account, and what is stored as it changes.
        """
        with self._lock:
            shapes = self._current().part(ven_name)
            last = self._last_frame()
            profiles = self._profiles()
            tick_s = self._tick_s
        begins = spans[0][0] if last is None else last.taken_at
        index = 0 if last is None else last.profile_index
        stored = _stored(shapes.resources, last)
        is_fixed = self._orders.opted_out(shapes.resources.roster, self._clock())
        before = [(begins, spans[0][0])] if begins < spans[0][0] else []
        made: list[Forecast] = []
        for start, end in (*before, *spans):
            first, until = (
                index + max((at - begins).total_seconds(), 0.0) / tick_s for at in (start, end)
            )
            result = self._control_model.answer(
                shapes.resources,
                ControlInput(
                    now=start + (end - start) / 2,
                    step_h=(end - start) / timedelta(hours=1),
                    shape_kw=_within(shapes, profiles.mean(first, until)),
                    mean_kw=shapes.mean_kw,
                    stored_kwh=stored,
                    is_fixed=is_fixed,
                ),
            )
            stored = result.stored_kwh
            made.append(Forecast(names=shapes.resources.roster.names(ven_name), result=result))
        return made[len(before) :]

    def collect_next_metering(self, ven_name: str) -> list[Reading]:
        """The latest readings of the approved resources of one VEN; none before the first tick."""
        with self._lock:
            frame = self._last_frame()
        if frame is None:
            return []
        return [
            Reading(resource_name=name, taken_at=frame.taken_at, power_kw=power)
            for name, power in frame.powers(ven_name)
            if power == power
        ]

    def get_statistics(self) -> dict[str, Any]:
        """How many VENs and resources there are, in all and by status and VEN."""
        summaries = self._repository.summaries()
        total = {
            status: sum(getattr(summary, status) for summary in summaries)
            for status in ("approved", "pending", "suspended")
        }
        return {
            "total_vens": len(summaries),
            "total_resources": sum(summary.resources for summary in summaries),
            "total_approved": total["approved"],
            "total_pending": total["pending"],
            "total_suspended": total["suspended"],
            "total_by_status": {
                Status.APPROVED.value: total["approved"],
                Status.PENDING.value: total["pending"],
                Status.SUSPENDED.value: total["suspended"],
            },
            "by_ven": {
                summary.ven.ven_name: {
                    "status": summary.ven.status.value,
                    "resources": summary.resources,
                    "approved": summary.approved,
                    "pending": summary.pending,
                    "suspended": summary.suspended,
                }
                for summary in summaries
            },
        }

    def resources(self) -> ResourceArrays:
        """The approved resources, as they are now."""
        with self._lock:
            return self._current().resources

    def past_resources(self) -> ResourceArrays:
        """The same, with those on their way out: some of their readings may be owed."""
        with self._lock:
            return self._of_the_past().resources

    def _current(self) -> Shapes:
        revision = self._repository.revision()
        if self._shapes is None or self._shapes.revision != revision:
            chosen = None if self._shapes is None else self._shapes.vens
            self._shapes = self._build(revision, chosen)
        return self._shapes

    def _of_the_past(self) -> Shapes:
        now, known = self._current(), self._shapes_with_removed
        if known is None or known.revision != now.revision:
            removed = list(self._repository.resources(status=Status.REMOVED))
            known = self._build(now.revision, now.vens, removed) if removed else now
            self._shapes_with_removed = known
        return known

    def _last_frame(self) -> Frame | None:
        if not self._is_last_loaded:
            self._last = self._frames.last()
            self._is_last_loaded = True
        return self._last

    def _profiles(self) -> Profiles:
        if self._profiles_cache is None:
            self._profiles_cache = self._load_profiles().following(self._load_replay())
        return self._profiles_cache

    def _build(
        self,
        revision: int,
        vens: frozenset[str] | None,
        removed: Iterable[tuple[str, Resource]] = (),
    ) -> Shapes:
        """Of the approved resources, and of these: those that are simulated, or have a meter."""
        approved = self._repository.resources(status=Status.APPROVED)
        return build_shapes(
            (entry for entry in joined(approved, removed) if entry[1].is_metered),
            revision=revision,
            vens=vens,
            comfort_h=self._control_model.comfort_h,
            profiles=self._profiles(),
            seed=self._seed,
        )

    def _shape_kw(self, shapes: Shapes, index: int) -> Float32:
        """What all do without events at one index, within each resource's limits."""
        shape_kw = shapes.shape_kw(self._profiles().per_unit[index])
        start = _noise_offset(self._seed, index)
        shape_kw += shapes.noise_kw * shapes.noise[start : start + shapes.resources.roster.size]
        resources = shapes.resources
        np.clip(shape_kw, resources.lowest_kw, resources.highest_kw, out=shape_kw)
        return shape_kw


def _noise_offset(seed: int, index: int) -> int:
    """Spread over the table by Fibonacci hashing, so that neighbouring steps share no noise."""
    return ((index + seed) * 0x9E3779B97F4A7C15 >> 24) % NOISE_SPAN


def _stored(resources: ResourceArrays, last: Frame | None) -> Float32:
    """What each had stored at the last frame; half full where nothing is known."""
    stored = half_full(resources)
    if last is None or last.detail.stored_kwh is None:
        return stored
    stored = realign(last.detail.stored_kwh, column_map(last.roster, resources.roster), stored)
    return np.clip(stored, resources.store_min_kwh, resources.store_max_kwh)


def _opted_out(resources: ResourceArrays, frame: Frame) -> npt.NDArray[np.bool_] | None:
    """Who took no part then; None: nobody."""
    if frame.detail.order is None:
        return None
    there = (frame.detail.order == OrderState.OPTED_OUT).astype(np.float32)
    none = np.zeros(resources.roster.size, dtype=np.float32)
    return np.asarray(realign(there, column_map(frame.roster, resources.roster), none) == 1)


def _within(shapes: Shapes, per_unit: Float32) -> Float32:
    resources = shapes.resources
    return np.clip(shapes.shape_kw(per_unit), resources.lowest_kw, resources.highest_kw)
