"""What the devices of the orders in force say, and what is done about it."""

from __future__ import annotations

import pytest

from app.actuation.order import Answer, OrderStatus, Outcome, OutcomeStatus
from tests.support.fakes import FakeClock
from tests.support.orders import CAR, PLANTS, PUMP, VALID_FOR, BookBench, setpoint, wanted


@pytest.fixture
def bench(clock: FakeClock) -> BookBench:
    return BookBench(clock)


class TestAnswers:
    def test_a_refused_order_is_not_written_again(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.due()
        seq = bench.write()["seq"]

        (ended,) = bench.answer(seq, OutcomeStatus.REFUSED)

        assert ended.status is OrderStatus.REFUSED
        bench.clock.advance(seconds=3600)
        assert bench.due() == []
        assert bench.book.written(PUMP) is None

    def test_nor_after_a_restart(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.answer(bench.write()["seq"], OutcomeStatus.REFUSED)

        bench.started()

        assert bench.due() == []
        assert bench.book.written(PUMP) is None

    def test_it_is_written_again_when_its_event_has_changed(self, bench: BookBench) -> None:
        """Even where it asks the same: who refused may think better of it."""
        bench.ask(pump=setpoint(1.5, event_version="1"))
        seq = bench.write()["seq"]
        bench.answer(seq, OutcomeStatus.REFUSED)

        bench.ask(pump=setpoint(1.5, event_version="2"))

        assert bench.write()["seq"] > seq

    def test_one_for_what_was_never_issued_is_counted_and_not_followed(
        self, bench: BookBench
    ) -> None:
        bench.ask(pump=setpoint(1.5))
        seq = bench.write()["seq"]

        bench.answer(seq + 1, OutcomeStatus.REFUSED)
        bench.answer(seq, OutcomeStatus.REFUSED, CAR)
        bench.answer(seq, OutcomeStatus.ACCEPTED, actuator=PLANTS.name)
        bench.answer(seq, OutcomeStatus.REFUSED, actuator=PLANTS.name)

        assert bench.book.counts.unknown == 4
        assert bench.book.counts.accepted == 0
        assert bench.book.written(PUMP) is not None

    def test_one_for_what_was_replaced_comes_too_late(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        first = bench.write()["seq"]
        bench.ask(pump=setpoint(1.0))

        bench.answer(first, OutcomeStatus.REFUSED)

        assert bench.book.counts.late == 1
        assert bench.write()["setpoint_kw"] == 1.0


class TestManyAnswersAtOnce:
    def test_are_stored_together(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5), car=setpoint(2.0))
        bench.ask()
        answers = [
            Answer(
                "homes", key, Outcome(seq=bench.write(key)["seq"], status=OutcomeStatus.ACCEPTED)
            )
            for key in (PUMP, CAR)
        ]

        ended = bench.book.follow(answers)

        assert {order.key for order in ended if order.is_over} == {PUMP, CAR}
        assert bench.store.keeps == 1

    def test_of_one_device_the_first_counts(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.ask()
        answer = Answer(
            "homes", PUMP, Outcome(seq=bench.write()["seq"], status=OutcomeStatus.ACCEPTED)
        )

        bench.book.follow([answer, answer])

        assert bench.book.counts.accepted == 1

    def test_also_of_what_it_refuses(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        seq = bench.write()["seq"]
        refusals = [
            Answer("homes", PUMP, Outcome(seq=seq, status=OutcomeStatus.REFUSED, reason=reason))
            for reason in ("too cold", "still too cold")
        ]

        (ended,) = bench.book.follow(refusals)

        assert ended.reason == "too cold"

    def test_that_devices_accept_is_stored_nowhere(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))

        bench.accepted()

        assert bench.store.keeps == 0


class TestBaseline:
    def test_it_is_that_of_the_first_order_until_the_release(self, bench: BookBench) -> None:
        bench.book.change({PUMP: wanted(setpoint(1.5), baseline_kw=3.0)})
        bench.book.change({PUMP: wanted(setpoint(1.0), baseline_kw=1.5)})

        for book in (bench.book, bench.started()):
            assert [order.baseline_kw for order in book.orders()] == [3.0]


class TestAnotherActuator:
    def test_the_old_one_is_released_first(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.accepted()

        bench.book.change({PUMP: wanted(setpoint(1.0), actuator="plants")})

        assert bench.book.counts.issued == 2
        written = bench.book.written(PUMP)
        assert written is not None
        assert written.actuator == "homes"
        assert b'"release":true' in written.body
        bench.answer(written.seq, OutcomeStatus.ACCEPTED)
        bench.book.change({PUMP: wanted(setpoint(1.5), actuator="plants")})
        written = bench.book.written(PUMP)
        assert written is not None
        assert written.actuator == "plants"

    def test_where_the_old_one_is_gone_its_time_is_waited_for(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        del bench.actuators["homes"]
        asked = {PUMP: wanted(setpoint(1.5), actuator="plants")}
        bench.book.change(asked)

        bench.clock.advance(seconds=2 * VALID_FOR.total_seconds() - 1)
        bench.book.change(asked)
        assert bench.book.written(PUMP) is None
        bench.clock.advance(seconds=1)
        bench.book.change(asked)

        written = bench.book.written(PUMP)
        assert written is not None
        assert written.actuator == "plants"
