"""Orders over a restart, and while the database is silent."""

from __future__ import annotations

import pytest

from app.actuation.order import OutcomeStatus
from app.platform import DatabaseError
from tests.support.fakes import FakeClock
from tests.support.orders import PUMP, VALID_FOR, BookBench, setpoint

HALF_S = VALID_FOR.total_seconds() / 2


@pytest.fixture
def bench(clock: FakeClock) -> BookBench:
    return BookBench(clock)


class TestRestart:
    def test_what_holds_is_written_again(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        seq = bench.accepted()

        bench.started()

        assert bench.due() == [PUMP]
        assert bench.write()["seq"] == seq

    def test_and_what_was_to_be_released_is(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        bench.ask()

        bench.started()

        assert bench.due() == [PUMP]
        assert bench.write()["release"] is True


class TestASilentDatabase:
    def test_nothing_new_is_issued_and_what_holds_goes_on(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        seq = bench.accepted()
        bench.store.fails = True

        with pytest.raises(DatabaseError):
            bench.ask(pump=setpoint(1.0))

        bench.clock.advance(seconds=HALF_S)
        assert PUMP in bench.due()
        assert bench.write()["seq"] == seq

    def test_a_refusal_is_taken_when_it_is_stored(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        seq = bench.write()["seq"]
        bench.store.fails = True

        with pytest.raises(DatabaseError):
            bench.answer(seq, OutcomeStatus.REFUSED)

        assert bench.book.written(PUMP) is not None
