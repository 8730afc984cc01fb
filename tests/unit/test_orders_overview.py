"""What operators are told of orders."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from app.actuation import ActuatorsFile, OrdersOverview
from app.actuation.order import DesiredState, OutcomeStatus
from app.actuation.outcomes import OutcomeInbox
from app.actuation.overview import FOLLOWS_WITHIN
from app.actuation.signal import OrderSignal
from app.actuation.status import ActuatorStats
from app.fleet import EVERYBODY, THE_VEN, WhoTakesPart
from app.platform import LogOnce
from app.readings import Frame, Roster
from tests.support.fakes import FakeClock, FakeFrames
from tests.support.orders import BookBench, setpoint


class Bench:
    """A book of orders, and a meter."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.orders = BookBench(self.clock)
        self.frames = FakeFrames()
        self.stats = ActuatorStats()
        self.who = WhoTakesPart(revision=1)
        actuators = ActuatorsFile(None, monotonic=self.clock.monotonic, log_once=LogOnce())
        self.overview = OrdersOverview(
            book=self.orders.book,
            stats=self.stats,
            inbox=OutcomeInbox(actuators=actuators, signal=OrderSignal()),
            participation=self,
            frames=self.frames,
            clock=self.clock,
            log_once=LogOnce(),
        )

    def current(self, max_age_s: float = 0.0) -> WhoTakesPart:  # noqa: ARG002
        return self.who

    def measure(self, power_kw: float) -> None:
        """Of the pump, at the last tick."""
        self.frames.append(
            Frame(
                taken_at=self.clock(),
                profile_index=-1,
                roster=Roster([("Aarhus", ["pump"])]),
                power_kw=np.array([power_kw], dtype=np.float32),
            )
        )

    def warnings(self) -> list[str]:
        return list(self.overview.warnings())


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_where_all_is_well_nothing_is_said(bench: Bench) -> None:
    bench.stats.connection("homes", None)
    bench.orders.ask(pump=setpoint(1.5))
    bench.orders.accepted()

    assert bench.warnings() == []


class TestWhoDoesNotFollow:
    @pytest.mark.parametrize(
        ("state", "measured_kw", "follows"),
        [
            (setpoint(1.5), 1.6, True),
            (setpoint(1.5), 1.7, False),
            (setpoint(1.5), 1.3, False),
            (setpoint(8.0), 8.7, True),
            (DesiredState(import_limit_kw=2.0), 2.2, True),
            (DesiredState(import_limit_kw=2.0), 2.5, False),
            (DesiredState(import_limit_kw=2.0), 0.0, True),
            (DesiredState(export_limit_kw=2.0), -2.5, False),
            (DesiredState(export_limit_kw=2.0), 5.0, True),
            (setpoint(1.5), float("nan"), True),
        ],
    )
    def test_after_five_minutes(
        self, bench: Bench, state: Any, measured_kw: float, follows: bool
    ) -> None:
        bench.orders.ask(pump=state)
        bench.orders.accepted()
        bench.clock.now += FOLLOWS_WITHIN

        bench.measure(measured_kw)

        (row,) = bench.overview.rows()
        assert row.follows is follows
        line = "1 devices do not follow what they accepted, such as VEN Aarhus, resource 'pump'"
        assert bench.warnings() == ([] if follows else [line])

    def test_before_that_it_may_be_on_its_way(self, bench: Bench) -> None:
        bench.orders.ask(pump=setpoint(1.5))
        bench.orders.accepted()

        bench.measure(3.0)

        assert bench.overview.rows()[0].follows

    def test_who_refused_need_not(self, bench: Bench) -> None:
        bench.orders.ask(pump=setpoint(1.5))
        bench.orders.answer(bench.orders.write()["seq"], OutcomeStatus.REFUSED)
        bench.clock.now += FOLLOWS_WITHIN

        bench.measure(3.0)

        assert bench.overview.rows()[0].follows


def test_who_does_not_answer_is_named(bench: Bench) -> None:
    bench.orders.ask(pump=setpoint(1.5))
    for _ in range(2):
        bench.orders.write()

    assert bench.warnings() == [
        "1 devices do not answer their orders, such as VEN Aarhus, resource 'pump'"
    ]


def test_who_does_not_answer_is_said_once_and_when_it_is_over(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.orders.ask(pump=setpoint(1.5))
    for _ in range(3):
        bench.orders.write()
        bench.overview.say_troubles()
    bench.orders.accepted()

    bench.overview.say_troubles()

    assert caplog.messages == [
        "orders: devices do not answer their orders, such as VEN Aarhus, resource 'pump';"
        " the page and /readyz have more",
        "orders: all devices answer again",
    ]


def test_actuators_that_are_away_or_missing_are_named(bench: Bench) -> None:
    bench.stats.connection("homes", "the connection is lost")
    bench.stats.resources(["plant-7", "plant-7", "homes"], {"homes"})

    assert bench.warnings() == [
        "no order reaches actuator homes: the connection is lost",
        "2 resources name the actuator plant-7, which SOURCES_FILE does not have",
    ]


@pytest.mark.parametrize(
    ("released", "words"),
    [
        ({(EVERYBODY, THE_VEN), ("Aarhus", "pump")}, "the whole fleet"),
        ({("Aarhus", THE_VEN)}, "VEN Aarhus"),
        ({("Aarhus", "car"), ("Aarhus", "pump")}, "VEN Aarhus, resource 'car' and 1 others"),
    ],
)
def test_what_is_released_is_not_forgotten(
    bench: Bench, released: set[tuple[str, str]], words: str
) -> None:
    bench.who = WhoTakesPart(revision=2, released=frozenset(released))

    assert bench.warnings() == [f"orders are released until they are resumed: {words}"]
