"""The circuit breaker: open after failures in a row, tried again with growing pauses."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.openadr import Circuit
from app.openadr.circuit import MAX_PAUSE_S, OPENS_AFTER
from tests.support.fakes import FakeClock


@pytest.fixture
def circuit(clock: FakeClock) -> Circuit:
    return Circuit(monotonic=clock.monotonic)


def fail(circuit: Circuit, times: int = OPENS_AFTER) -> None:
    for _ in range(times):
        circuit.not_connected()


def test_attempts_in_a_row_that_are_not_connected_open_it(circuit: Circuit) -> None:
    fail(circuit)

    assert circuit.is_open
    assert not circuit.allow_request()


def test_a_connection_in_between_keeps_it_closed(circuit: Circuit) -> None:
    fail(circuit, OPENS_AFTER - 1)
    circuit.connected()
    fail(circuit, OPENS_AFTER - 1)

    assert not circuit.is_open
    assert circuit.allow_request()


def test_after_a_pause_one_request_is_let_through(circuit: Circuit, clock: FakeClock) -> None:
    fail(circuit)
    clock.advance(seconds=2)

    assert circuit.probe_due
    assert [circuit.allow_request() for _ in range(3)] == [True, False, False]


def test_an_answer_closes_it_at_once(circuit: Circuit, clock: FakeClock) -> None:
    fail(circuit)
    clock.advance(seconds=2)
    circuit.allow_request()
    circuit.answered()

    assert not circuit.is_open
    assert all(circuit.allow_request() for _ in range(3))


def test_an_hour_of_outage_is_few_requests_and_never_a_long_pause(
    circuit: Circuit, clock: FakeClock
) -> None:
    fail(circuit)
    tried_at_s = []
    for _ in range(36_000):
        clock.advance(seconds=0.1)
        if circuit.allow_request():
            tried_at_s.append(clock.monotonic())
            circuit.not_connected()

    pauses_s = [b - a for a, b in pairwise(tried_at_s)]
    assert max(pauses_s) < MAX_PAUSE_S + 0.2 < 10
    assert len(tried_at_s) < 1000
    assert len({round(pause_s, 1) for pause_s in pauses_s}) > 5, "the pauses are spread"
