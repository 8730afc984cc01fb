"""A dispatcher whose work a test does step by step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.actuation import ActuatorsFile
from app.actuation.dispatcher import Dispatcher
from app.actuation.order import DesiredState, Key, Order, Outcome, OutcomeStatus
from app.actuation.outcomes import OutcomeInbox
from app.actuation.planner import Plan
from app.actuation.signal import OrderSignal
from app.actuation.status import ActuatorStats
from app.actuation.trusted_clock import TrustedClock
from app.fleet import SetBy
from app.platform import DatabaseError, LogOnce
from tests.support.fakes import FakeClock
from tests.support.orders import CAR, PUMP, BookBench, wanted


class Plans:
    """What is asked, as a test says; and how often it was worked out."""

    def __init__(self) -> None:
        self.states: dict[Key, DesiredState] = {}
        self.next_change: datetime | None = None
        self.instants: list[datetime] = []
        self.actuators: Mapping[Key, str] = {PUMP: "homes", CAR: "homes"}

    def plan(self, orders: Mapping[Key, Order], now: datetime) -> Plan:  # noqa: ARG002
        self.instants.append(now)
        asked = {key: wanted(state) for key, state in self.states.items()}
        return Plan(wanted=asked, next_change=self.next_change, actuators=self.actuators)


class Channels:
    def __init__(self) -> None:
        self.written: list[tuple[str, list[Key]]] = []
        self.shown: tuple[Mapping[Key, str], Collection[tuple[str, str]]] = {}, ()

    def write(self, actuator: str, keys: Sequence[Key]) -> None:
        self.written.append((actuator, list(keys)))

    def show(self, actuators: Mapping[Key, str], opted_out: Collection[tuple[str, str]]) -> None:
        self.shown = actuators, opted_out


class OptOuts:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str, SetBy]] = []
        self.fails = False
        self.until: datetime | None = None
        """Of the last one."""
        self.defect = ""
        """Of the resource of this name."""

    def opt_out(self, ven_name: str, resource_name: str, *, set_by: SetBy, **how: Any) -> bool:
        if self.fails:
            raise DatabaseError("the database cannot be used")
        if resource_name == self.defect:
            raise RuntimeError("a defect")
        call = ven_name, resource_name, set_by
        is_new = call not in self.calls
        self.calls.append(call)
        self.until = how["until"]
        return is_new

    def opt_in(self, ven_name: str, resource_name: str, *, set_by: SetBy) -> bool:
        self.calls.append((ven_name, resource_name, set_by))
        return True


class Audit:
    """Who did what to whom; on a disk that may be full."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, Mapping[str, object]]] = []
        self.is_full = False

    def note(
        self, who: str, action: str, about: str, state: str, values: Mapping[str, object]
    ) -> None:
        assert state == "done"
        if self.is_full:
            raise OSError("No space left on device")
        self.entries.append((who, action, about, values))


class Bench:
    """A dispatcher whose work a test does step by step."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.orders = BookBench(self.clock)
        self.plans, self.channels, self.opt_outs = Plans(), Channels(), OptOuts()
        self.audit = Audit()
        self.in_doubt = self.owners_are_silent = False
        self.signal = OrderSignal()
        log_once = LogOnce()
        self.inbox = OutcomeInbox(
            actuators=ActuatorsFile(None, monotonic=self.clock.monotonic, log_once=log_once),
            signal=self.signal,
        )
        self.trusted = TrustedClock(
            clock=self.clock, monotonic=self.clock.monotonic, is_in_doubt=lambda: self.in_doubt
        )
        self.dispatcher = Dispatcher(
            book=self.orders.book,
            planner=self.plans,
            inbox=self.inbox,
            signal=self.signal,
            channels=self.channels,
            participation=self.opt_outs,
            audit=self.audit,
            actuator_of=self.actuator_of,
            actuators=lambda: self.orders.actuators,
            stats=ActuatorStats(),
            clock=self.trusted,
            monotonic=self.clock.monotonic,
            log_once=log_once,
        )

    def actuator_of(self, _: str, resource_name: str) -> str | None:
        """Of who is given no orders now."""
        if self.owners_are_silent:
            raise DatabaseError("the database cannot be used")
        return {"boiler": "homes"}.get(resource_name)

    def answer(self, seq: int, status: OutcomeStatus, key: Key = PUMP, of: str = "homes") -> None:
        self.inbox.put(of, key, Outcome(seq=seq, status=status))
        self.dispatcher.follow_answers()
