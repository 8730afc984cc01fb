"""The wiring of this room."""

from __future__ import annotations

import time

from dependency_injector import containers, providers

from app.observability import NoTracing, OtlpTracing
from app.platform.claim import DatabaseClaim
from app.platform.database import Database, make_engine
from app.platform.descriptors import Descriptors
from app.platform.fanout import FanOut
from app.platform.log_once import LogOnce
from app.platform.ports import port
from app.platform.progress import no_bar
from app.platform.run_lock import RunLock
from app.platform.shards import (
    NO_FENCE,
    FileOwners,
    GatewayToken,
    KeeperStore,
    NoEndpoint,
    Owners,
    Registry,
    ServerOwners,
    ShardClient,
    ShardEndpoint,
    ShardStore,
    WholeStore,
)
from app.platform.shards.file_lease import FileLease
from app.platform.shards.machine import boottime_s
from app.platform.shards.server_lease import ServerLease
from app.platform.shutdown import Shutdown
from app.platform.systemd import SystemdNotifier
from app.platform.timestamps import utc_now

CLUSTER = "the cluster"
"""What one keeper at a time looks after."""


class PlatformContainer(containers.DeclarativeContainer):
    """Settings, clock, shutdown, database, run lock, threads, and traces."""

    settings = port()

    clock = providers.Object(utc_now)
    monotonic = providers.Object(time.monotonic)
    boottime = providers.Object(boottime_s)
    shutdown = providers.ThreadSafeSingleton(Shutdown)
    log_once = providers.ThreadSafeSingleton(LogOnce)
    bar = providers.Object(no_bar)
    engine = providers.ThreadSafeSingleton(
        make_engine, settings.provided.database_url, schema=settings.provided.database_schema
    )
    registry = providers.ThreadSafeSingleton(
        Registry, providers.Factory(make_engine, settings.provided.registry_url, pools=False)
    )
    store = providers.Selector(
        settings.provided.store_kind,
        whole=providers.ThreadSafeSingleton(WholeStore, registry),
        shard=providers.ThreadSafeSingleton(
            ShardStore,
            settings.provided.shard,
            engine=engine,
            registry=registry,
            whole=providers.Factory(make_engine, settings.provided.whole_url, pools=False),
        ),
    )
    gateway_token = providers.ThreadSafeSingleton(
        GatewayToken,
        settings.provided.gateway.known_token,
        directory=settings.provided.data_dir,
    )
    endpoint = providers.Selector(
        settings.provided.store_kind,
        whole=providers.ThreadSafeSingleton(NoEndpoint),
        shard=providers.ThreadSafeSingleton(
            ShardEndpoint,
            shard=settings.provided.shard,
            host=settings.provided.gateway.host,
            port=settings.provided.gateway.port,
            certificate=settings.provided.gateway.certificate,
            key=settings.provided.gateway.key,
            token=gateway_token,
        ),
    )
    read_owners = providers.Selector(
        settings.provided.owners_kind,
        file=providers.ThreadSafeSingleton(
            FileOwners,
            settings.provided.run_lock_files,
            boottime=boottime,
        ),
        server=providers.ThreadSafeSingleton(
            ServerOwners,
            providers.Factory(make_engine, settings.provided.database_url),
            shards=settings.provided.fleet.shards,
        ),
    )
    owners = providers.ThreadSafeSingleton(
        Owners,
        read_owners,
        registry=registry,
        token=gateway_token,
        shards=settings.provided.fleet.shards,
        monotonic=monotonic,
    )
    shard_client = providers.ThreadSafeSingleton(
        ShardClient, owners, ca=settings.provided.gateway.ca
    )
    run_lock = providers.ThreadSafeSingleton(
        RunLock,
        settings.provided.run_lock_file,
        providers.Factory(DatabaseClaim, engine),
    )
    file_lease = providers.ThreadSafeSingleton(
        FileLease,
        of=settings.provided.shard.title,
        lock=run_lock,
        lock_file=settings.provided.run_lock_file,
        engine=engine,
        store=store,
        address=endpoint.provided.address,
        shutdown=shutdown,
        log_once=log_once,
        clock=clock,
        boottime=boottime,
        monotonic=monotonic,
    )
    server_lease = providers.ThreadSafeSingleton(
        ServerLease,
        of=settings.provided.shard.title,
        engine=providers.Factory(make_engine, settings.provided.database_url),
        store=store,
        address=endpoint.provided.address,
        shutdown=shutdown,
        log_once=log_once,
        clock=clock,
        boottime=boottime,
    )
    keeper_store = providers.ThreadSafeSingleton(
        KeeperStore, registry, shards=settings.provided.fleet.shards
    )
    keeper_engine = providers.Factory(make_engine, settings.provided.registry_url)
    keeper_lease = providers.Selector(
        settings.provided.owners_kind,
        file=providers.ThreadSafeSingleton(
            FileLease,
            of=CLUSTER,
            lock=providers.Factory(
                RunLock,
                settings.provided.keeper_lock_file,
                providers.Factory(DatabaseClaim, keeper_engine),
            ),
            lock_file=settings.provided.keeper_lock_file,
            engine=keeper_engine,
            store=keeper_store,
            address=str,
            shutdown=shutdown,
            log_once=log_once,
            clock=clock,
            boottime=boottime,
            monotonic=monotonic,
        ),
        server=providers.ThreadSafeSingleton(
            ServerLease,
            of=CLUSTER,
            engine=keeper_engine,
            store=keeper_store,
            address=str,
            shutdown=shutdown,
            log_once=log_once,
            clock=clock,
            boottime=boottime,
        ),
    )
    owner = providers.Selector(
        settings.provided.owner_kind,
        run_lock=run_lock,
        file_lease=file_lease,
        server_lease=server_lease,
    )
    fence = providers.Selector(
        settings.provided.owner_kind,
        run_lock=providers.Object(NO_FENCE),
        file_lease=file_lease,
        server_lease=server_lease,
    )
    database = providers.ThreadSafeSingleton(Database, engine, store=store, fence=fence)
    descriptors = providers.ThreadSafeSingleton(Descriptors)
    notifier = providers.ThreadSafeSingleton(
        SystemdNotifier,
        notify_socket=settings.provided.notify_socket,
        watchdog_s=settings.provided.systemd_watchdog_s,
    )
    fan_out = providers.ThreadSafeSingleton(
        FanOut,
        max_workers=settings.provided.vtn.max_connections,
        shutdown=shutdown,
    )
    tracing = providers.Selector(
        settings.provided.tracing_kind,
        otlp=providers.ThreadSafeSingleton(
            OtlpTracing,
            endpoint=settings.provided.otel_exporter_otlp_endpoint.get_secret_value.call(),
        ),
        none=providers.ThreadSafeSingleton(NoTracing),
    )
