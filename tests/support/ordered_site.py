"""A site that is given orders: a heat pump, a car and the rest of a house, and their meters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from app.actuation.order import DesiredState, Key, Order
from app.actuation.planner import OrderPlanner, Plan
from app.actuation.sites import SitesOfFleet
from app.control import ResourceArrays, Responder, SignalResolver
from app.control.policies import OF_KIND
from app.events import SeenEvent
from app.fleet import OptOut, Resource, ResourceKind, SetBy, WhoTakesPart
from app.platform import LogOnce
from app.readings import Frame, FrameDetail, Roster
from tests.support.events import NOW
from tests.support.fakes import FakeClock, FakeFleet, FakeFrames, resource
from tests.support.orders import BookBench

K = ResourceKind
AT = NOW + timedelta(minutes=1)
PUMP, CAR, REST = Key("Aarhus", "pump"), Key("Aarhus", "car"), Key("Aarhus", "rest")
Span = tuple[datetime, datetime]


class Meters:
    """What was measured: of each resource the power that a test says, from when it says it."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._changes: dict[Key, list[tuple[datetime, float]]] = {}
        self.spans: dict[Key, list[Span]] = {}
        """Which were asked for."""
        for key, power_kw in ((PUMP, 3.0), (CAR, 7.0), (REST, 1.0)):
            self._changes[key] = [(NOW - timedelta(days=1), power_kw)]

    def measure(self, key: Key, power_kw: float) -> None:
        self._changes[key].append((self._clock(), power_kw))

    def power_kw(self, key: Key) -> float:
        return self._changes[key][-1][1]

    def forget(self, key: Key) -> None:
        del self._changes[key]

    def mean_kw(self, spans: Mapping[tuple[str, str], Span]) -> dict[tuple[str, str], float]:
        for key, span in spans.items():
            self.spans.setdefault(Key(*key), []).append(span)
        return {key: self._mean(Key(*key), *spans[key]) for key in spans if key in self._changes}

    def _mean(self, key: Key, start: datetime, end: datetime) -> float:
        changes = self._changes[key]
        ends = [*(at for at, _ in changes[1:]), end]
        parts = [
            (max(min(until, end) - max(at, start), timedelta(0)), power_kw)
            for (at, power_kw), until in zip(changes, ends, strict=True)
        ]
        return sum(part / (end - start) * power_kw for part, power_kw in parts)


def opted_out(
    key: tuple[str, str], *, until: datetime | None = None, set_by: SetBy = SetBy.OPERATOR
) -> WhoTakesPart:
    """All take part but this one."""
    opt_out = OptOut(
        ven_name=key[0], resource_name=key[1], set_by=set_by, reason="", since=AT, until=until
    )
    return WhoTakesPart(revision=2, opt_outs={key: [opt_out]})


class Site:
    """A heat pump and a car that are given orders, and the rest of the house."""

    def __init__(self) -> None:
        self.clock = FakeClock(AT)
        self.events: list[SeenEvent] = []
        self.usual = {"car": 5.0, "pump": 2.0, "rest": 1.0}
        self.who = WhoTakesPart(revision=1)
        self.meters = Meters(self.clock)
        self.fleet = FakeFleet({"Aarhus": self.members()})
        self.orders = BookBench(self.clock)
        self.frames = FakeFrames()
        responder = Responder({kind: policy() for kind, policy in OF_KIND.items()})
        self.planner = OrderPlanner(
            sites=SitesOfFleet(fleet=self.fleet, comfort_h=responder.comfort_h),
            frames=self.frames,
            measured=self.meters,
            usual_kw=self.usual_kw,
            events=self,
            resolver=SignalResolver(alert_level=3, percent_sign=1),
            responder=responder,
            participation=self,
            log_once=LogOnce(),
        )

    def members(self, **of_pump: Any) -> list[Resource]:
        return [
            resource("pump", K.HEAT_PUMP, actuator="homes", source="meters", **of_pump),
            resource("car", K.EV_CHARGER, power_max_kw=11.0, actuator="homes", source="meters"),
            resource("rest", K.BASE_LOAD, source="meters"),
        ]

    def usual_kw(self, resources: ResourceArrays, _: datetime) -> npt.NDArray[np.float32]:
        names = [name for _, own in resources.roster for name in own]
        return np.array([self.usual[name] for name in names], dtype=np.float32)

    def tick(self, **stored_kwh: float) -> None:
        """What meters say of the stores of these resources."""
        roster = Roster([("Aarhus", stored_kwh)])
        stored = np.array(list(stored_kwh.values()), dtype=np.float32)
        self.frames.append(
            Frame(
                taken_at=self.clock(),
                profile_index=-1,
                roster=roster,
                power_kw=np.zeros(roster.size, dtype=np.float32),
                detail=FrameDetail(stored_kwh=stored),
            )
        )

    def of_ven(self, _: str) -> Sequence[SeenEvent]:
        return self.events

    def current(self, max_age_s: float = 0.0) -> WhoTakesPart:  # noqa: ARG002
        return self.who

    def last_orders(self) -> dict[Key, Order]:
        return {order.key: order for order in self.orders.book.orders()}

    def plan(self) -> Plan:
        return self.planner.plan(self.last_orders(), self.clock())

    def asked(self) -> dict[Key, DesiredState]:
        """Planned, and issued."""
        plan = self.plan()
        self.orders.book.change(plan.wanted)
        return {key: each.desired for key, each in plan.wanted.items()}

    def setpoints(self) -> dict[Key, float | None]:
        return {key: state.setpoint_kw for key, state in self.asked().items()}
