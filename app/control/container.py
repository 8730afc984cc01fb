"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.control import policies
from app.control.controller import FleetController
from app.control.responder import Responder
from app.control.signals import SignalResolver
from app.events import ReadsEvents
from app.platform import port


class ControlContainer(containers.DeclarativeContainer):
    """A policy for each kind of resource, and what makes signals of events."""

    platform = providers.DependenciesContainer()
    events = port(ReadsEvents)

    policy_of = providers.Dict(
        {kind: providers.ThreadSafeSingleton(policy) for kind, policy in policies.OF_KIND.items()}
    )
    responder = providers.ThreadSafeSingleton(Responder, policy_of)
    resolver = providers.Factory(
        SignalResolver,
        alert_level=platform.settings.provided.events.alert_level,
        percent_sign=platform.settings.provided.events.percent_sign,
    )
    controller = providers.ThreadSafeSingleton(
        FleetController,
        events=events,
        resolver=resolver,
        responder=responder,
        log_once=platform.log_once,
    )
