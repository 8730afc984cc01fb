"""A clock that jumps: the schedule goes on, and every tick has its own, later instant."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine

from app.openadr import VtnClock, write_instant
from app.openadr.vtn_clock import LOOKS_EVERY_S
from app.platform.periodic import PeriodicThread
from app.platform.shutdown import Shutdown
from app.platform.timestamps import utc_now
from app.readings import ClockCheck
from app.scheduling import SchedulerConfig, TaskScheduler
from app.supervision import ClockGuard
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until
from tests.support.workbench import TICK, Bench

pytestmark = pytest.mark.in_process

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
def shutdown() -> Iterator[Shutdown]:
    made = Shutdown()
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
    shutdown: Shutdown, trigger: str, jump: timedelta
) -> None:
    """Given a guard that looks often, when the wall clock jumps, then no start is far away."""
    starts = Starts()
    fields = {"seconds": PERIOD_S} if trigger == "interval" else {"second": "*"}
    scheduler = TaskScheduler([SchedulerConfig("tick", starts, trigger, **fields)])
    began_s = passed_s()
    guard = ClockGuard(scheduler=scheduler, clock=utc_now, monotonic=lambda: passed_s() - began_s)
    watch = PeriodicThread(name="guard", callbacks=[guard], every_s=0.05, shutdown=shutdown)
    with time_machine.travel(datetime(2026, 6, 1, tzinfo=UTC), tick=True) as traveller:
        scheduler.start()
        watch.start()
        wait_until(lambda: len(starts.at_s) >= 1)
        traveller.shift(jump)
        seen = len(starts.at_s)

        wait_until(lambda: len(starts.at_s) >= seen + 2)

        shutdown.set()
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
        guard = ClockGuard(scheduler=scheduler, clock=clock, monotonic=clock.monotonic)
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


class TestReadings:
    """They carry the time that the clock shows; what is due goes by it, too."""

    USAGE = {"payloadType": "USAGE"}

    def instants(self, bench: Bench) -> list[datetime]:
        return sorted({datetime.fromisoformat(instant) for _, instant in bench.readings()})

    @pytest.mark.parametrize("hours", [-1, 1, -24 * 365])
    def test_no_tick_is_lost_nor_told_twice(self, bench: Bench, hours: int) -> None:
        bench.tick(2)
        bench.clock.set_back(hours=-hours)
        bench.tick(10)
        bench.clock.set_back(hours=hours)
        bench.tick(2)
        bench.manager.generate_reports()

        bench.assert_each_once(14 * TICK)

    def test_they_are_dated_by_the_clock_as_soon_as_it_is_right(self, bench: Bench) -> None:
        """It was a year ahead, as it is on a machine that boots with a wrong one."""
        bench.clock.set_back(days=-365)
        bench.tick(3)
        bench.clock.set_back(days=365)
        now = bench.clock.now
        bench.tick(2)
        bench.manager.generate_reports()

        right = [instant for instant in self.instants(bench) if instant < now + timedelta(days=1)]
        passed_s = [(instant - now).total_seconds() for instant in right]
        assert passed_s == pytest.approx([30.0, 60.0], abs=1e-5)

    def test_an_instant_that_was_told_moves_by_a_microsecond(self, bench: Bench) -> None:
        bench.tick()
        bench.manager.generate_reports()
        bench.clock.set_back(seconds=30)
        bench.tick()
        bench.manager.generate_reports()

        bench.assert_each_once(2 * TICK)
        first, second = self.instants(bench)
        assert second - first == timedelta(microseconds=1)

    def test_an_event_is_followed_at_its_time(self, bench: Bench) -> None:
        """Given readings of a clock that was ahead, when an event begins, then it is in force."""
        bench.clock.set_back(days=-365)
        bench.tick(2)
        bench.clock.set_back(days=365)
        begin = bench.clock.now
        bench.ask(
            intervalPeriod=_period(begin, "PT10M"),
            intervals=[{"id": 0, "payloads": [{"type": "SIMPLE", "values": [3]}]}],
        )
        bench.manager.poll_events()

        bench.tick()

        frame = bench.container.readings.log().last()
        assert frame.detail.level is not None
        assert set(frame.detail.level.tolist()) == {3}

    def test_a_report_is_due_by_the_clock_and_sums_what_was_taken_in_its_interval(
        self, bench: Bench
    ) -> None:
        """What a clock that was ahead has dated in the interval's future is in no sum."""
        bench.clock.set_back(hours=-2)
        bench.tick(3)
        bench.clock.set_back(hours=2, seconds=90)
        begin = bench.clock.now
        bench.ask(
            self.USAGE,
            intervalPeriod=_period(begin, "PT10M"),
            intervals=[{"id": 0}],
        )
        bench.manager.poll_events()
        bench.tick(21)
        metered_kwh = self.metered_kwh(bench, begin)
        bench.manager.generate_reports()

        assert self.usage_kwh(bench) == pytest.approx(metered_kwh, rel=0.1)

    def test_so_it_does_of_what_was_moved_out(self, bench: Bench) -> None:
        """A VEN lags; the last of its readings that were moved out is dated in the future."""
        begin = bench.clock.now
        bench.ask(
            self.USAGE,
            intervalPeriod=_period(begin, "PT10M"),
            intervals=[{"id": 0}],
        )
        bench.manager.poll_events()
        bench.tick(2)
        bench.clock.set_back(hours=-2)
        bench.tick()
        bench.clock.set_back(hours=2)
        bench.container.readings.log().move_out({"Aalborg": (1, 3)})
        bench.tick(20)
        metered_kwh = self.metered_kwh(bench, begin)
        bench.manager.generate_reports()

        assert self.usage_kwh(bench) == pytest.approx(metered_kwh, rel=0.1)

    RESOURCE = "Aalborg-01-heat-pump"

    def usage_kwh(self, bench: Bench) -> float:
        """What the VTN was told."""
        (told,) = {
            float(resource["intervals"][0]["payloads"][0]["values"][0])
            for report in bench.reports()
            if report["payloadDescriptors"][0]["payloadType"] == "USAGE"
            for resource in report["resources"]
            if resource["resourceName"] == self.RESOURCE
        }
        return told

    def metered_kwh(self, bench: Bench, begin: datetime) -> float:
        """Of ten minutes, by the mean of their readings, before any is delivered."""
        frames = [
            frame
            for frame in bench.container.readings.log().since(1, most_bytes=1 << 30)
            if begin <= frame.taken_at <= begin + timedelta(minutes=10)
        ]
        assert len(frames) >= 18
        place = frames[0].roster.names("Aalborg").index(self.RESOURCE)
        return float(sum(frame.power_kw[place] for frame in frames) / len(frames)) / 6

    def test_readyz_says_that_readings_are_dated_in_the_future(self, bench: Bench) -> None:
        bench.clock.set_back(days=-1)
        bench.tick(3)
        bench.clock.set_back(days=1)
        bench.container.openadr.vtn_clock().ahead = timedelta(0)

        warning, *others = bench.container.ops.health().readiness().warnings
        assert others == []
        assert warning.startswith("3 ticks of readings are dated in the future, up to 2026-06-02")

        bench.clock.advance(days=2)
        assert bench.container.ops.health().readiness().warnings == ()


def _period(start: datetime, duration: str) -> dict[str, str]:
    return {"start": write_instant(start), "duration": duration}


class TestTheClockOfTheVtn:
    """RFC 9110, 6.6.1: its answers carry a Date."""

    def vtn_clock(self, clock: FakeClock) -> VtnClock:
        return VtnClock(clock=clock, monotonic=clock.monotonic)

    def date(self, clock: FakeClock, **ahead: float) -> str:
        return email.utils.format_datetime(clock.now + timedelta(**ahead), usegmt=True)

    def test_clocks_that_agree_are_not_mentioned(
        self, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        vtn_clock = self.vtn_clock(clock)
        vtn_clock.heard(self.date(clock, seconds=29))

        assert vtn_clock.warning() is None
        assert caplog.messages == []

    @pytest.mark.parametrize(("ahead_s", "words"), [(60, "60 s behind"), (-60, "60 s ahead of")])
    def test_half_a_minute_is_worth_a_warning_once(
        self, clock: FakeClock, caplog: pytest.LogCaptureFixture, ahead_s: int, words: str
    ) -> None:
        vtn_clock = self.vtn_clock(clock)
        for _ in range(5):
            vtn_clock.heard(self.date(clock, seconds=ahead_s))
            clock.advance(seconds=LOOKS_EVERY_S)

        (line,) = caplog.messages
        assert words in line

    def test_a_date_has_whole_seconds_and_counts_as_their_middle(self, clock: FakeClock) -> None:
        vtn_clock = self.vtn_clock(clock)
        vtn_clock.heard(self.date(clock))

        assert vtn_clock.ahead == timedelta(milliseconds=500)

    def test_it_is_looked_at_now_and_then(self, clock: FakeClock) -> None:
        vtn_clock = self.vtn_clock(clock)
        vtn_clock.heard(self.date(clock))
        clock.advance(seconds=LOOKS_EVERY_S - 1)
        vtn_clock.heard(self.date(clock, hours=1))
        assert vtn_clock.ahead == timedelta(milliseconds=500)

        clock.advance(seconds=1)
        vtn_clock.heard(self.date(clock, hours=1))
        assert vtn_clock.ahead == timedelta(hours=1, milliseconds=500)

    @pytest.mark.parametrize("date", [None, "", "soon", "Mon, 99 Jun 2026 00:00:00 GMT"])
    def test_a_date_that_is_none_says_nothing(self, clock: FakeClock, date: str | None) -> None:
        vtn_clock = self.vtn_clock(clock)
        vtn_clock.heard(date)

        assert vtn_clock.ahead is None

    @pytest.mark.parametrize("way", [1, -1])
    def test_a_clock_that_is_minutes_from_the_vtns_is_in_doubt(
        self, bench: Bench, clock: FakeClock, way: int
    ) -> None:
        vtn_clock = self.vtn_clock(clock)
        check = ClockCheck(clock=clock, vtn_clock=vtn_clock, frames=bench.container.readings.log())
        clock.advance(seconds=LOOKS_EVERY_S)
        vtn_clock.heard(self.date(clock, minutes=4 * way))
        assert not check.is_in_doubt()
        clock.advance(seconds=LOOKS_EVERY_S)
        vtn_clock.heard(self.date(clock, minutes=6 * way))

        assert check.is_in_doubt()

    def test_one_that_is_behind_the_readings_is_in_doubt_until_the_vtn_agrees(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.tick()
        clock.set_back(hours=1)
        unheard = VtnClock(clock=clock, monotonic=clock.monotonic)
        check = ClockCheck(clock=clock, vtn_clock=unheard, frames=bench.container.readings.log())
        assert check.is_in_doubt()
        assert "in doubt" in next(check.warnings())

        unheard.heard(self.date(clock))

        assert not check.is_in_doubt()
