"""The orders in force: each sentence of the device contract that the fleet keeps."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.actuation.order import OrderStatus, OutcomeStatus
from app.platform import to_us
from tests.support.fakes import FakeClock
from tests.support.orders import HOMES, PUMP, VALID_FOR, BookBench, setpoint, wanted

HALF_S = VALID_FOR.total_seconds() / 2


@pytest.fixture
def bench(clock: FakeClock) -> BookBench:
    return BookBench(clock)


class TestWhatIsWritten:
    def test_the_whole_state_is_in_it(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5, bench.clock, import_limit_kw=4.0, level=2))

        order = bench.write()

        assert order == {
            "run": "run-1",
            "seq": to_us(bench.clock()),
            "issued_at": "2026-06-01T12:00:00Z",
            "until": "2026-06-01T12:02:00Z",
            "valid_s": 120.0,
            "setpoint_kw": 1.5,
            "import_limit_kw": 4.0,
            "export_limit_kw": None,
            "level": 2,
            "release": False,
            "event_id": "e-1",
            "reason": "DISPATCH_SETPOINT",
        }

    def test_what_is_left_of_it_counts_from_when_it_goes_out(self, bench: BookBench) -> None:
        """Not from when it was issued: it may have waited for the broker."""
        bench.ask(pump=setpoint(1.5, ends_at=bench.clock() + timedelta(seconds=90)))

        bench.clock.advance(seconds=60)

        assert bench.write()["valid_s"] == 30.0

    def test_it_never_outlasts_what_is_asked(self, bench: BookBench) -> None:
        ends_at = bench.clock() + timedelta(seconds=70)
        bench.ask(pump=setpoint(1.5, ends_at=ends_at))

        assert datetime.fromisoformat(bench.write()["until"]) == ends_at

        bench.clock.advance(seconds=70)
        assert bench.book.written(PUMP) is None

    def test_nothing_is_written_of_who_is_asked_nothing(self, bench: BookBench) -> None:
        assert bench.book.written(PUMP) is None
        assert bench.due() == []
        assert bench.book.next_due_s() is None


class TestSeq:
    def test_it_is_stored_before_anything_is_written(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))

        assert bench.store.rows[PUMP].seq == bench.write()["seq"]

    def test_a_change_has_a_higher_one(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        first = bench.write()["seq"]

        bench.ask(pump=setpoint(1.0))

        assert bench.write()["seq"] > first

    def test_the_same_again_has_the_same_one(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        first = bench.write()["seq"]

        bench.ask(pump=setpoint(1.5))

        assert bench.write()["seq"] == first
        assert bench.book.counts.issued == 1

    def test_a_change_of_the_event_alone_is_none(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5, event_version="1"))
        bench.ask(pump=setpoint(1.5, event_version="2"))

        assert bench.book.counts.issued == 1

    def test_it_rises_even_where_the_clock_goes_back(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        first = bench.write()["seq"]

        bench.clock.now -= timedelta(days=1)
        bench.ask(pump=setpoint(1.0))

        assert bench.write()["seq"] == first + 1

    def test_a_restored_store_goes_on_above_what_was_issued_since(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.clock.advance(seconds=1)
        newest = to_us(bench.clock())

        bench.store.last_seq -= 1_000_000
        bench.ask(pump=setpoint(1.0))

        assert bench.write()["seq"] >= newest


class TestWhileItHolds:
    def test_it_is_written_again_within_half_of_its_time(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        assert bench.due() == [PUMP]
        seq = bench.accepted()

        bench.clock.advance(seconds=HALF_S - 1)
        assert bench.due() == []
        bench.clock.advance(seconds=1)

        assert bench.due() == [PUMP]
        again = bench.write()
        assert (again["seq"], again["valid_s"]) == (seq, VALID_FOR.total_seconds())

    def test_without_an_answer_it_is_written_again_later_and_later(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.due()
        bench.write()
        pauses = []
        for _ in range(4):
            waited = 0
            while not bench.due():
                bench.clock.advance(seconds=1)
                waited += 1
            pauses.append(waited)
            bench.write()

        assert pauses == [10, 20, 40, HALF_S]
        assert bench.book.counts.unanswered == 4

    def test_an_answer_that_comes_twice_is_one(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        seq = bench.accepted()

        bench.answer(seq, OutcomeStatus.ACCEPTED)

        assert bench.book.counts.accepted == 1

    def test_an_end_that_comes_sooner_is_written_at_once(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5, bench.clock))
        seq = bench.accepted()
        bench.due()

        ends_at = bench.clock() + timedelta(seconds=30)
        bench.ask(pump=setpoint(1.5, ends_at=ends_at))

        assert bench.due() == [PUMP]
        again = bench.write()
        assert (again["seq"], again["valid_s"]) == (seq, 30.0)

    def test_an_end_that_comes_later_is_written_before_the_device_ends_it(
        self, bench: BookBench
    ) -> None:
        bench.ask(pump=setpoint(1.5, ends_at=bench.clock() + timedelta(seconds=30)))
        seq = bench.accepted()
        bench.clock.advance(seconds=20)
        bench.due()

        bench.ask(pump=setpoint(1.5, ends_at=bench.clock() + timedelta(hours=1)))

        assert bench.due() == [PUMP]
        again = bench.write()
        assert (again["seq"], again["valid_s"]) == (seq, VALID_FOR.total_seconds())

    def test_nor_is_it_forgotten_where_it_was_due_at_the_old_end(self, bench: BookBench) -> None:
        """The plan comes a moment after the boundary, and a write was due between the two."""
        bench.ask(pump=setpoint(1.5, ends_at=bench.clock() + timedelta(seconds=30)))
        bench.accepted()
        bench.clock.advance(seconds=30)
        assert bench.book.written(PUMP) is None

        bench.ask(pump=setpoint(1.5, ends_at=bench.clock() + timedelta(hours=1)))

        assert bench.due() == [PUMP]

    def test_nor_where_the_clock_is_set_back_after_its_end(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5, ends_at=bench.clock() + timedelta(seconds=30)))
        bench.accepted()
        bench.clock.advance(seconds=30)
        assert bench.book.written(PUMP) is None

        bench.clock.set_back(seconds=60)
        bench.clock.advance(seconds=10)

        assert bench.due() == [PUMP]
        assert bench.write()["valid_s"] == 50.0

    def test_who_waits_for_what_is_due_is_told_of_what_comes_first(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.due()
        bench.book.due_changed.clear()

        bench.write()

        assert bench.book.due_changed.is_set()

    def test_a_device_that_dies_is_missed(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        for _ in range(2):
            bench.clock.advance(seconds=HALF_S)
            bench.due()
            bench.write()

        (order,) = bench.book.orders()

        assert order.status is OrderStatus.WAITING
        assert order.is_unanswered

    def test_each_answer_counts(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        for _ in range(5):
            bench.accepted()
            bench.clock.advance(seconds=HALF_S)
            bench.due()

        (order,) = bench.book.orders()

        assert order.status is OrderStatus.ACCEPTED
        assert bench.book.counts.unanswered == 0


class TestItsEnd:
    def test_it_is_a_release_with_the_next_seq(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        seq = bench.accepted()

        bench.ask()

        assert PUMP in bench.due()
        order = bench.write()
        assert order["seq"] > seq
        assert order["release"] is True
        assert (order["setpoint_kw"], order["event_id"]) == (None, None)

    def test_it_is_repeated_until_it_is_acknowledged(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        bench.ask()
        bench.due()
        seq = bench.write()["seq"]
        bench.clock.advance(seconds=10)
        assert bench.due() == [PUMP]
        assert bench.write()["seq"] == seq

        (ended,) = bench.answer(seq, OutcomeStatus.ACCEPTED)

        assert ended.is_over

        assert bench.store.rows[PUMP].status is OrderStatus.RELEASED
        assert bench.write() == {}, "what the broker retains is cleared"
        assert bench.book.written(PUMP) is None
        bench.clock.advance(seconds=3600)
        assert bench.due() == []

    def test_or_until_the_device_has_ended_it_by_itself(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        bench.ask()
        ended = bench.clock() + 2 * VALID_FOR
        while bench.clock() < ended:
            bench.clock.advance(seconds=1)
            for key in bench.due():
                bench.book.written(key)

        assert bench.write() == {}
        assert bench.book.counts.lapsed == 1
        bench.clock.advance(seconds=3600)
        assert bench.due() == []

    def test_a_device_may_not_refuse_it(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        bench.ask()
        bench.due()

        assert bench.answer(bench.write()["seq"], OutcomeStatus.REFUSED) == []

        bench.clock.advance(seconds=10)
        assert bench.due() == [PUMP]

    def test_it_is_repeated_as_long_as_the_device_was_told(self, bench: BookBench) -> None:
        """Orders may hold for less from now on; what was written before holds as it said, and a
        broker may have told the device late."""
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        bench.actuators["homes"] = HOMES.model_copy(update={"valid_for": timedelta(seconds=8)})

        bench.ask()

        assert bench.write()["valid_s"] == 2 * VALID_FOR.total_seconds()

    def test_its_answer_is_waited_for_anew(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        for _ in range(2):
            bench.write()
        unanswered = bench.book.counts.unanswered

        bench.ask()
        bench.write()

        (order,) = bench.book.orders()
        assert not order.is_unanswered
        assert bench.book.counts.unanswered == unanswered

    def test_what_is_asked_next_is_an_order_again(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        bench.ask()
        release = bench.write()["seq"]

        bench.ask(pump=setpoint(1.5))

        order = bench.write()
        assert order["seq"] > release
        assert order["release"] is False


class TestAStartAfterALongTime:
    """Devices have ended by themselves what nobody renewed, and did since then as they like."""

    def test_what_devices_have_ended_is_over(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        seq = bench.accepted()
        bench.clock.advance(hours=4)

        bench.started()
        assert bench.due() == []
        stored = bench.store.rows[PUMP]
        assert (stored.status, stored.until) == (
            OrderStatus.RELEASED,
            bench.clock() - timedelta(hours=1),
        )
        bench.book.change({PUMP: wanted(setpoint(1.5), baseline_kw=9.0)})

        order = bench.book.get(PUMP)
        assert order is not None
        assert (order.baseline_kw, order.seq > seq) == (9.0, True)

    @pytest.mark.parametrize("ticked_h_ago", [0, 2])
    def test_what_may_have_been_renewed_since_goes_on(
        self, bench: BookBench, ticked_h_ago: float
    ) -> None:
        """A tick may be long ago although orders were renewed until a moment ago; and a baseline
        that is measured while an order holds would be one of the order."""
        bench.ask(pump=setpoint(1.5))
        bench.accepted()
        bench.clock.advance(hours=10)

        bench.started(ticked_at=bench.clock() - timedelta(hours=ticked_h_ago))

        order = bench.book.get(PUMP)
        assert order is not None
        assert not order.is_over
        assert bench.due() == [PUMP]


class TestAnActuatorThatIsChanged:
    """What was written while `valid_for` was longer may be held for longer."""

    def test_a_release_is_repeated_until_nothing_is_held(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        longer = timedelta(minutes=10)
        bench.actuators["homes"] = HOMES.model_copy(update={"valid_for": longer})
        bench.write()
        bench.actuators["homes"] = HOMES
        bench.write()

        bench.ask()

        assert bench.order().until == bench.clock() + 2 * longer

    def test_one_that_was_never_written_for_so_long_is_not(self, bench: BookBench) -> None:
        bench.ask(pump=setpoint(1.5))
        bench.write()

        bench.ask()

        assert bench.order().until == bench.clock() + 2 * VALID_FOR
