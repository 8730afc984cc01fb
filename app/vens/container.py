"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.platform import port
from app.vens.manager import DeliversReports, EventFeed, VENManager
from app.vens.poll_schedule import PollPlan
from app.vens.push_trust import PushTrust
from app.vens.removals import Debts, Removals


class VensContainer(containers.DeclarativeContainer):
    """The manager of the fleet, when it polls, and what leaves the fleet."""

    platform = providers.DependenciesContainer()
    fleet = providers.DependenciesContainer()
    debts = port(Debts)
    events = port(EventFeed)
    sync_events = port()
    forget_targets = port()
    client_for = port()
    reports = port(DeliversReports)
    vtn_http = port()

    push_trust = providers.ThreadSafeSingleton(
        PushTrust,
        log_once=platform.log_once,
        monotonic=platform.monotonic,
        safety_s=platform.settings.provided.vtn.push_poll_s,
    )
    poll_plan = providers.ThreadSafeSingleton(
        PollPlan,
        trust=push_trust,
        monotonic=platform.monotonic,
        safety_s=platform.settings.provided.vtn.push_poll_s,
    )
    removals = providers.ThreadSafeSingleton(
        Removals,
        database=platform.database,
        repository=fleet.repository,
        client_for=client_for,
        debts=debts,
        held=fleet.held_vens,
        locks=fleet.enrolment.provided.ven_locks,
        shutdown=platform.shutdown,
        clock=platform.clock,
        monotonic=platform.monotonic,
        forget=providers.List(
            events.provided.forget,
            forget_targets,
            fleet.lost_objects.provided.forget,
            fleet.held_vens.provided.forget,
            fleet.held_reports.provided.forget,
            poll_plan.provided.forget,
        ),
    )
    manager = providers.ThreadSafeSingleton(
        VENManager,
        repository=fleet.repository,
        enrolment=fleet.enrolment,
        client_for=client_for,
        events=events,
        sync_events=sync_events,
        reports=reports,
        http=vtn_http,
        poll_plan=poll_plan,
        push_trust=push_trust,
        fan_out=platform.fan_out,
        held=fleet.held_vens,
        lost=fleet.lost_objects,
        updates=fleet.resource_updates,
        removals=removals,
        log_once=platform.log_once,
        monotonic=platform.monotonic,
    )
