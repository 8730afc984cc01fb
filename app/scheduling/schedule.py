"""Which tasks there are, and when each runs: what the wiring says, and the settings over it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from dependency_injector import providers

from app.scheduling.config import SchedulerConfig
from app.scheduling.errors import ScheduleError

Schedule = Mapping[str, Any]
"""As TASKS__<NAME>__ has it, in lower case: `seconds`, `minutes` and `hours`, or `cron`."""


class Job(functools.partial[Any]):
    """A task's function, bound to what it needs; `schedule`: when it runs, by default."""

    schedule: Schedule

    def __new__(
        cls, function: Callable[..., Any], schedule: Schedule, /, **dependencies: Any
    ) -> Job:
        made = super().__new__(cls, function, **dependencies)
        made.schedule = schedule
        return made

    @property
    def does(self) -> str:
        """What it does, in one line, as its function says it."""
        return (inspect.getdoc(self.func) or "").partition("\n")[0]


class TaskOverrides(Protocol):
    """What the settings say of tasks."""

    def trigger_of(self, name: str, default: Schedule) -> dict[str, Any] | None:
        """A task's schedule as keyword arguments of `SchedulerConfig`; None: it is disabled."""

    def refuse_unknown_tasks(self, known: Collection[str]) -> None:
        """Raise where a setting is for a task that is none of these."""


def every(*, hours: float = 0, minutes: float = 0, seconds: float = 0) -> Schedule:
    """A schedule of an interval. ValueError: of none."""
    given = {"hours": hours, "minutes": minutes, "seconds": seconds}
    if sum(given.values()) <= 0:
        raise ValueError("an interval has hours, minutes or seconds")
    return {name: float(value) for name, value in given.items() if value}


def job(
    function: Callable[..., Any], schedule: Schedule, /, **dependencies: providers.Provider[Any]
) -> providers.Provider[Job]:
    """One line of the wiring: a task's function, when it runs, and what it needs."""
    return providers.Factory(Job, function, schedule, **dependencies)


def default_schedules(jobs: providers.Dict) -> dict[str, Schedule]:
    """When each of these runs by default; builds none of them."""
    return {name: kwarg.args[1] for name, kwarg in jobs.kwargs.items()}


def schedule_of(settings: TaskOverrides, tasks: Mapping[str, Job]) -> list[SchedulerConfig]:
    """Every enabled task with its schedule. ScheduleError, and what the settings raise."""
    settings.refuse_unknown_tasks(tasks)
    configs = []
    for name, task in tasks.items():
        trigger = settings.trigger_of(name, task.schedule)
        if trigger is None:
            continue
        try:
            configs.append(SchedulerConfig(name, task, **trigger))
        except ValueError:
            raise ScheduleError(
                f"TASKS__{name.upper()}__CRON: is not understood, or never comes;"
                " it is minute hour day month weekday"
            ) from None
    return configs
