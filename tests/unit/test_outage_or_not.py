"""After three VENs in a row that get no answer, others are asked: is it the VTN?"""

from __future__ import annotations

import random
import threading
from functools import partial

import pytest

from app.fleet.held_vens import ASKS_OTHERS, QUIET_S, SUSPECTS_AFTER
from app.openadr import Circuit, VtnUnauthorised, VtnUnavailable
from tests.support.fakes import FakeClock, held_vens
from tests.support.waiting import wait_until

TEN = [f"VEN {number}" for number in range(10)]
NO_ANSWER = VtnUnavailable("GET /events: the VTN answers 500", status=500)
REFUSED = VtnUnauthorised("GET /events: 401", status=401)


@pytest.fixture
def circuit(clock: FakeClock) -> Circuit:
    return Circuit(monotonic=clock.monotonic)


class Vtn:
    """Answers a cheap question, or not."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self._lock = threading.Lock()
        self.asked: list[str] = []

    def __call__(self, ven_name: str) -> None:
        with self._lock:
            self.asked.append(ven_name)
        if self.error is not None:
            raise self.error


def test_a_vtn_that_answers_others_is_not_down(circuit: Circuit, clock: FakeClock) -> None:
    vtn = Vtn()
    held = held_vens(circuit, clock, TEN, ask=vtn)

    for name in TEN[:SUSPECTS_AFTER]:
        held.failed(name, NO_ANSWER)

    wait_until(lambda: len(vtn.asked) == ASKS_OTHERS)
    assert set(vtn.asked) <= set(TEN[SUSPECTS_AFTER:])
    assert not circuit.is_open


def test_time_outs_that_end_together_do_not_decide_before_the_others_are_asked(
    circuit: Circuit, clock: FakeClock
) -> None:
    held = held_vens(circuit, clock, TEN, ask=Vtn())
    clock.advance(seconds=QUIET_S)

    for name in TEN[:9]:
        held.failed(name, NO_ANSWER)

    assert not circuit.is_open


def test_a_vtn_that_answers_nobody_is_down(circuit: Circuit, clock: FakeClock) -> None:
    held = held_vens(circuit, clock, TEN, ask=Vtn(error=NO_ANSWER))

    for name in TEN[:SUSPECTS_AFTER]:
        held.failed(name, NO_ANSWER)

    wait_until(lambda: circuit.is_open)


def test_one_that_refuses_all_others_is_not_down_either(circuit: Circuit, clock: FakeClock) -> None:
    vtn = Vtn(error=REFUSED)
    held = held_vens(circuit, clock, TEN, ask=vtn)
    for name in TEN[SUSPECTS_AFTER:]:
        held.failed(name, REFUSED)

    for name in TEN[:SUSPECTS_AFTER]:
        held.failed(name, NO_ANSWER)

    wait_until(lambda: len(vtn.asked) == ASKS_OTHERS)
    assert not circuit.is_open


def test_one_answer_of_five_is_enough(circuit: Circuit, clock: FakeClock) -> None:
    class OneAnswers(Vtn):
        """The first one that asks is answered."""

        def __call__(self, ven_name: str) -> None:
            with self._lock:
                self.asked.append(ven_name)
                first = len(self.asked) == 1
            if not first:
                raise NO_ANSWER

    vtn = OneAnswers()
    held = held_vens(circuit, clock, TEN, ask=vtn)
    for name in TEN[:SUSPECTS_AFTER]:
        held.failed(name, NO_ANSWER)
    wait_until(lambda: len(vtn.asked) == ASKS_OTHERS)
    held.succeeded(TEN[-1])

    assert not circuit.is_open


def test_a_defect_of_one_inquiry_does_not_end_all_others(
    circuit: Circuit, clock: FakeClock
) -> None:
    vtn = Vtn(error=RuntimeError("a defect"))
    held = held_vens(circuit, clock, TEN, ask=vtn)
    for name in TEN[:SUSPECTS_AFTER]:
        held.failed(name, NO_ANSWER)
    wait_until(lambda: len(vtn.asked) == ASKS_OTHERS)

    vtn.error = NO_ANSWER

    def is_found_out() -> bool:
        held.failed(TEN[0], NO_ANSWER)
        return circuit.is_open

    wait_until(is_found_out)


def has_asked(vtn: Vtn, count: int) -> bool:
    return len(vtn.asked) == count


def test_others_are_drawn_anew_each_time(circuit: Circuit, clock: FakeClock) -> None:
    random.seed(1)
    vtn = Vtn()
    many = [f"VEN {number}" for number in range(300)]
    held = held_vens(circuit, clock, many, ask=vtn)
    for times in range(1, 11):
        for name in many[:SUSPECTS_AFTER]:
            held.failed(name, NO_ANSWER)
        wait_until(partial(has_asked, vtn, times * ASKS_OTHERS))
        held.succeeded(many[-1])

    assert len(set(vtn.asked)) > 2 * ASKS_OTHERS
