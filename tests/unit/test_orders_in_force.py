"""What a tick stores of orders and opt-outs, and what the VTN is told of it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from app.actuation.in_force import OrdersInForce
from app.actuation.order import DesiredState, OutcomeStatus
from app.fleet import THE_VEN, OptOut, SetBy, WhoTakesPart
from app.readings import FrameDetail, OrderState, Roster
from app.reporting.content.of_frame import states
from tests.support.fakes import FakeClock
from tests.support.orders import PUMP as PUMP_KEY
from tests.support.orders import BookBench, setpoint, wanted

ROSTER = Roster([("Aalborg", ["hall"]), ("Aarhus", ["car", "pump"])])
CAR, PUMP = 1, 2
"""Their columns."""


class Bench:
    """A book of orders, and who has opted out."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.orders = BookBench(self.clock)
        self.who = WhoTakesPart(revision=1)
        self.in_force = OrdersInForce(book=self.orders.book, participation=self)

    def current(self, max_age_s: float = 0.0) -> WhoTakesPart:  # noqa: ARG002
        return self.who

    def opt_out(self, ven_name: str, resource_name: str, minutes: int | None = None) -> None:
        until = None if minutes is None else self.clock() + timedelta(minutes=minutes)
        opt_out = OptOut(
            ven_name=ven_name,
            resource_name=resource_name,
            set_by=SetBy.OPERATOR,
            reason="",
            since=self.clock(),
            until=until,
        )
        self.who = WhoTakesPart(revision=2, opt_outs={(ven_name, resource_name): [opt_out]})

    def state(self, column: int = PUMP) -> OrderState:
        found = self.in_force.of(ROSTER, self.clock())
        return OrderState.NOTHING if found is None else OrderState(int(found.state[column]))


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestOrders:
    def test_where_nothing_is_asked_there_is_nothing_to_lay_out(self, bench: Bench) -> None:
        assert bench.in_force.of(ROSTER, bench.clock()) is None

    def test_what_is_acknowledged_is_told_and_nothing_before(self, bench: Bench) -> None:
        bench.orders.ask(pump=setpoint(1.5, level=2))
        found = bench.in_force.of(ROSTER, bench.clock())
        assert found is not None
        assert np.isnan(found.setpoint_kw).all()
        assert not found.level.any()

        bench.orders.accepted()

        found = bench.in_force.of(ROSTER, bench.clock())
        assert found is not None
        assert (found.setpoint_kw[PUMP], found.level[PUMP]) == (1.5, 2)
        assert np.isnan(found.setpoint_kw[CAR])

    def test_the_baseline_is_that_before_the_first_order(self, bench: Bench) -> None:
        bench.orders.ask(pump=setpoint(1.5))

        found = bench.in_force.of(ROSTER, bench.clock())

        assert found is not None
        assert found.baseline_kw[PUMP] == 3.0

    @pytest.mark.parametrize(
        ("desired", "state"),
        [
            (setpoint(1.5), OrderState.CURTAILED),
            (setpoint(4.5), OrderState.HEIGHTENED),
            (setpoint(3.0), OrderState.NOTHING),
            (DesiredState(import_limit_kw=2.0), OrderState.CURTAILED),
            (DesiredState(import_limit_kw=5.0), OrderState.NOTHING),
        ],
    )
    def test_what_is_acknowledged_is_less_or_more(
        self, bench: Bench, desired: DesiredState, state: OrderState
    ) -> None:
        bench.orders.ask(pump=desired)
        assert bench.state() is OrderState.NOTHING, "it may be answered yet"

        bench.orders.accepted()

        assert bench.state() is state

    @pytest.mark.parametrize(
        ("limit_kw", "state"), [(2.0, OrderState.HEIGHTENED), (6.0, OrderState.NOTHING)]
    )
    def test_a_limit_of_export_binds_what_gives(
        self, bench: Bench, limit_kw: float, state: OrderState
    ) -> None:
        asked = wanted(DesiredState(export_limit_kw=limit_kw), baseline_kw=-5.0)
        bench.orders.book.change({PUMP_KEY: asked})

        bench.orders.accepted()

        assert bench.state() is state

    def test_what_is_not_answered_is_an_error(self, bench: Bench) -> None:
        bench.orders.ask(pump=setpoint(1.5))
        bench.orders.write()
        bench.clock.advance(seconds=10)
        bench.orders.write()

        assert bench.state() is OrderState.UNANSWERED

    def test_what_is_refused_is_nothing(self, bench: Bench) -> None:
        bench.orders.ask(pump=setpoint(1.5))
        bench.orders.answer(bench.orders.write()["seq"], OutcomeStatus.REFUSED)

        assert bench.state() is OrderState.NOTHING


class TestOptOuts:
    def test_of_a_resource(self, bench: Bench) -> None:
        bench.opt_out("Aarhus", "pump")

        out = bench.in_force.opted_out(ROSTER, bench.clock())

        assert out is not None
        assert out.tolist() == [False, False, True]
        assert bench.state() is OrderState.OPTED_OUT

    def test_of_a_ven_with_all_that_it_has(self, bench: Bench) -> None:
        bench.opt_out("Aarhus", THE_VEN)

        out = bench.in_force.opted_out(ROSTER, bench.clock())

        assert out is not None
        assert out.tolist() == [False, True, True]

    def test_they_end_by_themselves(self, bench: Bench) -> None:
        bench.opt_out("Aarhus", "pump", minutes=5)
        bench.clock.advance(minutes=5)

        assert bench.in_force.opted_out(ROSTER, bench.clock()) is None
        assert bench.in_force.of(ROSTER, bench.clock()) is None

    def test_of_who_is_not_in_the_fleet(self, bench: Bench) -> None:
        bench.opt_out("Aarhus", "nobody")

        assert bench.state() is OrderState.NOTHING


@pytest.mark.parametrize(
    ("power_kw", "order", "word"),
    [
        (2.0, OrderState.NOTHING, "NORMAL"),
        (0.0, OrderState.NOTHING, "NORMAL"),
        (2.0, OrderState.CURTAILED, "RUNNING_CURTAILED"),
        (0.0, OrderState.CURTAILED, "IDLE_CURTAILED"),
        (2.0, OrderState.HEIGHTENED, "RUNNING_HEIGHTENED"),
        (2.0, OrderState.OPTED_OUT, "RUNNING_OPTED_OUT"),
        (0.0, OrderState.OPTED_OUT, "IDLE_OPTED_OUT"),
        (2.0, OrderState.UNANSWERED, "ERROR"),
        (float("nan"), OrderState.CURTAILED, None),
        (float("nan"), OrderState.NOTHING, None),
    ],
)
def test_operating_state_of_a_real_device(
    power_kw: float, order: OrderState, word: str | None
) -> None:
    """Its baseline decides nothing: what it does by itself is no answer to an event."""
    detail = FrameDetail(
        baseline_kw=np.array([5.0], dtype=np.float32),
        metered=np.array([1], dtype=np.int8),
        order=np.array([order], dtype=np.int8),
    )

    assert states(np.array([power_kw], dtype=np.float32), detail).tolist() == [word]
