"""TaskScheduler: APScheduler behind one small face."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from app.observability import Histogram
from app.platform import utc_now
from app.scheduling.config import SchedulerConfig
from app.scheduling.executor import TaskExecutor
from app.scheduling.task import JobInfo, Task, TaskRun


@dataclass(frozen=True, kw_only=True)
class ScheduledTask:
    """A task in the schedule."""

    name: str
    schedule: str
    """In words."""
    trigger: BaseTrigger
    """`get_next_fire_time(previous, now)` is pure."""
    next_start: datetime | None
    """None while paused, or when the trigger has no further time."""
    paused: bool

    def period(self, now: datetime) -> timedelta | None:
        """The time between its next two starts; None when there are no two."""
        first = self.trigger.get_next_fire_time(None, now)
        second = None if first is None else self.trigger.get_next_fire_time(first, first)
        if first is None or second is None:
            return None
        begin: datetime = first.astimezone(UTC)  # of local times, a day always has 24 hours
        end: datetime = second.astimezone(UTC)
        return end - begin


class TaskScheduler:
    """Tasks by name on interval and cron triggers, with monitoring, pause and resume.

    Tasks can be added before and after `start()`. `configs` are added at once. A failing task is
    logged with its traceback and counted, and stops neither its schedule nor another task.
    `timezone`: an IANA name, for cron triggers. `expected`: errors of tasks that say all in one
    line, and are logged without a traceback.
    """

    def __init__(
        self,
        configs: Iterable[SchedulerConfig] = (),
        *,
        timezone: str = "UTC",
        clock: Callable[[], datetime] = utc_now,
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        self._expected = expected
        self._timezone = ZoneInfo(timezone)
        self._clock = clock
        # Its begin and its end may come at one time, and it takes them one after the other only.
        # No lock of ours around its other calls: it calls back under locks of its own.
        self._begins_or_ends = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._executor = TaskExecutor(self._task)
        self._scheduler = BackgroundScheduler(
            timezone=self._timezone,
            executors={"default": self._executor},
            # The executor coalesces, since it counts what it coalesces; no run is ever too late.
            job_defaults={"coalesce": False, "misfire_grace_time": None, "max_instances": 1},
        )
        for config in configs:
            self.add_task(config)

    def add_task(self, config: SchedulerConfig) -> None:
        """Schedule it. ValueError when the name is taken."""
        task = Task(
            config,
            clock=self._clock,
            await_=self._executor.run_awaitable,
            expected=self._expected,
        )
        if self._tasks.setdefault(config.name, task) is not task:
            raise ValueError(f"task {config.name!r} is in the schedule already")
        self._scheduler.add_job(
            config.func, trigger=config.trigger(self._timezone), id=config.name, name=config.name
        )

    def remove_task(self, name: str) -> None:
        """Take it out of the schedule; a run in progress continues to its end."""
        self._task(name)
        self._scheduler.remove_job(name)
        del self._tasks[name]

    def pause_task(self, name: str) -> None:
        """No planned run starts until `resume_task`; a run in progress continues."""
        self._task(name)
        self._scheduler.pause_job(name)

    def resume_task(self, name: str) -> None:
        """Reschedule it from now."""
        self._task(name)
        self._scheduler.resume_job(name)

    def run_now(self, name: str) -> Future[bool]:
        """Begin a run at once, beside the schedule and pause, which stay as they are.

        The future holds True for success. It holds False too when a run is going already: then
        none is begun, and it counts as skipped.
        """
        future = self._executor.submit(self._task(name))
        if future is None:
            future = Future()
            future.set_result(False)
        return future

    def get_jobs(self) -> list[ScheduledTask]:
        """Every task, in the order in which they were added."""
        return [self._scheduled(name) for name in list(self._tasks)]

    def get_job_info(self, name: str) -> JobInfo:
        """What is known of the task's runs, as plain data."""
        scheduled = self._scheduled(name)
        return self._task(name).info(
            next_start=scheduled.next_start,
            paused=scheduled.paused,
            schedule=scheduled.schedule,
        )

    def get_history(self, name: str) -> tuple[Sequence[TaskRun], str]:
        """The last runs, oldest first, and the traceback of the last failure; '' without one."""
        return self._task(name).history()

    def durations_s(self, name: str) -> Histogram:
        """How long its runs took."""
        return self._task(name).durations_s

    def change_interval(self, name: str, seconds: float) -> None:
        """Every so many seconds from now on, whatever its schedule was, until the next start.

        A paused task stays paused. ValueError or TypeError for what is no interval.
        """
        task = self._task(name)
        jitter = task.config.trigger_fields.get("jitter")
        config = SchedulerConfig(name, task.config.func, seconds=seconds, jitter=jitter)
        trigger = config.trigger(self._timezone)
        paused = self._scheduled(name).paused
        task.config = config
        if paused or not self.is_running:
            self._scheduler.modify_job(name, trigger=trigger)
        else:
            self._scheduler.reschedule_job(name, trigger=trigger)

    def stack(self, name: str) -> str:
        """Where the run of this task stands now; '' while there is none."""
        thread_id = self._task(name).thread_id
        return "" if thread_id is None else self._executor.stack(thread_id)

    def plan_anew(self, jumped: timedelta) -> None:
        """The clock has jumped by this much: each task starts when it would have without the jump.

        An interval continues where it was and gets no longer; cron follows the new time.
        """
        now = self._clock()
        for task in self.get_jobs():
            trigger = self._tasks[task.name].config.trigger(self._timezone)
            if task.next_start is None:
                # A paused task stays so; its new trigger counts from the new time.
                self._scheduler.modify_job(task.name, trigger=trigger)
                continue
            upcoming = trigger.get_next_fire_time(None, now)
            if isinstance(trigger, IntervalTrigger):
                planned = task.next_start.astimezone(UTC) + jumped
                upcoming = min(max(planned, now), now + trigger.interval)
            self._scheduler.modify_job(task.name, trigger=trigger, next_run_time=upcoming)

    def start(self) -> None:
        """Begin the schedule; intervals count from here. RuntimeError after `shutdown`."""
        with self._begins_or_ends:
            if self._executor.is_closed:
                raise RuntimeError("the scheduler was shut down")
            for task in self.get_jobs():
                if not task.paused:
                    trigger = self._tasks[task.name].config.trigger(self._timezone)
                    self._scheduler.reschedule_job(task.name, trigger=trigger)
            self._scheduler.start()

    @property
    def is_running(self) -> bool:
        """Whether the schedule has begun and not ended."""
        return bool(self._scheduler.running)

    def shutdown(self, wait: bool = True, timeout_s: float | None = None) -> bool:
        """End the schedule; with `wait`, wait for the runs under way, at most `timeout_s`.

        True when none is left. May be called again, without a start, and while one is under way.
        """
        with self._begins_or_ends:
            if self._scheduler.running:
                # Never APScheduler's own wait: it holds locks that a run may need to end.
                self._scheduler.shutdown(wait=False)
            self._executor.shutdown(wait=False)  # the next start sees it
        return self._executor.shutdown(wait=wait, timeout_s=timeout_s)

    def _task(self, name: str) -> Task:
        try:
            return self._tasks[name]
        except KeyError:
            known = ", ".join(self._tasks) or "none"
            raise ValueError(f"no task {name!r} in the schedule; there are: {known}") from None

    def _scheduled(self, name: str) -> ScheduledTask:
        config = self._task(name).config
        job = self._scheduler.get_job(name)
        if job is None:  # shut down
            trigger = config.trigger(self._timezone)
            return ScheduledTask(
                name=name, schedule=config.words, trigger=trigger, next_start=None, paused=False
            )
        # A job gets its first time when the schedule starts; before that it is what it would be.
        upcoming = getattr(job, "next_run_time", job)
        next_start = (
            job.trigger.get_next_fire_time(None, self._clock()) if upcoming is job else upcoming
        )
        return ScheduledTask(
            name=name,
            schedule=config.words,
            trigger=job.trigger,
            next_start=next_start,
            paused=upcoming is None,
        )
