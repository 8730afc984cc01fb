"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.platform import port
from app.readings.clock_check import ClockCheck
from app.readings.log import ReadingLog


class ReadingsContainer(containers.DeclarativeContainer):
    """The log of readings."""

    platform = providers.DependenciesContainer()
    vtn_clock = port()

    log = providers.ThreadSafeSingleton(ReadingLog, platform.database)
    clock_check = providers.ThreadSafeSingleton(
        ClockCheck, clock=platform.clock, vtn_clock=vtn_clock, frames=log
    )
