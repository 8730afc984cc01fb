"""Small stand-ins that keep the promises of the real ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from app.control import ControlInput, ControlResult, ResourceArrays
from app.fleet import VEN, HeldVens, Resource, ResourceKind, Status, VenSummary
from app.intake import Latest
from app.metering import OrderColumns
from app.openadr import Circuit, VtnClock
from app.platform.timestamps import MICROSECOND
from app.readings import Frame, Roster


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC)) -> None:
        self.now = now
        self._passed_s = 0.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """Seconds that pass as the clock is moved forward, and do not when it is set back."""
        return self._passed_s

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)
        self._passed_s += timedelta(**delta).total_seconds()

    def set_back(self, **delta: float) -> None:
        self.now -= timedelta(**delta)


def resource(name: str, kind: ResourceKind = ResourceKind.HEAT_PUMP, **fields: Any) -> Resource:
    """An approved resource of 10 kW, unless told otherwise."""
    values: dict[str, Any] = {
        "power_min_kw": 0.0,
        "power_max_kw": 10.0,
        "status": Status.APPROVED,
        **fields,
    }
    return Resource(resource_name=name, kind=kind, **values)


class FakeFleet:
    """A fleet in memory, with the part of FleetRepository that a meter source reads."""

    def __init__(self, fleet: dict[str, list[Resource]]) -> None:
        self.fleet = fleet
        self._revision = 1

    def change(self, fleet: dict[str, list[Resource]]) -> None:
        self.fleet = fleet
        self._revision += 1

    def revision(self) -> int:
        return self._revision

    def resources(
        self, ven_name: str | None = None, *, status: Status | None = None
    ) -> Iterator[tuple[str, Resource]]:
        for name in sorted(self.fleet):
            for each in sorted(self.fleet[name], key=lambda resource: resource.resource_name):
                if ven_name in (None, name) and status in (None, each.status):
                    yield name, each

    def actuator_of(self, ven_name: str, resource_name: str) -> str | None:
        own = (each for name, each in self.resources(ven_name))
        return next((each.actuator for each in own if each.resource_name == resource_name), None)

    def sites(self) -> list[tuple[str, Resource]]:
        ordered = {name for name, own in self.fleet.items() if any(each.is_ordered for each in own)}
        return [entry for entry in self.resources(status=Status.APPROVED) if entry[0] in ordered]

    def summaries(self) -> list[VenSummary]:
        def count(of: Sequence[Resource], status: Status) -> int:
            return sum(each.status is status for each in of)

        return [
            VenSummary(
                ven=VEN(ven_name=name, status=Status.APPROVED),
                resources=len(resources),
                approved=count(resources, Status.APPROVED),
                pending=count(resources, Status.PENDING),
                suspended=count(resources, Status.SUSPENDED),
            )
            for name, resources in sorted(self.fleet.items())
        ]


class NoOrders:
    """Nobody has opted out, and no device is given orders."""

    def of(self, roster: Roster, now: datetime) -> OrderColumns | None: ...

    def opted_out(self, roster: Roster, now: datetime) -> npt.NDArray[np.bool_] | None: ...


class FakeFrames:
    """A store of frames in memory: numbers rise, and no two frames have the same instant."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._lock = threading.Lock()

    def append(self, frame: Frame) -> Frame:
        with self._lock:
            taken_at = frame.taken_at
            while any(taken_at == other.taken_at for other in self.frames):
                taken_at += MICROSECOND
            self.frames.append(replace(frame, seq=len(self.frames) + 1, taken_at=taken_at))
            return self.frames[-1]

    def last(self) -> Frame | None:
        return self.frames[-1] if self.frames else None


class UnlimitedSpace:
    """A store of readings without bounds."""

    def reserve(self, frame_bytes: int) -> None:
        """There always is."""


class FakeMeters:
    """What real meters measured last: these powers in kW, by resource."""

    def __init__(self, **power_kw: float) -> None:
        self.power_kw = power_kw

    def latest(self, roster: Roster, now: datetime) -> Latest:
        del now
        names = [name for _, of_ven in roster for name in of_ven]
        nothing = np.full(len(names), np.nan)
        return Latest(
            np.array([self.power_kw.get(name, np.nan) for name in names]), nothing, nothing
        )


class AsShaped:
    """Resources that answer nothing: they do what their shape says, and store nothing."""

    def __init__(self) -> None:
        self.comfort_h: Mapping[ResourceKind, float] = {}

    def answer(self, resources: ResourceArrays, inputs: ControlInput) -> ControlResult:
        return ControlResult(
            commanded_kw=inputs.shape_kw.copy(),
            baseline_kw=inputs.shape_kw,
            stored_kwh=inputs.stored_kwh,
            lowest_kw=resources.lowest_kw,
            highest_kw=resources.highest_kw,
            level=np.zeros(resources.roster.size, dtype=np.int8),
            setpoint_kw=np.full(resources.roster.size, np.nan, dtype=np.float32),
        )


class UndatedVtn(VtnClock):
    """The clock of a VTN that does not date its answers: the embedded one's is the real one."""

    def heard(self, date: str | None) -> None:
        """Not for a test whose clock is its own."""


class FleetOfNames:
    """The names of a fleet's VENs."""

    def __init__(self, ven_names: Sequence[str]) -> None:
        self._ven_names = list(ven_names)

    def count(self) -> int:
        return len(self._ven_names)

    def ven_names(self) -> list[str]:
        return self._ven_names


def held_vens(
    circuit: Circuit,
    clock: FakeClock,
    ven_names: Sequence[str] = ("Aalborg", "Aarhus"),
    *,
    retries: int = 2,
    ask: Callable[[str], None] | None = None,
) -> HeldVens:
    """The VENs of a small fleet; none is held yet."""
    return HeldVens(
        what="requests",
        circuit=circuit,
        fleet=FleetOfNames(ven_names),
        retries=threading.Semaphore(retries),
        monotonic=clock.monotonic,
        ask=ask,
    )
