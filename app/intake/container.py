"""The wiring of this room."""

from __future__ import annotations

from functools import partial

import requests
from dependency_injector import containers, providers

from app.intake.admission import Admission
from app.intake.energy import AnomalyLog, MeasuredEnergy
from app.intake.exports import Exports
from app.intake.http import (
    IntakeServer,
    NotServed,
    TakesOutcomes,
    make_internal_api,
    make_public_api,
)
from app.intake.http.server import MAX_REQUESTS
from app.intake.importer import Importer
from app.intake.influx_query import InfluxPages
from app.intake.intake import Intake
from app.intake.latest import LatestMeasured
from app.intake.measured_power import MeasuredPower
from app.intake.meters import MeteredFleet, Meters
from app.intake.mqtt import DevicesOfShard, EveryDevice, MqttSources, MqttSubscriber
from app.intake.refusal_log import RefusalLog
from app.intake.remote import RemoteGaps, RemoteOutcomes, intake_of_shards
from app.intake.replay import load_replay
from app.intake.service import IntakeService
from app.intake.sources_file import SourcesFile
from app.intake.split import SplitIntake
from app.intake.status import IntakeStats, SourceStatuses
from app.intake.store import (
    ArrivalCounts,
    ArrivalLog,
    Compaction,
    Imports,
    LogSession,
    MeasurementLog,
)
from app.intake.unknown import UnknownDevices
from app.intake.upkeep import Upkeep
from app.mqtt import BrokerLoop
from app.platform import INTAKE, AsgiServer, PeriodicThread, port

UPKEEP_EVERY_S = 10.0
SOURCES_EVERY_S = 5.0
CONNECTORS = 4
"""Brokers that are connected to at a time."""


class IntakeContainer(containers.DeclarativeContainer):
    """What real meters measure: where it comes from, how it is taken, and the log of it."""

    platform = providers.DependenciesContainer()
    fleet = port(MeteredFleet)
    clock_check = port()
    outcomes = port(TakesOutcomes)

    session = providers.ThreadSafeSingleton(
        LogSession,
        platform.database,
        max_bytes=platform.settings.provided.intake.max_bytes,
    )
    compaction = providers.ThreadSafeSingleton(
        Compaction, session=session, clock=platform.clock, pause=platform.shutdown.provided.wait
    )
    log = providers.ThreadSafeSingleton(
        MeasurementLog, session=session, compaction=compaction, clock=platform.clock
    )
    arrivals = providers.ThreadSafeSingleton(ArrivalLog, session)
    arrival_counts = providers.ThreadSafeSingleton(
        ArrivalCounts, session=session, arrivals=arrivals
    )
    imports = providers.ThreadSafeSingleton(Imports, session=session, clock=platform.clock)
    sources = providers.ThreadSafeSingleton(
        SourcesFile,
        platform.settings.provided.sources_file,
        keep=platform.settings.provided.intake.keep,
        monotonic=platform.monotonic,
        log_once=platform.log_once,
    )
    meters = providers.ThreadSafeSingleton(Meters, fleet)
    # Those of all shards, for a command that sees all of them.
    all_meters = providers.Dependency(instance_of=Meters, default=meters)
    unknown_devices = providers.ThreadSafeSingleton(
        UnknownDevices, platform.database, meters=all_meters, clock=platform.clock
    )
    admission = providers.ThreadSafeSingleton(
        Admission,
        meters=meters,
        clock=platform.clock,
        clock_in_doubt=clock_check.provided.is_in_doubt,
        keep=platform.settings.provided.intake.keep,
    )
    stats = providers.ThreadSafeSingleton(
        IntakeStats, clock=platform.clock, monotonic=platform.monotonic
    )
    intake = providers.ThreadSafeSingleton(
        Intake, log=log, admission=admission, unknown=unknown_devices, stats=stats
    )
    # What brokers tell, a shard may have to hand on: what they kept from before it was cut.
    former_intake = providers.ThreadSafeSingleton(
        SplitIntake,
        providers.Factory(
            intake_of_shards,
            platform.settings.provided.fleet.shards,
            client=platform.shard_client,
            own=platform.settings.provided.shard,
            intake=intake,
        ),
        own=platform.settings.provided.shard,
    )
    split_intake = providers.ThreadSafeSingleton(
        SplitIntake,
        providers.Factory(
            intake_of_shards,
            platform.settings.provided.fleet.shards,
            client=platform.shard_client,
        ),
    )
    refusal_log = providers.ThreadSafeSingleton(RefusalLog, platform.log_once)
    statuses = providers.ThreadSafeSingleton(
        SourceStatuses,
        sources=sources,
        meters=meters,
        log=log,
        stats=stats,
        unknown=unknown_devices,
        clock=platform.clock,
        monotonic=platform.monotonic,
    )
    energy = providers.ThreadSafeSingleton(
        MeasuredEnergy,
        log=log,
        sources=sources,
        keep=platform.settings.provided.intake.keep,
    )
    measured_power = providers.ThreadSafeSingleton(MeasuredPower, energy=energy, meters=meters)
    anomalies = providers.ThreadSafeSingleton(AnomalyLog, stats=stats, log_once=platform.log_once)
    latest = providers.ThreadSafeSingleton(LatestMeasured, log=log, meters=meters, energy=energy)
    importer = providers.ThreadSafeSingleton(
        Importer,
        imports=imports,
        admission=providers.Factory(
            Admission,
            meters=all_meters,
            clock=platform.clock,
            clock_in_doubt=clock_check.provided.is_in_doubt,
            keep=platform.settings.provided.intake.keep,
            shard=platform.settings.provided.shard,
        ),
        unknown=unknown_devices,
        monotonic=platform.monotonic,
        pause=platform.shutdown.provided.wait,
    )
    influx_pages = providers.Factory(
        InfluxPages,
        platform.settings.provided.data_dir.joinpath.call("influx-query"),
        session=providers.Factory(requests.Session),
    )
    exports = providers.ThreadSafeSingleton(Exports, log=log, meters=meters, sources=sources)
    public_listener = providers.ThreadSafeSingleton(
        AsgiServer,
        host=platform.settings.provided.intake.host,
        port=platform.settings.provided.intake.port,
        name="intake",
        certificate=platform.settings.provided.intake.certificate,
        key=platform.settings.provided.intake.key,
        max_requests=MAX_REQUESTS,
    )
    server = providers.Selector(
        platform.settings.provided.intake_kind,
        served=providers.ThreadSafeSingleton(
            IntakeServer,
            server=public_listener,
            where=platform.settings.provided.intake.url,
            make_application=providers.Factory(
                partial,
                make_public_api,
                intake=intake,
                sources=sources,
                exports=exports,
                stats=stats,
                clock=platform.clock,
                monotonic=platform.monotonic,
                refusal_log=refusal_log,
                outcomes=outcomes,
            ),
        ),
        shard=providers.ThreadSafeSingleton(
            IntakeServer,
            server=platform.endpoint.provided.part.call(INTAKE),
            make_application=providers.Factory(
                partial,
                make_internal_api,
                intake=intake,
                sources=sources,
                exports=exports,
                outcomes=outcomes,
            ),
        ),
        none=providers.ThreadSafeSingleton(NotServed, sources=sources),
    )
    gateway_server = providers.Selector(
        platform.settings.provided.intake.kind,
        served=providers.ThreadSafeSingleton(
            IntakeServer,
            server=public_listener,
            where=platform.settings.provided.intake.url,
            make_application=providers.Factory(
                partial,
                make_public_api,
                intake=split_intake,
                sources=sources,
                exports=providers.Factory(RemoteGaps, client=platform.shard_client),
                stats=stats,
                clock=platform.clock,
                monotonic=platform.monotonic,
                refusal_log=refusal_log,
                outcomes=providers.Factory(
                    RemoteOutcomes, client=platform.shard_client, actuators=outcomes
                ),
                waits_for_others=True,
            ),
        ),
        none=providers.ThreadSafeSingleton(NotServed, sources=sources),
    )
    broker_loop = providers.ThreadSafeSingleton(
        BrokerLoop, monotonic=platform.monotonic, connectors=CONNECTORS, fence=platform.fence
    )
    mqtt_sources = providers.ThreadSafeSingleton(
        MqttSources,
        sources=sources,
        heard=providers.Selector(
            platform.settings.provided.store_kind,
            whole=providers.Factory(EveryDevice),
            shard=providers.Factory(DevicesOfShard, meters=meters, store=platform.store),
        ),
        loop=broker_loop,
        make=providers.Factory(
            MqttSubscriber,
            intake=intake,
            loop=broker_loop,
            stats=stats,
            refusal_log=refusal_log,
            clock=platform.clock,
            monotonic=platform.monotonic,
            shutdown=platform.shutdown,
            log_once=platform.log_once,
        ).provider,
        split_intake=former_intake,
    )
    replay = providers.ThreadSafeSingleton(
        load_replay,
        platform.settings.provided.simulator.replay,
        platform.settings.provided.simulator.replay_profile,
    )
    service = providers.ThreadSafeSingleton(
        IntakeService,
        sources=sources,
        server=server,
        mqtt=mqtt_sources,
        mqtt_watch=providers.Factory(
            PeriodicThread,
            name="mqtt-sources",
            callbacks=providers.List(mqtt_sources),
            every_s=SOURCES_EVERY_S,
            shutdown=platform.shutdown,
        ),
        upkeep=providers.Factory(
            PeriodicThread,
            name="upkeep",
            callbacks=providers.List(
                providers.Factory(
                    Upkeep,
                    compaction=compaction,
                    imports=imports,
                    unknown=unknown_devices,
                    clock=platform.clock,
                    monotonic=platform.monotonic,
                    keep=platform.settings.provided.intake.keep,
                    shutdown=platform.shutdown,
                    log_once=platform.log_once,
                )
            ),
            every_s=UPKEEP_EVERY_S,
            shutdown=platform.shutdown,
        ),
    )
