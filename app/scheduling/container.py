"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.platform import OperationalError, port
from app.scheduling.schedule import schedule_of
from app.scheduling.scheduler import TaskScheduler


class SchedulingContainer(containers.DeclarativeContainer):
    """The scheduler, with every enabled task."""

    platform = providers.DependenciesContainer()
    tasks = port()

    schedule = providers.Factory(schedule_of, platform.settings, tasks)
    scheduler = providers.ThreadSafeSingleton(
        TaskScheduler,
        schedule,
        timezone=platform.settings.provided.scheduler.timezone,
        clock=platform.clock,
        expected=providers.Object((OperationalError,)),
    )
