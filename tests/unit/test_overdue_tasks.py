"""A task that does not end is noticed, with the place where it stands."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from app.platform import LogOnce
from app.platform.timestamps import utc_now
from app.scheduling import SchedulerConfig, TaskScheduler
from app.supervision import OverdueTasks
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until

PERIOD_S = 0.01
Watched = tuple[TaskScheduler, OverdueTasks]


@pytest.fixture
def watched() -> Iterator[Callable[..., Watched]]:
    """A task that is under way, in a schedule that is watched."""
    made: list[TaskScheduler] = []

    def make(func: Callable[[], object], seconds: float = PERIOD_S) -> Watched:
        scheduler = TaskScheduler([SchedulerConfig("slow", func, "interval", seconds=seconds)])
        made.append(scheduler)
        scheduler.run_now("slow")
        return scheduler, OverdueTasks(scheduler=scheduler, clock=utc_now, log_once=LogOnce())

    yield make
    for scheduler in made:
        scheduler.shutdown(timeout_s=5)


def test_a_run_that_lasts_ten_intervals_is_told_once_with_its_stack(
    watched: Callable[..., Watched], caplog: pytest.LogCaptureFixture
) -> None:
    ends = threading.Event()

    def stands_here() -> None:
        ends.wait(20)

    _, overdue = watched(stands_here)
    wait_until(overdue.reasons)
    with caplog.at_level(logging.ERROR, logger="app"):
        overdue()
        overdue()

    assert overdue.reasons()[0].startswith("task slow has not ended for")
    assert caplog.text.count("task slow has not ended for") == 1
    assert "in stands_here" in caplog.text
    ends.set()
    wait_until(lambda: not overdue.reasons())


def test_a_coroutine_is_told_by_the_chain_of_what_it_awaits(
    watched: Callable[..., Watched], caplog: pytest.LogCaptureFixture
) -> None:
    ends = threading.Event()

    async def waits_here() -> None:
        while not ends.is_set():
            await asyncio.sleep(0.01)

    async def task() -> None:
        await waits_here()

    _, overdue = watched(task)
    wait_until(overdue.reasons)
    with caplog.at_level(logging.ERROR, logger="app"):
        overdue()
    ends.set()

    assert "in task" in caplog.text
    assert "in waits_here" in caplog.text


def test_a_run_within_its_time_is_no_reason(watched: Callable[..., Watched]) -> None:
    ends = threading.Event()
    scheduler, overdue = watched(lambda: ends.wait(20), 60)

    assert scheduler.get_job_info("slow")["running"]
    assert overdue.reasons() == []
    ends.set()


def test_a_start_that_fell_due_and_did_not_come_is_a_reason() -> None:
    """The schedule's own thread stands still, or is gone."""
    clock = FakeClock(utc_now())
    scheduler = TaskScheduler([SchedulerConfig("tick", lambda: None, "interval", minutes=5)])
    scheduler.start()
    overdue = OverdueTasks(scheduler=scheduler, clock=clock, log_once=LogOnce())
    assert overdue.reasons() == []

    clock.now += timedelta(minutes=6)

    assert "task tick should have started at" in overdue.reasons()[0]
    scheduler.shutdown(timeout_s=5)
