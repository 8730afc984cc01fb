"""The scheduler: runs, counts, pauses, and never two runs of one task."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.scheduling import SchedulerConfig, TaskScheduler
from tests.support.waiting import wait_until


class Counter:
    """A task that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> None:
        self.runs += 1


class Gate:
    """A task that stays until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.inside = 0
        self.most_inside = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        self.entered.release()
        assert self.open.wait(20)
        with self._lock:
            self.inside -= 1


def every(name: str, func: Callable[[], object], seconds: float = 0.02) -> SchedulerConfig:
    return SchedulerConfig(name, func, seconds=seconds)


def test_an_interval_task_runs_again_and_again(scheduler: TaskScheduler) -> None:
    count = Counter()
    scheduler.add_task(every("count", count))

    scheduler.start()

    wait_until(lambda: count.runs >= 3)
    info = scheduler.get_job_info("count")
    assert info["runs"] >= 2
    assert info["failures"] == 0
    assert info["last_error"] is None
    assert info["last_duration_s"] is not None
    assert info["lateness_s"] is not None
    assert info["next_start"] is not None


def test_tasks_may_come_and_go_while_the_schedule_runs(scheduler: TaskScheduler) -> None:
    count = Counter()
    scheduler.start()
    scheduler.add_task(every("count", count))
    wait_until(lambda: count.runs)

    scheduler.remove_task("count")

    assert scheduler.get_jobs() == []
    with pytest.raises(ValueError, match="count"):
        scheduler.get_job_info("count")


def test_a_name_is_taken_once(scheduler: TaskScheduler) -> None:
    scheduler.add_task(every("count", Counter()))

    with pytest.raises(ValueError, match="count"):
        scheduler.add_task(every("count", Counter()))


def test_an_unknown_name_is_refused_with_those_that_there_are(scheduler: TaskScheduler) -> None:
    scheduler.add_task(every("count", Counter()))

    for use in (scheduler.run_now, scheduler.pause_task, scheduler.resume_task):
        with pytest.raises(ValueError, match=r"cuont.*count"):
            use("cuont")


def test_a_failing_task_is_counted_and_stops_neither_itself_nor_others(
    scheduler: TaskScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    count = Counter()

    def fail() -> None:
        raise RuntimeError("no luck")

    def leave() -> None:
        raise SystemExit(3)

    for config in (every("fail", fail), every("leave", leave), every("count", count)):
        scheduler.add_task(config)
    with caplog.at_level(logging.ERROR, logger="app"):
        scheduler.start()
        wait_until(lambda: scheduler.get_job_info("fail")["failures"] >= 2)
        wait_until(lambda: scheduler.get_job_info("leave")["failures"] >= 2)
        before = count.runs
        wait_until(lambda: count.runs > before)

    assert scheduler.get_job_info("fail")["last_error"] == "RuntimeError: no luck"
    failure = next(record for record in caplog.records if "task fail" in record.message)
    assert failure.exc_info is not None


def test_a_paused_task_does_not_start_until_it_is_resumed(scheduler: TaskScheduler) -> None:
    paused, other = Counter(), Counter()
    scheduler.add_task(every("paused", paused))
    scheduler.add_task(every("other", other))
    scheduler.pause_task("paused")
    scheduler.start()
    wait_until(lambda: other.runs >= 3)
    assert paused.runs == 0
    assert scheduler.get_job_info("paused")["paused"]

    scheduler.resume_task("paused")

    wait_until(lambda: paused.runs)
    assert not scheduler.get_job_info("paused")["paused"]


def test_run_now_leaves_schedule_and_pause_as_they_are(scheduler: TaskScheduler) -> None:
    count = Counter()
    scheduler.add_task(every("count", count, seconds=3600))
    scheduler.start()
    scheduler.pause_task("count")
    before = scheduler.get_job_info("count")["next_start"]

    assert scheduler.run_now("count").result(5)

    info = scheduler.get_job_info("count")
    assert (count.runs, info["runs"], info["paused"]) == (1, 1, True)
    assert info["next_start"] == before


def test_run_now_needs_no_started_schedule(scheduler: TaskScheduler) -> None:
    count = Counter()
    scheduler.add_task(every("count", count))

    assert scheduler.run_now("count").result(5)

    assert count.runs == 1


def test_run_now_of_a_running_task_is_skipped(scheduler: TaskScheduler) -> None:
    gate = Gate()
    scheduler.add_task(every("gate", gate, seconds=3600))
    first = scheduler.run_now("gate")
    assert gate.entered.acquire(timeout=5)

    assert not scheduler.run_now("gate").result(5)

    gate.open.set()
    assert first.result(5)
    info = scheduler.get_job_info("gate")
    assert (info["runs"], info["skipped"], gate.most_inside) == (1, 1, 1)


def test_planned_starts_are_skipped_while_the_last_run_goes_on(scheduler: TaskScheduler) -> None:
    gate = Gate()
    scheduler.add_task(every("gate", gate))
    scheduler.start()
    assert gate.entered.acquire(timeout=5)

    wait_until(lambda: scheduler.get_job_info("gate")["skipped"] >= 3)

    assert scheduler.get_job_info("gate")["running"]
    gate.open.set()
    wait_until(lambda: scheduler.get_job_info("gate")["runs"] >= 2)
    assert gate.most_inside == 1


def test_what_a_coroutine_keeps_open_works_on_its_second_run(scheduler: TaskScheduler) -> None:
    class Session:
        """Like an HTTP session: tied to the loop of its first use."""

        def __init__(self) -> None:
            self.lock: asyncio.Lock | None = None
            self.loops: set[asyncio.AbstractEventLoop] = set()
            self.runs = 0

    async def use(session: Session) -> None:
        session.loops.add(asyncio.get_running_loop())
        session.lock = session.lock or asyncio.Lock()
        waiter = asyncio.create_task(session.lock.acquire())
        await waiter
        await asyncio.sleep(0)
        session.lock.release()
        session.runs += 1

    session = Session()
    scheduler.add_task(every("use", functools.partial(use, session)))
    scheduler.start()

    wait_until(lambda: session.runs >= 3)

    assert len(session.loops) == 1
    assert scheduler.get_job_info("use")["failures"] == 0


@pytest.mark.parametrize("ends", [SystemExit, KeyboardInterrupt])
def test_a_coroutine_that_wants_to_end_the_process_ends_its_own_run(
    scheduler: TaskScheduler, ends: type[BaseException]
) -> None:
    async def leave() -> None:
        raise ends

    async def leave_behind() -> None:
        await asyncio.gather(asyncio.create_task(leave()), return_exceptions=True)

    async def stay() -> str:
        await asyncio.sleep(0)
        return "here"

    for name, func in (("leave", leave), ("behind", leave_behind), ("stay", stay)):
        scheduler.add_task(SchedulerConfig(name, func, hours=1))

    assert not scheduler.run_now("leave").result(10)
    scheduler.run_now("behind").result(10)
    for _ in range(2):
        assert scheduler.run_now("stay").result(10)


def test_a_day_of_23_hours_is_no_negative_period() -> None:
    """The clocks of Copenhagen go forward on 2026-03-29, and back on 2026-10-25."""
    scheduler = TaskScheduler(
        [
            SchedulerConfig("daily", lambda: None, "cron", cron="30 3 * * *"),
            SchedulerConfig("quarterly", lambda: None, "cron", cron="*/15 * * * *"),
        ],
        timezone="Europe/Copenhagen",
    )
    daily, quarterly = scheduler.get_jobs()

    assert daily.period(datetime(2026, 3, 28, 1, tzinfo=UTC)) == timedelta(hours=23)
    assert daily.period(datetime(2026, 10, 24, 0, tzinfo=UTC)) == timedelta(hours=25)
    for hours in (*range(2090, 2096), *range(7128, 7134)):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        assert quarterly.period(now) == timedelta(minutes=15)


def test_a_failing_coroutine_is_counted(scheduler: TaskScheduler) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("no luck")

    scheduler.add_task(every("fail", fail))

    assert not scheduler.run_now("fail").result(5)
    assert scheduler.get_job_info("fail")["last_error"] == "RuntimeError: no luck"


def test_shutdown_waits_for_the_run_under_way(scheduler: TaskScheduler) -> None:
    gate = Gate()
    scheduler.add_task(every("gate", gate))
    scheduler.start()
    assert gate.entered.acquire(timeout=5)
    threading.Timer(0.1, gate.open.set).start()

    assert scheduler.shutdown()

    assert gate.inside == 0
    assert not scheduler.get_job_info("gate")["running"]


def test_shutdown_gives_up_at_its_timeout(scheduler: TaskScheduler) -> None:
    gate = Gate()
    scheduler.add_task(every("gate", gate))
    scheduler.start()
    assert gate.entered.acquire(timeout=5)

    assert not scheduler.shutdown(timeout_s=0.05)

    gate.open.set()
    assert scheduler.shutdown(timeout_s=5)


def test_after_shutdown_nothing_starts(scheduler: TaskScheduler) -> None:
    scheduler.add_task(every("count", Counter()))
    scheduler.shutdown()

    with pytest.raises(RuntimeError, match="shut down"):
        scheduler.run_now("count")
    with pytest.raises(RuntimeError, match="shut down"):
        scheduler.start()


def test_a_stop_amid_the_start_leaves_nothing_running() -> None:
    """Given a start that is under way; when the scheduler is shut down; then it comes to its end
    and then the schedule does, as when a signal comes the moment the schedule begins."""
    gate = Gate()

    def clock() -> datetime:
        gate()
        return datetime.now(UTC)

    scheduler = TaskScheduler([every("count", Counter())], clock=clock)
    starting = threading.Thread(target=scheduler.start)
    starting.start()
    assert gate.entered.acquire(timeout=5)
    stopping = threading.Thread(target=scheduler.shutdown)
    stopping.start()
    stopping.join(0.1)  # without an order between the two, it would be through by now

    gate.open.set()
    starting.join(5)
    stopping.join(5)

    assert not scheduler.is_running


def test_a_run_may_use_the_scheduler_itself(scheduler: TaskScheduler) -> None:
    scheduler.add_task(every("self", functools.partial(scheduler.pause_task, "self")))
    scheduler.start()

    wait_until(lambda: scheduler.get_job_info("self")["paused"])

    assert scheduler.get_job_info("self")["failures"] == 0


def test_jobs_have_names_and_pure_triggers(scheduler: TaskScheduler) -> None:
    scheduler.add_task(every("first", Counter()))
    scheduler.add_task(SchedulerConfig("second", Counter(), "cron", hour=3))

    jobs = scheduler.get_jobs()

    assert [job.name for job in jobs] == ["first", "second"]
    assert all(job.next_start is not None for job in jobs)


def test_the_debug_log_shows_dependencies_by_type_and_result(
    scheduler: TaskScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    def report(ven_manager: object) -> int:
        del ven_manager
        return 42

    scheduler.add_task(every("report", functools.partial(report, ven_manager="hunter2"), 3600))

    with caplog.at_level(logging.DEBUG, logger="app"):
        scheduler.run_now("report").result(5)

    assert "task report: starts with ven_manager=str" in caplog.text
    assert "task report: returned 42 in " in caplog.text
    assert "hunter2" not in caplog.text


def test_the_debug_log_copes_with_a_builtin_that_names_no_parameters(
    scheduler: TaskScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler.add_task(every("make", functools.partial(dict, a=1), 3600))

    with caplog.at_level(logging.DEBUG, logger="app"):
        assert scheduler.run_now("make").result(5)

    assert "starts with a builtin" in caplog.text
