"""The wiring of this room, in two parts: what is owed is known before anything is metered."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.events import ReadsEvents
from app.fleet import HoldsVens
from app.platform import port
from app.readings import KeepsFrames, ReadsFrames
from app.reporting.content import (
    DueReports,
    IntervalReports,
    LogsAnomalies,
    MeteredIntervals,
    NewReadings,
    ReadsArrivals,
    ReadsMeasurements,
)
from app.reporting.corrections import ChangedReports, Corrections
from app.reporting.delivery import (
    BatchSender,
    Debts,
    DeliveryService,
    DeliveryStats,
    DuplicateSweeper,
    MeteredReports,
    RefusedResources,
    RejectedReports,
    ReportBuilder,
    ReportSender,
    Resender,
    Settlement,
    SizeLimits,
    Takeover,
)
from app.reporting.retention import KeepsArrivals, Retention, StoreBounds
from app.reporting.streams import (
    Backlog,
    CountsArrivals,
    FleetNames,
    KnowsMeters,
    LossCounters,
    RequestIndex,
    StreamReconciler,
    StreamStore,
)


class StreamsContainer(containers.DeclarativeContainer):
    """What is owed, and what is kept for it."""

    platform = providers.DependenciesContainer()
    events = port(ReadsEvents)
    frames = port(KeepsFrames)
    repository = port(FleetNames)
    meters = port(KnowsMeters)
    arrivals = port(KeepsArrivals)
    arrival_counts = port(CountsArrivals)

    losses = providers.ThreadSafeSingleton(LossCounters, platform.database)
    rejected = providers.ThreadSafeSingleton(RejectedReports, platform.database)
    metered_reports = providers.ThreadSafeSingleton(
        MeteredReports,
        platform.database,
        clock=platform.clock,
        keep=platform.settings.provided.intake.keep,
        correct_every=platform.settings.provided.intake.correct_every,
    )
    request_index = providers.ThreadSafeSingleton(
        RequestIndex,
        events.provided.of_ven,
        meters=meters,
        reading_type=platform.settings.provided.told_reading_type,
    )
    backlog = providers.ThreadSafeSingleton(
        Backlog,
        frames=frames,
        requests=request_index,
        fleet=repository,
        arrivals=arrival_counts,
        clock=platform.clock,
    )
    store = providers.ThreadSafeSingleton(
        StreamStore, database=platform.database, clock=platform.clock, backlog=backlog
    )
    reconciler = providers.ThreadSafeSingleton(
        StreamReconciler,
        frames=frames,
        store=store,
        backlog=backlog,
        losses=losses,
        requests=request_index,
        fleet=repository,
        arrivals=arrivals,
        clock=platform.clock,
        keep_unasked=platform.settings.provided.store.keep_unasked,
        log_once=platform.log_once,
    )
    retention = providers.ThreadSafeSingleton(
        Retention,
        frames=frames,
        arrivals=arrivals,
        store=store,
        backlog=backlog,
        rejected=rejected,
        metered=metered_reports,
        losses=losses,
        clock=platform.clock,
        bounds=providers.Factory(
            StoreBounds.of, platform.settings.provided.store.model_dump.call()
        ),
        log_once=platform.log_once,
    )


class DeliveryContainer(containers.DeclarativeContainer):
    """What is reported, and how it is sent."""

    platform = providers.DependenciesContainer()
    streams = providers.DependenciesContainer()
    frames = port(ReadsFrames)
    energy = port(ReadsMeasurements)
    arrivals = port(ReadsArrivals)
    anomalies = port(LogsAnomalies)
    simulator = port()  # of any make: see `app.platform.ports`
    held_reports = port(HoldsVens)
    circuit = port()
    write_circuit = port()

    metered_intervals = providers.ThreadSafeSingleton(
        MeteredIntervals, energy=energy, arrivals=arrivals, anomalies=anomalies
    )
    due_reports = providers.ThreadSafeSingleton(
        DueReports,
        frames=frames,
        requests=streams.request_index,
        metered=metered_intervals,
        clock=platform.clock,
    )
    interval_reports = providers.ThreadSafeSingleton(
        IntervalReports,
        frames=frames,
        requests=streams.request_index,
        model=simulator,
        clock=platform.clock,
    )
    builder = providers.ThreadSafeSingleton(
        ReportBuilder,
        frames=frames,
        requests=streams.request_index,
        model=simulator,
        due_reports=due_reports,
        interval_reports=interval_reports,
        new_readings=providers.Factory(NewReadings, arrivals=arrivals, energy=energy),
        clock=platform.clock,
        limits=providers.Factory(
            SizeLimits, most_readings=platform.settings.provided.reporting.max_readings_per_report
        ),
        correct_every=platform.settings.provided.intake.correct_every,
        corrects=platform.settings.provided.intake.corrects,
    )
    sender = providers.ThreadSafeSingleton(
        ReportSender,
        clock=platform.clock,
        settle_s=platform.settings.provided.delivery.settle_s,
        when_unreadable=platform.settings.provided.delivery.when_unreadable,
        log_once=platform.log_once,
    )
    duplicates = providers.ThreadSafeSingleton(
        DuplicateSweeper,
        database=platform.database,
        clock=platform.clock,
        settle_s=platform.settings.provided.delivery.settle_s,
        held=held_reports,
    )
    stats = providers.ThreadSafeSingleton(DeliveryStats)
    refused_resources = providers.ThreadSafeSingleton(RefusedResources, clock=platform.clock)
    batch_sender = providers.ThreadSafeSingleton(
        BatchSender,
        sender=sender,
        refused=refused_resources,
        held=held_reports,
        fan_out=platform.fan_out,
        tracing=platform.tracing,
    )
    settlement = providers.ThreadSafeSingleton(
        Settlement,
        store=streams.store,
        rejected=streams.rejected,
        refused=refused_resources,
        duplicates=duplicates,
        metered=streams.metered_reports,
        stats=stats,
        clock=platform.clock,
    )
    service = providers.ThreadSafeSingleton(
        DeliveryService,
        reconciler=streams.reconciler,
        store=streams.store,
        builder=builder,
        sender=batch_sender,
        settlement=settlement,
        resender=providers.Factory(
            Resender,
            rejected=streams.rejected,
            sender=batch_sender,
            settlement=settlement,
            circuit=circuit,
            write_circuit=write_circuit,
            clock=platform.clock,
            shutdown=platform.shutdown,
        ),
        duplicates=duplicates,
        corrections=providers.Factory(
            Corrections,
            changes=providers.Factory(
                ChangedReports,
                arrivals=arrivals,
                energy=energy,
                requests=streams.request_index,
                reports=streams.metered_reports,
            ),
            reports=streams.metered_reports,
            rejected=streams.rejected,
            losses=streams.losses,
            requests=streams.request_index,
            metered=metered_intervals,
            database=platform.database,
            held=held_reports,
            fan_out=platform.fan_out,
            shutdown=platform.shutdown,
            clock=platform.clock,
            mode=platform.settings.provided.intake.corrections,
        ),
        retention=streams.retention,
        circuit=circuit,
        write_circuit=write_circuit,
        held_vens=held_reports,
        shutdown=platform.shutdown,
        tracing=platform.tracing,
        log_once=platform.log_once,
    )
    takeover = providers.Factory(
        Takeover, store=streams.store, rejected=streams.rejected, duplicates=duplicates
    )
    debts = providers.Factory(
        Debts,
        frames=frames,
        arrivals=arrivals,
        store=streams.store,
        backlog=streams.backlog,
        reconciler=streams.reconciler,
        rejected=streams.rejected,
        losses=streams.losses,
        clock=platform.clock,
    )
