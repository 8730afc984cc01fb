"""The wiring: which rooms there are, and what each is given.

Read it from top to bottom like a table of contents: a room is given what stands above it, and its
`container.py` says what it makes of that (`running`: app/application.py). Building anything does
no I/O; what runs or listens is started and stopped by `application`. A test replaces any provider:
`with container.platform.clock.override(clock):`. `reset_override()` of a room would unwire it.
"""

from __future__ import annotations

import sys

from dependency_injector import containers, providers

from app import tasks
from app.actuation import ActuationContainer, OrdersContainer
from app.application import Application, ApplicationContainer
from app.cluster.engine import EngineContainer
from app.cluster.gateway import GatewayContainer
from app.control import ControlContainer
from app.events import EventsContainer
from app.fleet import FleetContainer
from app.intake import IntakeContainer
from app.metering import MeterDataSimulator, MeteringContainer
from app.openadr import OpenadrContainer
from app.ops import AuditLog, OpsContainer
from app.platform import PlatformContainer
from app.push import PushContainer
from app.readings import ReadingsContainer
from app.reporting.container import DeliveryContainer, StreamsContainer
from app.scheduling import SchedulingContainer, TaskScheduler, every, job
from app.settings import Settings
from app.supervision import SupervisionContainer
from app.vens import VENManager, VensContainer
from app.vtn import VtnContainer

# dependency-injector copies all of this for each Container(), one provider from inside another: as
# deep as the wiring is long, which is nearly what Python allows by itself.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 4_000))


class Container(containers.DeclarativeContainer):
    """The application's objects, room by room."""

    settings = providers.ThreadSafeSingleton(Settings)
    platform = providers.Container(PlatformContainer, settings=settings)
    audit = providers.Factory(AuditLog, path=settings.provided.audit_file, clock=platform.clock)
    vtn = providers.Container(VtnContainer, platform=platform)
    openadr = providers.Container(
        OpenadrContainer,
        platform=platform,
        embedded_ven_credentials=vtn.ven_credentials,
        embedded_business_credentials=vtn.business_credentials,
    )
    fleet = providers.Container(
        FleetContainer, platform=platform, openadr=openadr, client_for=openadr.client_for
    )
    readings = providers.Container(
        ReadingsContainer, platform=platform, vtn_clock=openadr.vtn_clock
    )
    orders = providers.Container(
        OrdersContainer,
        platform=platform,
        is_in_doubt=readings.clock_check.provided.is_in_doubt,
        participation=fleet.participation,
    )
    intake = providers.Container(
        IntakeContainer,
        platform=platform,
        fleet=fleet.repository,
        clock_check=readings.clock_check,
        outcomes=orders.inbox,
    )
    events = providers.Container(
        EventsContainer,
        platform=platform,
        fleet=fleet,
        client_for=openadr.client_for,
        on_change=orders.signal.provided.changed,
    )
    control = providers.Container(ControlContainer, platform=platform, events=events.store)
    streams = providers.Container(
        StreamsContainer,
        platform=platform,
        repository=fleet.repository,
        events=events.store,
        frames=readings.log,
        meters=intake.meters,
        arrivals=intake.arrivals,
        arrival_counts=intake.arrival_counts,
    )
    metering = providers.Container(
        MeteringContainer,
        platform=platform,
        repository=fleet.repository,
        frames=readings.log,
        control_model=control.controller,
        retention=streams.retention,
        replay=intake.replay.provider,
        latest=intake.latest,
        orders=orders.in_force,
    )
    actuation = providers.Container(
        ActuationContainer,
        platform=platform,
        orders=orders,
        control=control,
        fleet=fleet.repository,
        participation=fleet.participation,
        events=events.store,
        frames=readings.log,
        measured=intake.measured_power,
        usual_kw=metering.usual_kw,
        audit=audit,
    )
    delivery = providers.Container(
        DeliveryContainer,
        platform=platform,
        streams=streams,
        frames=readings.log,
        energy=intake.energy,
        arrivals=intake.arrivals,
        anomalies=intake.anomalies,
        simulator=metering.simulator,
        held_reports=fleet.held_reports,
        circuit=openadr.circuit,
        write_circuit=openadr.write_circuit,
    )
    vens = providers.Container(
        VensContainer,
        platform=platform,
        fleet=fleet,
        client_for=openadr.client_for,
        vtn_http=openadr.http,
        events=events.store,
        sync_events=events.sync,
        forget_targets=events.grants.provided.forget,
        reports=delivery.service,
        debts=delivery.debts,
    )
    push = providers.Container(
        PushContainer,
        platform=platform,
        client_for=openadr.client_for,
        held_vens=fleet.held_vens,
        program_ids=events.store.provided.program_ids,
        vens=vens,
    )

    # What users, deployments and tests rely on, with `settings` above and `application` below
    ven_manager: providers.Provider[VENManager] = vens.manager
    simulator: providers.Provider[MeterDataSimulator] = metering.simulator

    # A task: its function, when it runs unless TASKS__<NAME> says otherwise, and what it needs
    scheduled_tasks = providers.Dict(
        heartbeat=job(tasks.heartbeat_task, every(minutes=5), ven_manager=ven_manager),
        simulate_meterdata=job(tasks.simulate_meterdata, every(seconds=30), simulator=simulator),
        resource_status_checker=job(
            tasks.resource_status_checker, every(minutes=5), simulator=simulator
        ),
        generate_reports=job(
            tasks.generate_reports_task, every(seconds=15), ven_manager=ven_manager
        ),
        poll_events=job(tasks.poll_events_task, every(seconds=30), ven_manager=ven_manager),
    )
    scheduling = providers.Container(SchedulingContainer, platform=platform, tasks=scheduled_tasks)
    supervision = providers.Container(
        SupervisionContainer,
        platform=platform,
        circuit=openadr.circuit,
        write_circuit=openadr.write_circuit,
        held_vens=fleet.held_vens,
        ven_manager=vens.manager,
        scheduler=scheduling.scheduler,
    )
    ops = providers.Container(
        OpsContainer,
        platform=platform,
        audit=audit,
        openadr=openadr,
        fleet=fleet,
        readings=readings,
        events=events,
        control=control,
        streams=streams,
        metering=metering,
        intake=intake,
        actuation=actuation,
        delivery=delivery,
        vens=vens,
        push=push,
        scheduling=scheduling,
        supervision=supervision,
    )

    cluster = providers.Container(EngineContainer, platform=platform)
    gateway = providers.Container(
        GatewayContainer, platform=platform, intake=intake, push=push, cluster=cluster
    )

    running = providers.Container(
        ApplicationContainer,
        platform=platform,
        vtn=vtn,
        openadr=openadr,
        fleet=fleet,
        metering=metering,
        intake=intake,
        actuation=actuation,
        delivery=delivery,
        vens=vens,
        push=push,
        scheduling=scheduling,
        supervision=supervision,
        ops=ops,
    )

    scheduler: providers.Provider[TaskScheduler] = scheduling.scheduler
    application: providers.Provider[Application] = running.application
