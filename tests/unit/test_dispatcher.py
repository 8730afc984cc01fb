"""When orders are planned, and what becomes of answers: without a thread and without a broker."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.actuation.dispatcher import AT_ONCE, MAX_PER_S
from app.actuation.order import Key, OrderStatus, Outcome, OutcomeStatus
from app.actuation.outcomes import MAX_WAITING
from app.actuation.service import ChangeWatch
from app.actuation.signal import OrderSignal
from app.actuation.trusted_clock import DOUBTED_FOR_S, TrustedClock
from app.fleet import SetBy
from app.platform import DatabaseError
from tests.support.dispatching import Bench
from tests.support.fakes import FakeClock
from tests.support.orders import CAR, HOMES, PUMP, setpoint


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestPlanning:
    def test_what_is_planned_is_issued_and_handed_on(self, bench: Bench) -> None:
        bench.plans.states = {PUMP: setpoint(1.5)}

        bench.dispatcher.plan()
        bench.dispatcher.write_due()

        assert bench.channels.written == [("homes", [PUMP])]

    def test_of_many_orders_no_more_than_so_many_a_second_are_handed_on(self, bench: Bench) -> None:
        """After a start all are due at once."""
        keys = [Key("Aarhus", f"d-{number}") for number in range(AT_ONCE + 1)]
        bench.plans.states = dict.fromkeys(keys, setpoint(1.5))
        bench.plans.actuators = dict.fromkeys(keys, "homes")
        bench.dispatcher.plan()

        assert bench.dispatcher.write_due() == AT_ONCE / MAX_PER_S
        assert bench.dispatcher.write_due() is None
        assert [len(own) for _, own in bench.channels.written] == [AT_ONCE, 1]

    def test_a_release_that_nobody_answers_is_looked_at_when_it_is_over(self, bench: Bench) -> None:
        """Its actuator may be gone, and another one wait for its end."""
        bench.plans.states = {PUMP: setpoint(1.5)}
        bench.dispatcher.plan()
        bench.plans.states = {}
        bench.dispatcher.plan()

        over_s = bench.clock.monotonic() + 2 * HOMES.valid_for.total_seconds()
        assert bench.dispatcher.plan_at_s == over_s

    def test_who_is_gone_is_forgotten_when_nothing_is_left_of_it(self, bench: Bench) -> None:
        """One that is suspended may come back: what was measured under its order is no baseline."""
        bench.plans.states = {PUMP: setpoint(1.5)}
        bench.dispatcher.plan()
        bench.plans.states, bench.plans.actuators = {}, {CAR: "homes"}
        bench.dispatcher.plan()
        assert len(list(bench.orders.book.orders())) == 1

        bench.clock.advance(seconds=2 * HOMES.valid_for.total_seconds())
        bench.dispatcher.plan()
        assert len(list(bench.orders.book.orders())) == 1
        bench.clock.advance(hours=4)
        bench.dispatcher.plan()

        assert list(bench.orders.book.orders()) == []

    def test_an_actuator_that_no_file_has_is_said(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.plans.actuators = {PUMP: "plant-7", CAR: "plant-7"}

        for _ in range(2):
            bench.dispatcher.plan()

        assert caplog.messages == [
            "orders: 2 resources name the actuator plant-7, which SOURCES_FILE does not have"
        ]


def test_what_others_changed_before_the_first_look_is_seen() -> None:
    signal = OrderSignal()
    watch = ChangeWatch(
        revisions=[lambda: 6],
        clock=TrustedClock(
            clock=FakeClock(), monotonic=FakeClock().monotonic, is_in_doubt=lambda: False
        ),
        signal=signal,
    )

    watch()
    assert signal.take_changed()
    watch()
    assert not signal.take_changed()


class TestAClockInDoubt:
    def test_no_new_order_begins(self, bench: Bench) -> None:
        bench.in_doubt = True
        bench.plans.states = {PUMP: setpoint(1.5)}

        bench.dispatcher.plan()

        assert list(bench.orders.book.orders()) == []

    def test_what_is_in_force_goes_on_as_it_is(self, bench: Bench) -> None:
        bench.plans.states = {PUMP: setpoint(1.5)}
        bench.dispatcher.plan()
        bench.in_doubt = True
        bench.plans.states = {PUMP: setpoint(0.5), CAR: setpoint(2.0)}

        bench.dispatcher.plan()

        (order,) = bench.orders.book.orders()
        assert order.desired == setpoint(1.5)

    def test_time_is_counted_from_when_the_clock_was_right(self, bench: Bench) -> None:
        """It jumps by a day: the event is over when its time has passed, and not before."""
        bench.dispatcher.plan()
        right = bench.clock()
        bench.in_doubt = True
        bench.clock.advance(minutes=10)
        bench.clock.now += timedelta(days=1)

        bench.dispatcher.plan()

        assert bench.plans.instants[-1] == right + timedelta(minutes=10)

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_a_jump_is_doubted_before_the_vtn_says_anything(self, bench: Bench, hours: int) -> None:
        bench.dispatcher.plan()
        right = bench.clock()
        bench.clock.advance(seconds=1)
        bench.clock.now += timedelta(hours=hours)

        bench.dispatcher.plan()

        assert bench.plans.instants[-1] == right + timedelta(seconds=1)
        assert bench.trusted.jumps == 1
        bench.clock.advance(seconds=DOUBTED_FOR_S)
        bench.dispatcher.plan()
        assert bench.plans.instants[-1] == bench.clock(), "the VTN agrees by now"

    def test_a_small_one_is_noticed(self, bench: Bench) -> None:
        bench.dispatcher.plan()
        bench.clock.now += timedelta(minutes=2)

        assert not bench.trusted.look()
        assert bench.trusted.jumps == 1

    def test_when_it_is_right_again_orders_begin(self, bench: Bench) -> None:
        bench.in_doubt = True
        bench.plans.states = {PUMP: setpoint(1.5)}
        bench.dispatcher.plan()

        bench.in_doubt = False
        bench.dispatcher.plan()

        assert [order.key for order in bench.orders.book.orders()] == [PUMP]


class TestAnswers:
    def ordered(self, bench: Bench) -> int:
        """The seq of an order that is on its way."""
        bench.plans.states = {PUMP: setpoint(1.5)}
        bench.dispatcher.plan()
        return int(bench.orders.write()["seq"])

    def test_while_nobody_can_say_whose_a_device_is_it_waits(self, bench: Bench) -> None:
        bench.dispatcher.plan()
        bench.owners_are_silent = True
        with pytest.raises(DatabaseError):
            bench.answer(0, OutcomeStatus.OPTED_OUT, Key("Aarhus", "boiler"))

        bench.owners_are_silent = False
        bench.dispatcher.follow_answers()

        assert bench.opt_outs.calls == [("Aarhus", "boiler", SetBy.DEVICE)]

    def test_who_opts_out_is_kept_as_its_device(self, bench: Bench) -> None:
        seq = self.ordered(bench)
        bench.signal.take_changed()

        bench.answer(seq, OutcomeStatus.OPTED_OUT)

        assert bench.opt_outs.calls == [("Aarhus", "pump", SetBy.DEVICE)]
        assert bench.signal.take_changed(), "what is asked is planned anew"

    def test_it_is_written_down_who_did_and_why(self, bench: Bench) -> None:
        self.ordered(bench)
        bench.inbox.put(
            "homes", PUMP, Outcome(seq=0, status=OutcomeStatus.OPTED_OUT, reason="guests")
        )
        bench.dispatcher.follow_answers()

        (entry,) = bench.audit.entries
        assert entry == (
            *("a device of homes", "opt out", "pump"),
            {"ven": "Aarhus", "reason": "guests", "until": None},
        )

    def test_it_counts_where_it_cannot_be_written_down(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.ordered(bench)
        bench.audit.is_full = True

        bench.answer(0, OutcomeStatus.OPTED_OUT)

        assert bench.opt_outs.calls == [("Aarhus", "pump", SetBy.DEVICE)]
        assert "opt out is not in the audit log: No space left" in caplog.text

    def test_said_again_it_is_no_news(self, bench: Bench) -> None:
        self.ordered(bench)
        bench.answer(0, OutcomeStatus.OPTED_OUT)
        bench.signal.take_changed()

        bench.answer(0, OutcomeStatus.OPTED_OUT)

        assert len(bench.audit.entries) == 1
        assert not bench.signal.take_changed()
        assert bench.orders.book.counts.unknown == 0

    def test_it_counts_although_it_ended_long_ago_by_the_clock_of_its_device(
        self, bench: Bench
    ) -> None:
        self.ordered(bench)
        ended = bench.clock() - timedelta(days=1)

        bench.inbox.put("homes", PUMP, Outcome(seq=0, status=OutcomeStatus.OPTED_OUT, until=ended))
        bench.dispatcher.follow_answers()

        assert bench.opt_outs.calls == [("Aarhus", "pump", SetBy.DEVICE)]
        assert bench.opt_outs.until is None

    def test_it_counts_of_who_is_given_no_orders_now(self, bench: Bench) -> None:
        """As one that is suspended; of somebody else's it does not."""
        bench.dispatcher.plan()

        bench.answer(0, OutcomeStatus.OPTED_OUT, Key("Aarhus", "boiler"))
        bench.answer(0, OutcomeStatus.OPTED_OUT, Key("Aarhus", "boiler"), of="plants")

        assert bench.opt_outs.calls == [("Aarhus", "boiler", SetBy.DEVICE)]

    def test_it_counts_whatever_its_seq(self, bench: Bench) -> None:
        self.ordered(bench)

        bench.answer(5, OutcomeStatus.OPTED_OUT)
        bench.answer(1 << 52, OutcomeStatus.OPTED_OUT, CAR)

        assert [name for _, name, _ in bench.opt_outs.calls] == ["pump", "car"]

    def test_nobody_speaks_for_the_devices_of_another_actuator(self, bench: Bench) -> None:
        seq = self.ordered(bench)

        bench.answer(seq, OutcomeStatus.OPTED_OUT, of="plants")
        bench.answer(seq, OutcomeStatus.REFUSED, of="plants")

        assert bench.opt_outs.calls == []
        assert bench.inbox.refused == 2

    def test_the_old_actuator_may_end_what_it_was_asked(self, bench: Bench) -> None:
        """Of a resource that was removed, or has another actuator by now."""
        self.ordered(bench)
        bench.plans.states, bench.plans.actuators = {}, {CAR: "homes"}
        bench.dispatcher.plan()
        seq = int(bench.orders.write()["seq"])

        bench.answer(seq, OutcomeStatus.ACCEPTED)

        assert [each.status for each in bench.orders.book.orders()] == [OrderStatus.RELEASED]

    def test_before_anything_is_planned_they_wait(self, bench: Bench) -> None:
        bench.answer(0, OutcomeStatus.OPTED_OUT)
        assert (bench.opt_outs.calls, bench.inbox.refused) == ([], 0)

        bench.dispatcher.plan()
        bench.dispatcher.follow_answers()

        assert bench.opt_outs.calls == [("Aarhus", "pump", SetBy.DEVICE)]

    def test_a_refusal_by_an_actuator_that_is_gone_keeps_no_veto_from_being_heard(
        self, bench: Bench
    ) -> None:
        seq = self.ordered(bench)
        bench.orders.actuators.clear()
        bench.inbox.put("homes", PUMP, Outcome(seq=seq, status=OutcomeStatus.REFUSED))

        bench.answer(0, OutcomeStatus.OPTED_OUT, CAR)

        assert bench.opt_outs.calls == [("Aarhus", "car", SetBy.DEVICE)]

    def test_while_the_database_is_silent_they_wait(self, bench: Bench) -> None:
        seq = self.ordered(bench)
        bench.opt_outs.fails = True
        with pytest.raises(DatabaseError):
            bench.answer(seq, OutcomeStatus.OPTED_OUT)

        bench.opt_outs.fails = False
        bench.dispatcher.follow_answers()

        assert bench.opt_outs.calls == [("Aarhus", "pump", SetBy.DEVICE)]

    def test_they_are_followed_in_their_order_when_it_answers_again(self, bench: Bench) -> None:
        self.ordered(bench)
        bench.opt_outs.fails = True
        bench.inbox.put("homes", PUMP, Outcome(seq=0, status=OutcomeStatus.OPTED_OUT))
        bench.inbox.put("homes", CAR, Outcome(seq=0, status=OutcomeStatus.OPTED_OUT))
        with pytest.raises(DatabaseError):
            bench.dispatcher.follow_answers()
        bench.opt_outs.fails = False

        bench.answer(0, OutcomeStatus.OPTED_IN, CAR)

        assert [name for _, name, _ in bench.opt_outs.calls] == ["pump", "car", "car"]

    def test_a_defect_with_one_keeps_no_other_from_being_heard(self, bench: Bench) -> None:
        self.ordered(bench)
        bench.opt_outs.defect = "pump"
        bench.inbox.put("homes", PUMP, Outcome(seq=0, status=OutcomeStatus.OPTED_OUT))
        with pytest.raises(RuntimeError, match="a defect"):
            bench.answer(0, OutcomeStatus.OPTED_OUT, CAR)

        bench.dispatcher.follow_answers()

        assert [name for _, name, _ in bench.opt_outs.calls] == ["car"]

    def test_more_than_can_wait_are_counted(self, bench: Bench) -> None:
        answer = Outcome(seq=0, status=OutcomeStatus.ACCEPTED)
        for _ in range(MAX_WAITING):
            assert bench.inbox.put("homes", PUMP, answer)

        assert not bench.inbox.put("homes", PUMP, answer)

        assert (len(bench.inbox.take()), bench.inbox.refused) == (MAX_WAITING, 1)

    def test_an_acknowledged_release_is_cleared_at_its_broker(self, bench: Bench) -> None:
        self.ordered(bench)
        bench.plans.states = {}
        bench.dispatcher.plan()
        seq = int(bench.orders.write()["seq"])

        bench.answer(seq, OutcomeStatus.ACCEPTED)

        assert not bench.signal.take_changed(), "nobody waits for it"
        assert bench.channels.written[-1] == ("homes", [PUMP])
        assert bench.orders.write() == {}

    def test_another_actuator_is_given_orders_when_the_old_one_has_released(
        self, bench: Bench
    ) -> None:
        self.ordered(bench)
        bench.plans.states, bench.plans.actuators = {}, {PUMP: "plants", CAR: "homes"}
        bench.dispatcher.plan()
        bench.signal.take_changed()

        bench.answer(int(bench.orders.write()["seq"]), OutcomeStatus.ACCEPTED)

        assert bench.signal.take_changed()

    def test_what_refusers_leave_is_shared_out_but_not_too_often(self, bench: Bench) -> None:
        bench.plans.states = {PUMP: setpoint(1.5), CAR: setpoint(2.0)}
        bench.dispatcher.plan()
        pump, car = (int(bench.orders.write(key)["seq"]) for key in (PUMP, CAR))
        now_s = bench.clock.monotonic()

        bench.answer(pump, OutcomeStatus.REFUSED)
        assert bench.dispatcher.plan_at_s == now_s, "at once"
        bench.dispatcher.plan()
        bench.answer(car, OutcomeStatus.REFUSED, CAR)

        assert bench.dispatcher.plan_at_s == now_s + HOMES.ack_timeout.total_seconds()
        assert [each.status for each in bench.orders.book.orders()] == [OrderStatus.REFUSED] * 2
