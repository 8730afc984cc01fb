"""The wiring of this room."""

from __future__ import annotations

from functools import partial

from dependency_injector import containers, providers

from app.observability import no_wiring
from app.ops.actions import OperatorActions
from app.ops.audit import AuditLog
from app.ops.backlog_history import BacklogHistory
from app.ops.events_view import EventsView
from app.ops.fleet_view import FleetView
from app.ops.health import Health
from app.ops.metrics import Metrics
from app.ops.overview import Overview
from app.ops.page import make_page
from app.ops.page.services import PageServices
from app.ops.resource_view import ResourceView
from app.ops.server import MAX_REQUESTS, PROBES, NoOps, OpsServer, make_probes
from app.ops.throttled import ThrottledValue
from app.ops.token_guard import TokenGuard
from app.platform import PAGE, AsgiServer, PeriodicThread, port


class OpsContainer(containers.DeclarativeContainer):
    """Health, metrics and the page, and what may be changed there."""

    platform = providers.DependenciesContainer()
    openadr = providers.DependenciesContainer()
    fleet = providers.DependenciesContainer()
    readings = providers.DependenciesContainer()
    events = providers.DependenciesContainer()
    control = providers.DependenciesContainer()
    streams = providers.DependenciesContainer()
    metering = providers.DependenciesContainer()
    intake = providers.DependenciesContainer()
    delivery = providers.DependenciesContainer()
    vens = providers.DependenciesContainer()
    actuation = providers.DependenciesContainer()
    push = providers.DependenciesContainer()
    scheduling = providers.DependenciesContainer()
    supervision = providers.DependenciesContainer()
    audit = port(AuditLog)

    wiring = providers.Object(no_wiring)
    waiting = providers.ThreadSafeSingleton(
        ThrottledValue,
        look=delivery.service.provided.waiting,
        every_s=0.0,
        monotonic=platform.monotonic,
    )
    health = providers.ThreadSafeSingleton(
        Health,
        database=platform.database,
        repository=fleet.repository,
        http=openadr.http,
        simulator=metering.simulator,
        delivery=delivery.service,
        waiting=waiting,
        scheduler=scheduling.scheduler,
        retention=streams.retention,
        rejected_reports=streams.rejected,
        loss_counters=streams.losses,
        overdue_tasks=supervision.overdue_tasks,
        watchdog=supervision.guard,
        held_vens=fleet.held_vens,
        lost_objects=fleet.lost_objects,
        removals=vens.removals,
        clock_check=readings.clock_check,
        push_trust=vens.push_trust,
        inbox=push.inbox,
        sources=intake.statuses,
        orders=actuation.overview,
    )
    metrics = providers.ThreadSafeSingleton(
        Metrics,
        scheduler=scheduling.scheduler,
        simulator=metering.simulator,
        power=metering.power_history,
        delivery_stats=delivery.stats,
        health=health,
        http=openadr.http,
        sources=intake.statuses,
        orders=actuation.overview,
    )
    backlog_history = providers.ThreadSafeSingleton(
        BacklogHistory, waiting=waiting, clock=platform.clock, monotonic=platform.monotonic
    )
    actions = providers.ThreadSafeSingleton(
        OperatorActions,
        scheduler=scheduling.scheduler,
        repository=fleet.repository,
        rejected_reports=streams.rejected,
        business_logic=openadr.business_logic.provider,
        audit=audit,
        participation=fleet.participation,
        clock=platform.clock,
    )
    page_services = providers.ThreadSafeSingleton(
        PageServices,
        fleet=providers.Factory(
            FleetView,
            repository=fleet.repository,
            frames=readings.log,
            delivery_stats=delivery.stats,
            events=events.store,
            policy_of=control.policy_of,
            clock=platform.clock,
        ),
        events=providers.Factory(
            EventsView, events=events.store, clock=platform.clock, monotonic=platform.monotonic
        ),
        sources=intake.statuses,
        orders=actuation.overview,
        resources=providers.Factory(
            ResourceView,
            repository=fleet.repository,
            exports=intake.exports,
            clock=platform.clock,
        ),
        power=metering.power_history,
        scheduler=scheduling.scheduler,
        delivery_stats=delivery.stats,
        rejected_reports=streams.rejected,
        backlog_history=backlog_history,
        waiting=waiting,
        simulator=metering.simulator,
        http=openadr.http,
        readiness=health.provided.readiness,
        actions=actions,
        token_guard=providers.Factory(
            TokenGuard,
            token=platform.settings.provided.ops.known_token,
            is_local=platform.settings.provided.ops.is_local,
            monotonic=platform.monotonic,
        ),
        wiring=wiring,
        clock=platform.clock,
        shard=platform.settings.provided.shard,
        sends_events=platform.settings.provided.sends_events,
    )
    watch = providers.ThreadSafeSingleton(
        PeriodicThread,
        name="ops-watch",
        callbacks=providers.List(metering.power_history, backlog_history),
        every_s=1.0,
        shutdown=platform.shutdown,
    )
    server = providers.Selector(
        platform.settings.provided.ops_kind,
        served=providers.ThreadSafeSingleton(
            OpsServer,
            server=providers.Factory(
                AsgiServer,
                host=platform.settings.provided.ops.host,
                port=platform.settings.provided.ops.port,
                name="ops",
                max_requests=MAX_REQUESTS,
                always=PROBES,
            ),
            url=platform.settings.provided.ops.url,
            names=platform.settings.provided.ops.host_names,
            probes=providers.Factory(make_probes, health, metrics),
            make_page=providers.Factory(partial, make_page, page_services),
            watch=watch,
        ),
        shard=providers.ThreadSafeSingleton(
            OpsServer,
            server=platform.endpoint.provided.part.call(PAGE),
            url="",
            names=providers.List(platform.settings.provided.gateway.host),
            probes=providers.Factory(
                make_probes,
                health,
                metrics,
                providers.Factory(
                    Overview,
                    readiness=health.provided.readiness,
                    repository=fleet.repository,
                    power=metering.power_history,
                    delivery_stats=delivery.stats,
                ),
            ),
            make_page=providers.Factory(partial, make_page, page_services),
            watch=watch,
        ),
        none=providers.ThreadSafeSingleton(NoOps),
    )
