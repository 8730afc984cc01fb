"""The wiring of this room."""

from __future__ import annotations

import threading
from functools import partial

from dependency_injector import containers, providers

from app.fleet.enrolment import Enrolment
from app.fleet.held_vens import HeldVens
from app.fleet.lost import LostObjects
from app.fleet.participation import Participation
from app.fleet.repository import FleetRepository
from app.fleet.updates import ResourceUpdates
from app.openadr import ping_as
from app.platform import port


class FleetContainer(containers.DeclarativeContainer):
    """The VENs and their resources, stored, enrolled, and held where the VTN fails them."""

    platform = providers.DependenciesContainer()
    openadr = providers.DependenciesContainer()
    client_for = port()

    repository = providers.ThreadSafeSingleton(
        FleetRepository,
        platform.database,
        default_source=platform.settings.provided.default_source,
        shard=platform.settings.provided.shard,
    )
    held_retries = providers.ThreadSafeSingleton(
        threading.Semaphore, platform.settings.provided.vtn.most_retries
    )
    held_vens = providers.ThreadSafeSingleton(
        HeldVens,
        what="requests",
        circuit=openadr.circuit,
        fleet=repository,
        retries=held_retries,
        monotonic=platform.monotonic,
        ask=providers.Factory(partial, ping_as, client_for),
    )
    held_reports = providers.ThreadSafeSingleton(
        HeldVens,
        what="reports",
        circuit=openadr.write_circuit,
        fleet=repository,
        retries=held_retries,
        monotonic=platform.monotonic,
    )
    enrolment = providers.ThreadSafeSingleton(
        Enrolment,
        repository=repository,
        client_for=client_for,
        credentials=openadr.credentials,
        shutdown=platform.shutdown,
        fan_out=platform.fan_out,
        held=held_vens,
    )
    lost_objects = providers.ThreadSafeSingleton(
        LostObjects,
        database=platform.database,
        repository=repository,
        enrolment=enrolment,
        client_for=client_for,
        credentials=openadr.credentials,
        fan_out=platform.fan_out,
        clock=platform.clock,
        shutdown=platform.shutdown,
        log_once=platform.log_once,
    )
    participation = providers.ThreadSafeSingleton(
        Participation,
        database=platform.database,
        clock=platform.clock,
        monotonic=platform.monotonic,
    )
    resource_updates = providers.ThreadSafeSingleton(
        ResourceUpdates,
        repository=repository,
        client_for=client_for,
        fan_out=platform.fan_out,
        held=held_vens,
        log_once=platform.log_once,
    )
