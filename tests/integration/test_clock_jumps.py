"""A clock that jumps: the schedule goes on, and every tick has its own, later instant."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine

from app.instants import utc_now
from app.scheduling import ClockGuard, SchedulerConfig, TaskScheduler
from app.stopping import Stopping
from app.watch import Watch
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until
from tests.support.workbench import TICK, Bench

PERIOD_S = 0.2


class Starts:
    """Notes when it is called."""

    def __init__(self) -> None:
        self.at_s: list[float] = []

    def __call__(self) -> None:
        self.at_s.append(passed_s())


passed_s = time.perf_counter
"""Not what the jumps are made of."""


@pytest.fixture
def stopping() -> Iterator[Stopping]:
    made = Stopping()
    yield made
    made.set()


@pytest.mark.parametrize(
    ("trigger", "jump"),
    [
        ("interval", timedelta(hours=-1)),
        ("interval", timedelta(hours=1)),
        ("cron", timedelta(hours=-1)),
    ],
    ids=str,
)
def test_the_schedule_goes_on_after_a_jump(
    stopping: Stopping, trigger: str, jump: timedelta
) -> None:
    """Given a guard that looks often, when the wall clock jumps, then no start is far away."""
    starts = Starts()
    fields = {"seconds": PERIOD_S} if trigger == "interval" else {"second": "*"}
    scheduler = TaskScheduler([SchedulerConfig("tick", starts, trigger, **fields)])
    began_s = passed_s()
    guard = ClockGuard(scheduler=scheduler, clock=utc_now, monotonic=lambda: passed_s() - began_s)
    watch = Watch(name="guard", looks=[guard], every_s=0.05, stopping=stopping)
    with time_machine.travel(datetime(2026, 6, 1, tzinfo=UTC), tick=True) as traveller:
        scheduler.start()
        watch.start()
        wait_until(lambda: len(starts.at_s) >= 1)
        traveller.shift(jump)
        seen = len(starts.at_s)

        wait_until(lambda: len(starts.at_s) >= seen + 2)

        stopping.set()
        scheduler.shutdown(timeout_s=5)
        watch.close()
    assert max(b - a for a, b in pairwise(starts.at_s)) < 5


def test_without_the_guard_a_clock_that_is_set_back_silences_the_schedule() -> None:
    """The test above could otherwise not fail."""
    starts = Starts()
    scheduler = TaskScheduler([SchedulerConfig("tick", starts, "interval", seconds=PERIOD_S)])
    with time_machine.travel(datetime(2026, 6, 1, tzinfo=UTC), tick=True) as traveller:
        scheduler.start()
        wait_until(lambda: len(starts.at_s) >= 1)
        traveller.shift(timedelta(hours=-1))
        wait_until(lambda: scheduler.get_jobs()[0].next_start is not None)
        threading.Event().wait(3 * PERIOD_S)
        upcoming = scheduler.get_jobs()[0].next_start

        assert upcoming is not None
        assert upcoming - utc_now() > timedelta(minutes=50)
        scheduler.shutdown(timeout_s=5)


class TestGuard:
    """What the guard tells the scheduler."""

    class Scheduler:
        """Keeps the jumps that it was told of."""

        def __init__(self) -> None:
            self.jumps: list[float] = []

        def plan_anew(self, jumped: timedelta) -> None:
            self.jumps.append(jumped.total_seconds())

    def guard(self, clock: FakeClock) -> tuple[ClockGuard, Scheduler]:
        scheduler = self.Scheduler()
        guard = ClockGuard(scheduler=scheduler, clock=clock, monotonic=clock.monotonic)  # type: ignore[arg-type]
        guard()
        return guard, scheduler

    def test_time_that_passes_is_no_jump(self, clock: FakeClock) -> None:
        guard, scheduler = self.guard(clock)
        clock.advance(hours=2)
        guard()

        assert scheduler.jumps == []

    def test_a_correction_of_less_than_a_second_is_no_jump(self, clock: FakeClock) -> None:
        guard, scheduler = self.guard(clock)
        clock.set_back(seconds=0.9)
        guard()

        assert scheduler.jumps == []

    def test_a_jump_is_told_once(self, clock: FakeClock) -> None:
        guard, scheduler = self.guard(clock)
        clock.set_back(hours=1)
        clock.advance(seconds=2)
        guard()
        guard()

        assert scheduler.jumps == [-3600]


def test_an_interval_keeps_its_phase_and_a_paused_task_stays_paused() -> None:
    scheduler = TaskScheduler(
        [
            SchedulerConfig("slow", lambda: None, "interval", hours=2),
            SchedulerConfig("paused", lambda: None, "interval", hours=2),
        ]
    )
    scheduler.start()
    scheduler.pause_task("paused")
    before = scheduler.get_jobs()[0].next_start

    scheduler.plan_anew(timedelta(minutes=-30))

    slow, paused = scheduler.get_jobs()
    assert before is not None
    assert slow.next_start == before - timedelta(minutes=30)
    assert paused.next_start is None
    scheduler.shutdown(timeout_s=5)


def test_instants_rise_and_no_tick_is_lost_while_the_clock_is_set_back(bench: Bench) -> None:
    """The ticks come every 30 s, whatever the wall clock says."""
    bench.tick(2)
    bench.clock.set_back(hours=1)
    bench.tick(10)
    bench.clock.advance(hours=2)
    bench.tick(2)
    bench.manager.generate_reports()

    bench.assert_each_once(14 * TICK)
    instants = sorted({datetime.fromisoformat(instant) for _, instant in bench.readings()})
    steps_s = [(b - a).total_seconds() for a, b in pairwise(instants)]
    assert steps_s[:11] == [30.0] * 11
