"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.metering.power import PowerHistory
from app.metering.profiles import load_profiles
from app.metering.simulator import MeterDataSimulator
from app.metering.source import AnswersEvents, MeteredFleet, Room
from app.platform import port
from app.readings import AppendsFrames


class MeteringContainer(containers.DeclarativeContainer):
    """The simulator, its profiles, and the power of the last hour."""

    platform = providers.DependenciesContainer()
    control_model = port(AnswersEvents)
    frames = port(AppendsFrames)
    repository = port(MeteredFleet)
    store_keeper = port(Room)

    profiles = providers.ThreadSafeSingleton(load_profiles)
    simulator = providers.ThreadSafeSingleton(
        MeterDataSimulator,
        repository=repository,
        frames=frames,
        profiles=profiles.provider,
        control_model=control_model,
        room=store_keeper,
        tracing=platform.tracing,
        clock=platform.clock,
        monotonic=platform.monotonic,
    )
    power_history = providers.ThreadSafeSingleton(PowerHistory, frames=frames, simulator=simulator)
