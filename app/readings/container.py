"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.readings.log import ReadingLog


class ReadingsContainer(containers.DeclarativeContainer):
    """The log of readings."""

    platform = providers.DependenciesContainer()

    log = providers.ThreadSafeSingleton(ReadingLog, platform.database)
