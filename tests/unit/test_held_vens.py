"""One VEN's trouble is its own; what several VENs meet in a row may be an outage."""

from __future__ import annotations

import logging

import pytest

from app.fleet import HeldVens
from app.fleet.held_vens import ASKS_OTHERS, MAX_PAUSE_S, MIN_PAUSE_S, QUIET_S, SUSPECTS_AFTER
from app.openadr import Circuit, VtnDown, VtnError, VtnRejected, VtnUnauthorised, VtnUnavailable
from app.openadr.errors import MissingCredentials
from tests.support.fakes import FakeClock, held_vens

TEN = [f"VEN {number}" for number in range(10)]
NO_ANSWER = VtnUnavailable("GET /events: the VTN answers 500", status=500)
REFUSED = VtnUnauthorised("GET /events: 401", status=401)


@pytest.fixture
def circuit(clock: FakeClock) -> Circuit:
    return Circuit(monotonic=clock.monotonic)


@pytest.fixture
def held(circuit: Circuit, clock: FakeClock) -> HeldVens:
    return held_vens(circuit, clock, TEN)


def retry(held: HeldVens, ven_name: str, error: VtnError | None) -> None:
    """Try a held VEN; what comes of it."""
    assert held.claim(ven_name)
    if error is None:
        held.succeeded(ven_name)
    else:
        held.failed(ven_name, error)


@pytest.mark.parametrize("error", [NO_ANSWER, REFUSED, VtnRejected("404", status=404)])
def test_a_ven_that_fails_is_held_and_the_others_are_free(held: HeldVens, error: VtnError) -> None:
    held.failed(TEN[0], error)

    assert held.free(TEN) == TEN[1:]
    assert held.problems() == {TEN[0]: str(error)}


def test_pauses_grow_to_five_minutes(held: HeldVens, clock: FakeClock) -> None:
    held.failed(TEN[0], REFUSED)
    pauses_s = []
    for _ in range(10):
        passed_s = 0
        while not held.due():
            clock.advance(seconds=1)
            passed_s += 1
        pauses_s.append(passed_s)
        retry(held, TEN[0], REFUSED)

    assert pauses_s[0] <= MIN_PAUSE_S
    assert pauses_s[:6] == sorted(pauses_s[:6])
    assert all(MAX_PAUSE_S * 0.8 <= pause_s <= MAX_PAUSE_S for pause_s in pauses_s[6:])


def test_the_vtn_may_ask_for_a_longer_pause(held: HeldVens, clock: FakeClock) -> None:
    held.failed(TEN[0], VtnUnavailable("429", status=429, retry_after_s=60))

    clock.advance(seconds=59)
    assert held.due() == []
    clock.advance(seconds=1)
    assert held.due() == [TEN[0]]


def test_but_for_no_longer_than_five_minutes(held: HeldVens, clock: FakeClock) -> None:
    held.failed(TEN[0], VtnUnavailable("429", status=429, retry_after_s=86_400))

    clock.advance(seconds=MAX_PAUSE_S)

    assert held.due() == [TEN[0]]


def test_who_waits_longest_is_due_first(held: HeldVens, clock: FakeClock) -> None:
    for name in reversed(TEN[:4]):
        held.failed(name, REFUSED)
        clock.advance(seconds=MIN_PAUSE_S)

    assert held.due() == TEN[3::-1]


def test_work_that_fails_for_another_reason_gives_the_claim_back(
    held: HeldVens, clock: FakeClock
) -> None:
    def defect(_: str) -> None:
        raise RuntimeError("a defect of ours")

    held.failed(TEN[0], REFUSED)
    clock.advance(seconds=MIN_PAUSE_S)
    for _ in range(3):
        assert held.claim(TEN[0])
        with pytest.raises(RuntimeError):
            held.watched(defect, str)(TEN[0])

    assert held.is_held(TEN[0])


def test_who_is_not_of_the_fleet_any_more_is_not_held(held: HeldVens, clock: FakeClock) -> None:
    for name in TEN[:3]:
        held.failed(name, REFUSED)
    clock.advance(seconds=MIN_PAUSE_S)
    assert [held.claim(name) for name in TEN[:3]] == [True, True, False]

    held.forget(TEN[0])

    assert not held.is_held(TEN[0])
    assert held.claim(TEN[2]), "its connection is free for others"


def test_the_first_success_frees_it(held: HeldVens, clock: FakeClock) -> None:
    held.failed(TEN[0], REFUSED)
    clock.advance(seconds=MIN_PAUSE_S)

    retry(held, TEN[0], None)

    assert held.free(TEN) == TEN


def test_held_vens_use_no_more_connections_than_they_may(held: HeldVens, clock: FakeClock) -> None:
    for name in TEN[:5]:
        held.failed(name, REFUSED)
    clock.advance(seconds=MIN_PAUSE_S)

    first, second, *others = held.due()
    claimed = [held.claim(name) for name in (first, second, *others)]
    assert claimed == [True, True, False, False, False]

    held.give_back(first)
    held.succeeded(second)
    assert [held.claim(name) for name in others] == [True, True, False]


def test_nobody_tries_a_ven_that_is_tried_or_not_due(held: HeldVens, clock: FakeClock) -> None:
    held.failed(TEN[0], REFUSED)
    assert not held.claim(TEN[0])
    clock.advance(seconds=MIN_PAUSE_S)

    assert held.claim(TEN[0])
    assert not held.claim(TEN[0])
    assert not held.claim(TEN[1]), "it is not held"


@pytest.mark.parametrize("failing", [2, 3, 7])
def test_an_answer_to_any_other_ven_shows_that_it_is_no_outage(
    held: HeldVens, circuit: Circuit, failing: int
) -> None:
    for _ in range(10):
        for name in TEN[:failing]:
            held.failed(name, NO_ANSWER)
        held.succeeded(TEN[-1])

    assert not circuit.is_open


def test_a_refusal_is_an_answer(held: HeldVens, circuit: Circuit) -> None:
    for name in TEN:
        held.failed(name, REFUSED)

    assert not circuit.is_open


def test_where_nobody_can_be_asked_many_in_a_row_are_an_outage_after_a_quiet_minute(
    held: HeldVens, circuit: Circuit, clock: FakeClock
) -> None:
    for name in TEN[: SUSPECTS_AFTER + ASKS_OTHERS]:
        held.failed(name, NO_ANSWER)
    assert not circuit.is_open, "the others may have had nothing to do"

    clock.advance(seconds=QUIET_S)
    held.failed(TEN[0], NO_ANSWER)

    assert circuit.is_open


def test_all_in_a_row_are_an_outage(held: HeldVens, circuit: Circuit) -> None:
    for name in TEN:
        assert not circuit.is_open
        held.failed(name, NO_ANSWER)

    assert circuit.is_open


def test_the_same_ven_again_and_again_is_one(held: HeldVens, circuit: Circuit) -> None:
    for _ in range(20):
        held.failed(TEN[0], NO_ANSWER)

    assert not circuit.is_open


@pytest.mark.parametrize("size", [1, 2])
def test_of_a_small_fleet_all_are_an_outage(clock: FakeClock, circuit: Circuit, size: int) -> None:
    held = held_vens(circuit, clock, TEN[:size])

    for name in TEN[: size - 1]:
        held.failed(name, NO_ANSWER)
    assert not circuit.is_open
    held.failed(TEN[size - 1], NO_ANSWER)

    assert circuit.is_open


def test_where_all_others_have_trouble_of_their_own_the_rest_are_all(
    held: HeldVens, circuit: Circuit
) -> None:
    for name in TEN[:7]:
        held.failed(name, REFUSED)
    for name in TEN[7:]:
        assert not circuit.is_open
        held.failed(name, NO_ANSWER)

    assert circuit.is_open


def test_several_failures_at_one_moment_are_one(held: HeldVens, clock: FakeClock) -> None:
    for _ in range(8):
        held.failed(TEN[0], REFUSED)

    clock.advance(seconds=MIN_PAUSE_S)
    assert held.due() == [TEN[0]]


def test_two_are_no_outage_though_all_others_have_trouble_of_their_own(
    held: HeldVens, circuit: Circuit
) -> None:
    for name in TEN[:8]:
        held.failed(name, REFUSED)
    for name in TEN[8:]:
        held.failed(name, NO_ANSWER)

    assert not circuit.is_open


@pytest.mark.parametrize("error", [VtnDown("down"), MissingCredentials("none")])
def test_what_was_not_asked_says_nothing_about_the_vtn(
    held: HeldVens, circuit: Circuit, error: VtnError
) -> None:
    for name in TEN:
        held.failed(name, error)

    assert not circuit.is_open


def test_after_an_outage_nobody_is_held_for_it(held: HeldVens, circuit: Circuit) -> None:
    held.failed(TEN[9], REFUSED)
    for name in TEN[:9]:
        held.failed(name, NO_ANSWER)
    assert held.free(TEN) == TEN, "whoever asks, finds out whether the VTN is back"
    assert held.problems() == {}

    circuit.answered()

    assert held.free(TEN) == TEN[:9], "who had trouble of its own still has"


def test_many_are_said_in_few_lines_and_once(
    circuit: Circuit, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    held = held_vens(circuit, clock, [f"VEN {number}" for number in range(100)])
    for number in range(50):
        held.failed(f"VEN {number}", REFUSED)
    for _ in range(3):
        held.log_changes()
        held.failed("VEN 7", REFUSED)

    assert len(caplog.records) == 11
    assert caplog.records[-1].getMessage() == "and the requests of 40 VENs more"


def test_who_is_well_again_is_said_if_it_was_said_to_be_held(
    held: HeldVens, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app")
    held.failed(TEN[0], REFUSED)
    held.log_changes()
    held.failed(TEN[1], REFUSED)
    clock.advance(seconds=MIN_PAUSE_S)
    for name in TEN[:2]:
        retry(held, name, None)
    held.log_changes()

    assert [line for line in caplog.messages if "recovered" in line] == [
        f"VEN {TEN[0]}: its requests have recovered"
    ]


class TestSeveralAtOnce:
    """For whom one thing is asked, since they are the same client of the VTN."""

    def test_they_are_held_together_and_come_back_together(
        self, held: HeldVens, clock: FakeClock
    ) -> None:
        held.all_failed(TEN[:4], REFUSED)
        assert held.free(TEN) == TEN[4:]
        clock.advance(seconds=MIN_PAUSE_S)
        assert held.claim(TEN[0])

        held.all_succeeded(TEN[:4])

        assert held.problems() == {}
        assert held.due() == []

    def test_one_that_fails_for_many_is_no_outage_yet(
        self, circuit: Circuit, clock: FakeClock
    ) -> None:
        """It is one request that failed, however many it was for."""
        many = [f"VEN {number}" for number in range(100)]
        held = held_vens(circuit, clock, many)

        held.all_failed(many[:50], NO_ANSWER)

        assert not circuit.is_open
        assert held.free(many) == many[50:]

    def test_several_in_a_row_may_be_one(self, circuit: Circuit, clock: FakeClock) -> None:
        held = held_vens(circuit, clock, TEN[:3])

        for names in (TEN[:3], [TEN[1], TEN[0], TEN[2]], TEN[2:3]):
            assert not circuit.is_open
            held.all_failed(names, NO_ANSWER)

        assert circuit.is_open
