"""The wiring of this room."""

from __future__ import annotations

import time

from dependency_injector import containers, providers

from app.observability import NoTracing, OtlpTracing
from app.platform.database import Database, make_engine
from app.platform.descriptors import Descriptors
from app.platform.fanout import FanOut
from app.platform.log_once import LogOnce
from app.platform.ports import port
from app.platform.progress import no_bar
from app.platform.run_lock import RunLock
from app.platform.shutdown import Shutdown
from app.platform.systemd import SystemdNotifier
from app.platform.timestamps import utc_now


class PlatformContainer(containers.DeclarativeContainer):
    """Settings, clock, shutdown, database, run lock, threads, and traces."""

    settings = port()

    clock = providers.Object(utc_now)
    monotonic = providers.Object(time.monotonic)
    shutdown = providers.ThreadSafeSingleton(Shutdown)
    log_once = providers.ThreadSafeSingleton(LogOnce)
    bar = providers.Object(no_bar)
    engine = providers.ThreadSafeSingleton(make_engine, settings.provided.database_url)
    database = providers.ThreadSafeSingleton(Database, engine)
    descriptors = providers.ThreadSafeSingleton(Descriptors)
    run_lock = providers.ThreadSafeSingleton(RunLock, settings.provided.run_lock_file, database)
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
