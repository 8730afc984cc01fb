"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.metering.orders import KnowsOrders
from app.metering.power import PowerHistory
from app.metering.profiles import load_profiles
from app.metering.shapes import UsualPower
from app.metering.simulator import MeterDataSimulator
from app.metering.source import AnswersEvents, KnowsLatest, MeteredFleet, SpaceGuard
from app.platform import port
from app.readings import AppendsFrames


class MeteringContainer(containers.DeclarativeContainer):
    """The simulator, its profiles, and the power of the last hour."""

    platform = providers.DependenciesContainer()
    control_model = port(AnswersEvents)
    frames = port(AppendsFrames)
    repository = port(MeteredFleet)
    retention = port(SpaceGuard)
    replay = port()
    latest = port(KnowsLatest)
    orders = port(KnowsOrders)

    profiles = providers.ThreadSafeSingleton(load_profiles)
    usual_kw = providers.ThreadSafeSingleton(UsualPower, profiles.provider)
    simulator = providers.ThreadSafeSingleton(
        MeterDataSimulator,
        repository=repository,
        frames=frames,
        profiles=profiles.provider,
        replay=replay,
        control_model=control_model,
        latest=latest,
        orders=orders,
        space=retention,
        tracing=platform.tracing,
        clock=platform.clock,
        monotonic=platform.monotonic,
    )
    power_history = providers.ThreadSafeSingleton(PowerHistory, frames=frames, simulator=simulator)
