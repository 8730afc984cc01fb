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
from app.cluster.engine import (
    ALL_KEEPERS,
    GATEWAY,
    KEEPER,
    SHARD,
    EngineError,
    NewHeadError,
    Rounds,
)
from app.observability import configure_logging
from app.platform import DatabaseError, Shard
from containers import Container

logger = logging.getLogger(__name__)
LOOKS_EVERY_S = 0.5
ROUND_WITHIN_S = 60.0


@contextmanager
def opened_cluster() -> Iterator[ClusterTools]:
    """The cluster, seen from this machine."""
    with report_expected_errors():
        container = make_container()
        settings = container.settings()
        configure_logging(level=settings.log.level, format_=settings.log.format)
        cluster = container.cluster

        def run_node(head: str | None, port: int) -> None:
            stop_on_signals(container.platform.shutdown())
            cluster.node().run(head, port=port)

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
    kind, _, rest = name.partition("-")
    if name == ALL_KEEPERS:
        make_engine = container.cluster.make_engine()
        make_engine(head=head, on_connect=lambda: None).start_keepers()
        return
    difference = container.cluster.membership().difference()
    if difference is not None:
        logger.warning("%s; until then this process is not like the others", difference)
    if kind == SHARD:
        settings = container.settings()
        shard = Shard(int(rest), settings.fleet.shards)
        run_application(make_shard(settings.of_shard(shard)), once=False)
    elif kind == GATEWAY:
        serve_gateway(container)
    elif kind == KEEPER:
        _keep(container, head)


def _keep(container: Container, head: str) -> None:
    """Wait until no other keeper looks after the shards, and do so until this process is told to
    stop."""
    shutdown, lease = container.platform.shutdown(), container.platform.keeper_lease()
    stop_on_signals(shutdown)
    make_engine, make_keeper = container.cluster.make_engine(), container.cluster.make_keeper()
    engine = make_engine(head=head, on_connect=partial(stop_on_signals, shutdown))
    keeper = make_keeper(engine=engine, is_leader=lease.is_certain)
    log_once = container.platform.log_once()
    lease.acquire()
    code = 0
    rounds = Rounds(_give_up, within_s=ROUND_WITHIN_S, monotonic=container.platform.monotonic())
    rounds.start()
    while not shutdown.wait(LOOKS_EVERY_S):
        rounds.begin()
        if (lost := lease.lost()) is not None:
            logger.error("%s; this keeper ends", lost)
            code = 1
            break
        if not lease.is_certain():
            continue
        problem = None
        try:
            keeper()
        except NewHeadError as error:
            logger.info("%s; this keeper begins anew", error)
            code = 1
            break
        except (EngineError, DatabaseError, OSError) as error:
            problem = str(error)
        log_once.problem(
            logger, "the cluster", problem, recovered="what the cluster has is known again"
        )
    lease.release()
    leave(code)


def _give_up() -> None:
    logger.error("Ray has not answered for %.0f s; this keeper begins anew", ROUND_WITHIN_S)
    leave(1)
