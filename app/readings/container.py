"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.readings.frames import FrameStore


class ReadingsContainer(containers.DeclarativeContainer):
    """The log of readings."""

    platform = providers.DependenciesContainer()

    frames = providers.ThreadSafeSingleton(FrameStore, platform.database)
