"""The wiring of what keeps shards running."""

from __future__ import annotations

from functools import partial

from dependency_injector import containers, providers

from app.cluster.engine.background import Background
from app.cluster.engine.keeper import Keeper
from app.cluster.engine.keeping import Keeping
from app.cluster.engine.membership import Membership
from app.cluster.engine.node import ClusterNode
from app.cluster.engine.ray_engine import RayEngine
from app.cluster.engine.record import ClusterRecord
from app.platform import Registry, process_name


class EngineContainer(containers.DeclarativeContainer):
    """The cluster, seen from this machine."""

    platform = providers.DependenciesContainer()

    record = providers.ThreadSafeSingleton(
        ClusterRecord, providers.Factory(Registry, platform.keeper_engine)
    )
    membership = providers.ThreadSafeSingleton(
        Membership,
        shards=platform.settings.provided.fleet.shards,
        host=platform.settings.provided.gateway.host,
        kind=platform.settings.provided.owners_kind,
        has_token=platform.settings.provided.gateway.has_token,
        token=platform.gateway_token,
        digests=platform.settings.provided.digests,
        registry=platform.registry,
        record=record,
    )
    node = providers.ThreadSafeSingleton(
        ClusterNode,
        directory=platform.settings.provided.cluster_dir,
        membership=membership,
        record=record,
        shutdown=platform.shutdown,
        notifier=platform.notifier,
        log_once=platform.log_once,
        clock=platform.clock,
        monotonic=platform.monotonic,
    )
    background = providers.ThreadSafeSingleton(
        Background,
        lock_file=node.provided.lock_file,
        log_file=node.provided.log_file,
        record=record,
        monotonic=platform.monotonic,
    )
    make_ray_engine = providers.Factory(partial, RayEngine, resource=membership.provided.resource)
    """Makes the one of a head."""
    make_keeper = providers.Factory(
        partial,
        Keeper,
        shards=platform.settings.provided.fleet.shards,
        read_owners=platform.read_owners,
        record=record,
        is_leader=platform.keeper_lease.provided.is_certain,
        log_once=platform.log_once,
        process=providers.Factory(process_name),
        clock=platform.clock,
        monotonic=platform.monotonic,
    )
    """Makes the one of an engine."""
    keeping = providers.ThreadSafeSingleton(
        Keeping,
        lease=platform.keeper_lease,
        shutdown=platform.shutdown,
        log_once=platform.log_once,
    )
