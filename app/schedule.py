"""When each task runs: the settings' schedules, bound to the tasks' functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.scheduling import SchedulerConfig
from app.settings import Settings, SettingsError, TaskSettings


def schedule_of(
    settings: Settings, functions: dict[str, Callable[[], Any]]
) -> list[SchedulerConfig]:
    """Every enabled task with the schedule that the settings give it."""
    configs = []
    for name, func in functions.items():
        task: TaskSettings | None = getattr(settings.tasks, name, None)
        if task is None:
            raise SettingsError(f"task {name} has no schedule: add it to TasksSettings")
        if task.enabled:
            try:
                configs.append(SchedulerConfig(name, func, **task.trigger_fields()))
            except ValueError:
                raise SettingsError(
                    f"TASKS__{name.upper()}__CRON: is not understood, or never comes;"
                    " it is minute hour day month weekday"
                ) from None
    return configs
