"""The wiring of this room, in two parts: what is owed is known before anything is metered."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.events import ReadsEvents
from app.fleet import HoldsVens
from app.platform import port
from app.readings import KeepsFrames, ReadsFrames
from app.reporting.content import PlannedReports
from app.reporting.delivery import (
    Debts,
    DeliveryJournal,
    Outbox,
    RefusedResources,
    ReportDesk,
    ReportPlanner,
    ReportPost,
    ReportSender,
    Resender,
    SecondLooks,
)
from app.reporting.retention import StoreBounds, StoreKeeper
from app.reporting.streams import Agenda, FleetNames, Obligations, StreamLedger, Tally


class StreamsContainer(containers.DeclarativeContainer):
    """What is owed, and what is kept for it."""

    platform = providers.DependenciesContainer()
    events = port(ReadsEvents)
    frames = port(KeepsFrames)
    repository = port(FleetNames)

    ledger = providers.ThreadSafeSingleton(
        StreamLedger, database=platform.database, clock=platform.clock
    )
    tally = providers.ThreadSafeSingleton(Tally, platform.database)
    outbox = providers.ThreadSafeSingleton(Outbox, platform.database)
    agenda = providers.ThreadSafeSingleton(Agenda, events.provided.of_ven)
    obligations = providers.ThreadSafeSingleton(
        Obligations,
        agenda=agenda,
        fleet=repository,
        frames=frames,
        ledger=ledger,
        tally=tally,
        clock=platform.clock,
        keep_unasked=platform.settings.provided.store.keep_unasked,
    )
    store_keeper = providers.ThreadSafeSingleton(
        StoreKeeper,
        frames=frames,
        ledger=ledger,
        obligations=obligations,
        outbox=outbox,
        tally=tally,
        clock=platform.clock,
        bounds=providers.Factory(
            StoreBounds.of, platform.settings.provided.store.model_dump.call()
        ),
    )


class DeliveryContainer(containers.DeclarativeContainer):
    """What is reported, and how it is sent."""

    platform = providers.DependenciesContainer()
    streams = providers.DependenciesContainer()
    frames = port(ReadsFrames)
    simulator = port()  # of any make: see `app.platform.ports`
    held_reports = port(HoldsVens)
    circuit = port()
    write_circuit = port()

    planned_reports = providers.ThreadSafeSingleton(
        PlannedReports,
        frames=frames,
        agenda=streams.agenda,
        outlook=simulator,
        clock=platform.clock,
    )
    report_planner = providers.ThreadSafeSingleton(
        ReportPlanner,
        frames=frames,
        agenda=streams.agenda,
        outlook=simulator,
        planned=planned_reports,
        clock=platform.clock,
        most_readings=platform.settings.provided.reporting.max_readings_per_report,
    )
    report_post = providers.ThreadSafeSingleton(
        ReportPost,
        clock=platform.clock,
        settle_s=platform.settings.provided.delivery.settle_s,
        when_unreadable=platform.settings.provided.delivery.when_unreadable,
    )
    second_looks = providers.ThreadSafeSingleton(
        SecondLooks,
        database=platform.database,
        clock=platform.clock,
        settle_s=platform.settings.provided.delivery.settle_s,
        held=held_reports,
    )
    journal = providers.ThreadSafeSingleton(DeliveryJournal)
    refused_resources = providers.ThreadSafeSingleton(RefusedResources, clock=platform.clock)
    report_sender = providers.ThreadSafeSingleton(
        ReportSender,
        post=report_post,
        refused=refused_resources,
        held=held_reports,
        fan_out=platform.fan_out,
        tracing=platform.tracing,
    )
    report_desk = providers.ThreadSafeSingleton(
        ReportDesk,
        obligations=streams.obligations,
        ledger=streams.ledger,
        planner=report_planner,
        sender=report_sender,
        resender=providers.Factory(
            Resender,
            outbox=streams.outbox,
            sender=report_sender,
            second_looks=second_looks,
            journal=journal,
            refused=refused_resources,
            held=held_reports,
            circuit=circuit,
            writes=write_circuit,
            clock=platform.clock,
            stopping=platform.stopping,
        ),
        refused=refused_resources,
        outbox=streams.outbox,
        second_looks=second_looks,
        keeper=streams.store_keeper,
        journal=journal,
        circuit=circuit,
        writes=write_circuit,
        held=held_reports,
        clock=platform.clock,
        stopping=platform.stopping,
        tracing=platform.tracing,
    )
    debts = providers.Factory(
        Debts,
        frames=frames,
        ledger=streams.ledger,
        obligations=streams.obligations,
        outbox=streams.outbox,
        tally=streams.tally,
    )
