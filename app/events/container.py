"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.events.grants import Grants
from app.events.reader import EventReader
from app.events.store import EventStore
from app.events.sync import EventSync
from app.platform import port


class EventsContainer(containers.DeclarativeContainer):
    """The events of each VEN, and what it was granted."""

    platform = providers.DependenciesContainer()
    fleet = providers.DependenciesContainer()
    client_for = port()
    on_change = port()

    grants = providers.ThreadSafeSingleton(
        Grants,
        log_once=platform.log_once,
        enrolled=fleet.repository.provided.enrolled_resources,
        shown=fleet.lost_objects.provided.polled,
        max_age_s=platform.settings.provided.vtn.targets_max_age_s,
        monotonic=platform.monotonic,
    )
    reader = providers.ThreadSafeSingleton(
        EventReader, clock=platform.clock, log_once=platform.log_once, grants=grants
    )
    store = providers.ThreadSafeSingleton(
        EventStore,
        database=platform.database,
        reader=reader,
        clock=platform.clock,
        log_once=platform.log_once,
        on_change=on_change,
    )
    sync = providers.ThreadSafeSingleton(
        EventSync,
        store=store,
        reader=reader,
        grants=grants,
        client_for=client_for,
        fan_out=platform.fan_out,
        held=fleet.held_vens,
        ven_locks=fleet.enrolment.provided.ven_locks,
        monotonic=platform.monotonic,
    )
