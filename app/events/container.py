"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.events.grants import Grants
from app.events.store import EventStore
from app.platform import port


class EventsContainer(containers.DeclarativeContainer):
    """The events of each VEN, and what it was granted."""

    platform = providers.DependenciesContainer()
    resource_names = port()
    shown = port()
    on_change = port()

    store = providers.ThreadSafeSingleton(
        EventStore,
        database=platform.database,
        clock=platform.clock,
        log_once=platform.log_once,
        grants=providers.Factory(
            Grants,
            log_once=platform.log_once,
            resource_names=resource_names,
            shown=shown,
        ),
        on_change=on_change,
    )
