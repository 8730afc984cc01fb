"""The wiring of the gateway."""

from __future__ import annotations

from functools import partial

from dependency_injector import containers, providers

from app.cluster.gateway.applications import make_callback_site, make_site
from app.cluster.gateway.gateway import Gateway
from app.cluster.gateway.metrics import GatewayMetrics
from app.cluster.gateway.nodes import Nodes
from app.cluster.gateway.overviews import Overviews
from app.ops import (
    MAX_REQUESTS,
    PROBES,
    GatewayPageServices,
    ThrottledValue,
    make_gateway_page,
)
from app.platform import AsgiServer, PeriodicThread

ASKED_EVERY_S = 1.0
LOOKS_EVERY_S = 2.0
"""To say in the log which shards are away."""


class GatewayContainer(containers.DeclarativeContainer):
    """Pages, metrics, readings and callbacks of all shards."""

    platform = providers.DependenciesContainer()
    intake = providers.DependenciesContainer()
    push = providers.DependenciesContainer()
    cluster = providers.DependenciesContainer()

    rows = providers.ThreadSafeSingleton(
        ThrottledValue,
        look=providers.Factory(Overviews, platform.shard_client, log_once=platform.log_once),
        every_s=ASKED_EVERY_S,
        rest=0.0,
        monotonic=platform.monotonic,
    )
    nodes = providers.ThreadSafeSingleton(
        Nodes,
        cluster.record.provided.seen,
        clock=platform.clock,
        log_once=platform.log_once,
    )
    metrics = providers.ThreadSafeSingleton(
        GatewayMetrics,
        platform.shard_client,
        nodes=nodes,
        sources=intake.sources,
        stats=intake.stats,
    )
    page_services = providers.ThreadSafeSingleton(
        GatewayPageServices,
        shards=platform.settings.provided.fleet.shards,
        rows=rows,
        nodes=providers.ThreadSafeSingleton(
            ThrottledValue,
            look=nodes,
            every_s=ASKED_EVERY_S,
            monotonic=platform.monotonic,
        ),
        clock=platform.clock,
    )
    gateway = providers.ThreadSafeSingleton(
        Gateway,
        shards=platform.settings.provided.fleet.shards,
        registry=platform.registry,
        sources=intake.sources,
        watch=providers.Factory(
            PeriodicThread,
            name="shards-watch",
            callbacks=providers.List(rows),
            every_s=LOOKS_EVERY_S,
            shutdown=platform.shutdown,
        ),
        client=platform.shard_client,
        intake=intake.gateway_server,
        page=providers.Factory(
            AsgiServer,
            host=platform.settings.provided.ops.host,
            port=platform.settings.provided.ops.port,
            name="page",
            max_requests=MAX_REQUESTS,
            always=PROBES,
        ),
        page_url=platform.settings.provided.ops.served_at,
        site=providers.Factory(
            partial,
            make_site,
            shards=platform.settings.provided.fleet.shards,
            rows=rows,
            metrics=metrics,
            client=platform.shard_client,
            is_local=platform.settings.provided.ops.is_local,
            make_page=providers.Factory(partial, make_gateway_page, page_services),
        ),
        names=platform.settings.provided.ops.host_names,
        callback=push.public_listener,
        callback_url=platform.settings.provided.callback.served_at,
        callback_site=providers.Factory(
            partial,
            make_callback_site,
            shards=platform.settings.provided.fleet.shards,
            client=platform.shard_client,
        ),
        notifier=platform.notifier,
    )
