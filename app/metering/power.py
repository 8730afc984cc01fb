"""The power of the fleet over the last hour, by kind of resource."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.control import ResourceArrays
from app.fleet import ResourceKind
from app.platform import DatabaseError
from app.readings import Frame, ReadingLog, column_map

KEPT = timedelta(hours=1)
MAX_POINTS = 3_600
UNKNOWN = -1
"""The kind of a resource that is no longer in the fleet."""


@dataclass(frozen=True, kw_only=True)
class AskedPower:
    """The power of all devices that have acknowledged a set point and are measured, kW."""

    asked_kw: float
    measured_kw: float
    usual_kw: float
    """What they did before."""


@dataclass(frozen=True, kw_only=True)
class PowerPoint:
    """The power of all resources of each kind at one instant."""

    taken_at: datetime
    by_kind_kw: Mapping[ResourceKind, float]
    """Only kinds with a reading; positive consumes, negative exports."""
    asked: AskedPower | None = None
    """None: no device that is measured has acknowledged a set point."""

    @property
    def total_kw(self) -> float:
        return sum(self.by_kind_kw.values())


class ProvidesResources(Protocol):
    """Gives the arrays of the resources as they are now."""

    def resources(self) -> ResourceArrays: ...


class PowerHistory:
    """Looks at the newest frame when called, and keeps its sums for an hour.

    `simulator` gives the fleet as it is now. One thread looks, and any may read.
    """

    def __init__(self, *, frames: ReadingLog, simulator: ProvidesResources) -> None:
        self._frames = frames
        self._simulator = simulator
        self._lock = threading.Lock()
        self._seq = 0
        self._points: deque[PowerPoint] = deque(maxlen=MAX_POINTS)

    def __call__(self) -> None:
        """Take up the newest frame, if it is a new one."""
        try:
            frame = self._frames.last()
            if frame is None or frame.seq == self._seq:
                return
            resources = self._simulator.resources()  # may wait for a tick, without our lock
        except DatabaseError:
            return  # /readyz says so, and the next call tries again
        point = _point(frame, resources)
        with self._lock:
            self._seq = frame.seq
            while self._points and self._points[-1].taken_at >= frame.taken_at:
                self._points.pop()  # the clock was set back: they would stand in the future
            self._points.append(point)
            oldest = frame.taken_at - KEPT
            while self._points[0].taken_at < oldest:
                self._points.popleft()

    def points(self) -> Sequence[PowerPoint]:
        """What there is, oldest first."""
        with self._lock:
            return tuple(self._points)


def _point(frame: Frame, resources: ResourceArrays) -> PowerPoint:
    kinds = resources.kinds
    where = column_map(resources.roster, frame.roster)
    if where is not None:
        kinds = np.append(kinds, UNKNOWN)[where]  # -1, nowhere, is the last
    there = ~np.isnan(frame.power_kw) & (kinds != UNKNOWN)
    sums = np.bincount(kinds[there], weights=frame.power_kw[there], minlength=len(ResourceKind))
    counts = np.bincount(kinds[there], minlength=len(ResourceKind))
    return PowerPoint(
        taken_at=frame.taken_at,
        by_kind_kw={
            kind: float(sums[place]) for place, kind in enumerate(ResourceKind) if counts[place]
        },
        asked=_asked(frame, there),
    )


def _asked(frame: Frame, there: npt.NDArray[np.bool_]) -> AskedPower | None:
    detail = frame.detail
    if detail.metered is None or detail.setpoint_kw is None:
        return None
    asked = there & (detail.metered == 1) & ~np.isnan(detail.setpoint_kw)
    if not asked.any():
        return None
    return AskedPower(
        asked_kw=float(detail.setpoint_kw[asked].sum()),
        measured_kw=float(frame.power_kw[asked].sum()),
        usual_kw=float(frame.baseline_kw[asked].sum()),
    )
