"""A day of the default schedule, with a fake clock: the same triggers and the same task wrapper."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from app.scheduling import SchedulerConfig, Task, TaskScheduler
from app.settings import Settings
from containers import Container
from tests.support.fakes import FakeClock

PER_DAY = {
    "heartbeat": 288,
    "simulate_meterdata": 2880,
    "resource_status_checker": 288,
    "generate_reports": 5760,
    "poll_events": 2880,
}


def nothing() -> None:
    """A task that does nothing."""


def planned_times(scheduler: TaskScheduler, name: str, begin: datetime) -> list[datetime]:
    """The due times of the 24 hours after `begin`."""
    trigger = next(job.trigger for job in scheduler.get_jobs() if job.name == name)
    times: list[datetime] = []
    upcoming = trigger.get_next_fire_time(begin, begin)
    while upcoming is not None and upcoming <= begin + timedelta(days=1):
        times.append(upcoming)
        upcoming = trigger.get_next_fire_time(upcoming, upcoming)
    return times


@pytest.mark.parametrize(("name", "runs"), PER_DAY.items())
def test_a_day_of_each_task(clock: FakeClock, name: str, runs: int) -> None:
    default = Container.scheduled_tasks.kwargs[name].args[1]
    trigger = Settings().trigger_of(name, default)
    assert trigger is not None
    config = SchedulerConfig(name, nothing, **trigger)
    task = Task(config, clock=clock, await_=lambda _: asyncio.Future())

    for planned in planned_times(TaskScheduler([config]), name, clock.now):
        clock.now = planned
        assert task.try_begin([planned])
        assert task.run([planned])

    info = task.info(next_start=None, paused=False, schedule="")
    assert (info["runs"], info["skipped"], info["missed"], info["lateness_s"]) == (runs, 0, 0, 0.0)


def test_starts_that_were_slept_through_are_one_run(clock: FakeClock) -> None:
    config = SchedulerConfig("x", nothing, seconds=30)
    task = Task(config, clock=clock, await_=lambda _: asyncio.Future())
    begin = clock.now
    planned = [begin + timedelta(seconds=30 * number) for number in range(10)]
    clock.advance(minutes=5)

    assert task.try_begin(planned)
    assert task.run(planned)

    info = task.info(next_start=None, paused=False, schedule="")
    assert (info["runs"], info["missed"], info["lateness_s"]) == (1, 9, 300.0)
