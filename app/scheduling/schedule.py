"""Which tasks there are, and when each runs: what the wiring says, and the settings over it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from dependency_injector import providers

from app.scheduling.config import SchedulerConfig

Schedule = Mapping[str, Any]
"""As TASKS__<NAME>__ has it, in lower case: `seconds`, `minutes`, `hours`, or `cron`."""


class ScheduleError(ValueError):
    """A schedule that cannot be used; one line names the setting."""


class ScheduledTask:
    """A task as the wiring declares it: `func` is `function`, bound to what it needs.

    `schedule`: when it runs, unless the settings say otherwise.
    """

    def __init__(
        self, function: Callable[..., Any], schedule: Schedule, **dependencies: Any
    ) -> None:
        self.func: Callable[[], Any] = functools.partial(function, **dependencies)
        self.schedule = schedule
        self.does = (inspect.getdoc(function) or "").partition("\n")[0]
        """In one line, as the function says it."""


class TaskOverrides(Protocol):
    """What the settings say of tasks."""

    def trigger_of(self, name: str, default: Schedule) -> dict[str, Any] | None:
        """A task's schedule as keyword arguments of `SchedulerConfig`; None: it is disabled."""

    def refuse_unknown_tasks(self, known: Collection[str]) -> None:
        """Raise where a setting is for a task that is none of these."""


def every(*, hours: float = 0, minutes: float = 0, seconds: float = 0) -> Schedule:
    """A schedule of an interval."""
    given = {"hours": hours, "minutes": minutes, "seconds": seconds}
    return {name: float(value) for name, value in given.items() if value}


def cron(expression: str) -> Schedule:
    """A schedule of five fields: minute, hour, day, month, weekday (0 and 7 are Sunday)."""
    return {"cron": expression}


def job(
    function: Callable[..., Any], schedule: Schedule, **dependencies: providers.Provider[Any]
) -> providers.Provider[ScheduledTask]:
    """One line of the wiring: a task's function, when it runs, and what it needs."""
    return providers.Factory(ScheduledTask, function, schedule, **dependencies)


def schedule_of(
    settings: TaskOverrides, tasks: Mapping[str, ScheduledTask]
) -> list[SchedulerConfig]:
    """Every enabled task with its schedule. ScheduleError, and what the settings raise."""
    settings.refuse_unknown_tasks(tasks)
    configs = []
    for name, task in tasks.items():
        trigger = settings.trigger_of(name, task.schedule)
        if trigger is None:
            continue
        try:
            configs.append(SchedulerConfig(name, task.func, **trigger))
        except ValueError:
            raise ScheduleError(
                f"TASKS__{name.upper()}__CRON: is not understood, or never comes;"
                " it is minute hour day month weekday"
            ) from None
    return configs
