"""What is kept of a task's runs, and how its interval is changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.observability.histogram import Histogram
from app.scheduling import SchedulerConfig, TaskScheduler
from tests.support.waiting import wait_until


class Sometimes:
    """Fails when it is told to."""

    fails = False

    def __call__(self) -> None:
        if self.fails:
            raise ValueError("out of order")


@pytest.fixture
def task() -> Sometimes:
    return Sometimes()


@pytest.fixture
def idle(scheduler: TaskScheduler, task: Sometimes) -> TaskScheduler:
    """A scheduler whose only task comes once an hour."""
    scheduler.add_task(SchedulerConfig("work", task, hours=1))
    return scheduler


def test_the_last_runs_are_kept_with_the_traceback_of_the_last_failure(
    idle: TaskScheduler, task: Sometimes
) -> None:
    for fails in (False, True, False):
        task.fails = fails
        idle.run_now("work").result(5)

    runs, traceback = idle.get_history("work")

    assert [run.error for run in runs] == [None, "ValueError: out of order", None]
    assert all(run.duration_s >= 0 for run in runs)
    assert "in __call__" in traceback


def test_no_more_runs_are_kept_than_can_be_looked_at(idle: TaskScheduler) -> None:
    for _ in range(70):
        idle.run_now("work").result(5)

    runs, _ = idle.get_history("work")

    assert len(runs) == 60
    assert idle.durations_s("work").read()[0][-1] == 70


def test_a_changed_interval_holds_at_once(idle: TaskScheduler) -> None:
    idle.start()

    idle.change_interval("work", 0.02)

    (job,) = idle.get_jobs()
    assert job.schedule == "every 0.02 s"
    wait_until(lambda: idle.get_job_info("work")["runs"] >= 2)


def test_a_changed_interval_does_not_wake_a_paused_task(idle: TaskScheduler) -> None:
    idle.start()
    idle.pause_task("work")

    idle.change_interval("work", 60)

    (job,) = idle.get_jobs()
    assert job.paused
    idle.resume_task("work")
    (job,) = idle.get_jobs()
    assert job.trigger.interval == timedelta(seconds=60)


@pytest.mark.parametrize("seconds", [0, -1])
def test_what_is_no_interval_changes_nothing(idle: TaskScheduler, seconds: float) -> None:
    with pytest.raises(ValueError, match="work"):
        idle.change_interval("work", seconds)

    assert idle.get_jobs()[0].schedule == "every 1 h"


def test_a_histogram_counts_by_upper_bound() -> None:
    histogram = Histogram((1.0, 2.0))

    for value in (0.5, 1.0, 1.5, 7.0):
        histogram.observe(value)

    assert histogram.read() == ([2, 3, 4], 10.0)
