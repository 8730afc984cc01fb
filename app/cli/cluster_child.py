"""What supervisors run, and the node of a machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from app.cli.cluster import ClusterTools
from app.cli.failures import report_expected_errors
from app.cli.gateway import serve_gateway
from app.cli.opened import make_container, make_shard
from app.cli.run import run_application
from app.cli.signals import leave, stop_on_signals
from app.cluster.engine import ALL_KEEPERS, Rounds, is_gateway, shard_number
from app.observability import configure_logging
from app.platform import Shard
from containers import Container

logger = logging.getLogger(__name__)
ROUND_WITHIN_S = 30.0


@contextmanager
def opened_cluster() -> Iterator[ClusterTools]:
    """The cluster, seen from this machine."""
    with report_expected_errors():
        container = make_container()
        settings = container.settings()
        configure_logging(level=settings.log.level, format_=settings.log.format)
        cluster = container.cluster

        def run_node(address: str | None, port: int, is_new: bool) -> None:
            stop_on_signals(container.platform.shutdown())
            cluster.node().run(address, port=port, is_new=is_new)

        yield ClusterTools(
            background=cluster.background(),
            membership=cluster.membership(),
            record=cluster.record(),
            owners=container.platform.owners(),
            clock=container.platform.clock(),
            run_node=run_node,
            run_child=partial(_run_child, container),
        )


def _run_child(container: Container, name: str, head: str) -> None:
    if name == ALL_KEEPERS:
        make_engine = container.cluster.make_ray_engine()
        make_engine(head=head, on_connect=lambda: None).start_keepers()
        return
    difference = container.cluster.membership().difference()
    if difference is not None:
        logger.warning("%s; until then this process is not like the others", difference)
    if (number := shard_number(name)) is not None:
        settings = container.settings()
        shard = Shard(number, settings.fleet.shards)
        run_application(make_shard(settings.of_shard(shard)), once=False)
    elif is_gateway(name):
        serve_gateway(container)
    else:
        _keep(container, head)


def _keep(container: Container, head: str) -> None:
    """Look after the shards, or wait until no other keeper does."""
    shutdown = container.platform.shutdown()
    stop_on_signals(shutdown)
    make_engine, make_keeper = container.cluster.make_ray_engine(), container.cluster.make_keeper()
    engine = make_engine(head=head, on_connect=partial(stop_on_signals, shutdown))
    rounds = Rounds(_give_up, within_s=ROUND_WITHIN_S, monotonic=container.platform.monotonic())
    is_done = container.cluster.keeping().run(make_keeper(engine=engine), rounds)
    leave(0 if is_done else 1)


def _give_up() -> None:
    logger.error("Ray has not answered for %.0f s; this keeper begins anew", ROUND_WITHIN_S)
    leave(1)
