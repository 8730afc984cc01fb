"""Orders without devices: a store in memory, actuators, and what is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.actuation.actuators import HttpActuator, MqttActuator
from app.actuation.book import OrderBook
from app.actuation.order import Answer, DesiredState, Key, Order, Outcome, OutcomeStatus, Wanted
from app.platform import DatabaseError
from tests.support.fakes import FakeClock

HOMES = MqttActuator(name="homes", type="mqtt", url="mqtt://127.0.0.1")
PLANTS = HttpActuator(name="plants", type="http", url="http://127.0.0.1/{ven}/{resource}")
VALID_FOR = HOMES.valid_for
PUMP, CAR = Key("Aarhus", "pump"), Key("Aarhus", "car")


class MemoryStore:
    """Keeps what it is given, as the database does, and fails when it is told to."""

    def __init__(self) -> None:
        self.rows: dict[Key, Order] = {}
        self.last_seq = 0
        self.fails = False
        self.keeps = 0

    def run(self) -> str:
        self._check()
        return "run-1"

    def load(self) -> list[Order]:
        self._check()
        return [copy(order) for order in self.rows.values()]

    def issue(self, orders: Sequence[Order], now_us: int) -> None:
        self._check()
        for order in orders:
            self.last_seq = max(self.last_seq + 1, now_us)
            order.seq = self.last_seq
            self.rows[order.key] = copy(order)

    def keep(self, orders: Collection[Order]) -> None:
        self._check()
        self.keeps += 1
        for order in orders:
            if self.rows[order.key].seq == order.seq:
                self.rows[order.key] = copy(order)

    def forget(self, keys: Collection[Key]) -> None:
        self._check()
        for key in keys:
            del self.rows[key]

    def _check(self) -> None:
        if self.fails:
            raise DatabaseError("the database cannot be used")


class BookBench:
    """A book of orders, with time and faults in the test's hands."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.store = MemoryStore()
        self.actuators: dict[str, MqttActuator | HttpActuator] = {"homes": HOMES, "plants": PLANTS}
        self.book = self.started()

    def started(self, ticked_at: datetime | None = None) -> OrderBook:
        """The book of a process that has just begun."""
        self.book = OrderBook(
            store=self.store,
            actuators=lambda: self.actuators,
            clock=self.clock,
            monotonic=self.clock.monotonic,
            drawn=lambda: 1.0,
        )
        self.book.open(ticked_at=ticked_at)
        return self.book

    def ask(self, **states: DesiredState) -> None:
        """What is asked of the pump and of the car; of who is not named, nothing is."""
        keys = {"pump": PUMP, "car": CAR}
        self.book.change({keys[name]: wanted(state) for name, state in states.items()})

    def write(self, key: Key = PUMP) -> dict[str, Any]:
        """The order as it goes out now; it has to."""
        written = self.book.written(key)
        assert written is not None
        body: dict[str, Any] = orjson.loads(written.body) if written.body else {}
        return body

    def order(self, key: Key = PUMP) -> Order:
        """The last one."""
        order = self.book.get(key)
        assert order is not None
        return order

    def due(self) -> list[Key]:
        """Whose orders are to be written now."""
        return [key for keys in self.book.take_due(most=1000).values() for key in keys]

    def answer(
        self, seq: int, status: OutcomeStatus, key: Key = PUMP, actuator: str = "homes"
    ) -> list[Order]:
        """The orders that this has ended."""
        return self.book.follow([Answer(actuator, key, Outcome(seq=seq, status=status))])

    def accepted(self, key: Key = PUMP) -> int:
        """Written and accepted; its seq."""
        seq = int(self.write(key)["seq"])
        self.answer(seq, OutcomeStatus.ACCEPTED, key)
        return seq


def wanted(state: DesiredState, *, actuator: str = "homes", baseline_kw: float = 3.0) -> Wanted:
    return Wanted(actuator=actuator, desired=state, baseline_kw=baseline_kw)


def setpoint(kw: float, clock: FakeClock | None = None, **fields: Any) -> DesiredState:
    """Of the event e-1, which ends in an hour if there is a clock."""
    ends_at = None if clock is None else clock() + timedelta(hours=1)
    values: Mapping[str, Any] = {"event_id": "e-1", "reason": "DISPATCH_SETPOINT", **fields}
    return DesiredState(setpoint_kw=kw, **{"ends_at": ends_at, **values})
