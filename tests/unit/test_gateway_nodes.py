"""What the gateway tells of the nodes of a cluster, on its page and to Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from app.cluster.engine.record import NodeSeen, Seen, ShardSeen
from app.cluster.gateway.metrics import of_cluster
from app.cluster.gateway.nodes import Nodes
from app.platform import DatabaseError, LogOnce

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SEEN = Seen(
    keeper="alpha:1",
    nodes=[
        NodeSeen("alpha:10", "192.0.2.1", cpus=4, is_ours=True, has_gateway=True),
        NodeSeen("beta:20", "192.0.2.2", cpus=2, is_ours=True, has_gateway=False),
    ],
    shards=[
        ShardSeen(0, "alpha:10", restarts=2, owned_by="alpha:11"),
        ShardSeen(1, "alpha:10", restarts=1, owned_by="alpha:12"),
        ShardSeen(2, None, restarts=0, owned_by=None),
    ],
    supervisors=4,
    at=NOW - timedelta(seconds=3),
)


def of(seen: Callable[[], Seen | None]) -> Nodes:
    return Nodes(seen, clock=lambda: NOW, log_once=LogOnce())


def test_a_row_has_the_shards_of_its_node() -> None:
    rows = of(lambda: SEEN)()

    assert [(row.name, row.shards, row.restarts) for row in rows] == [
        ("alpha:10", [0, 1], 3),
        ("beta:20", [], 0),
    ]


def test_there_are_none_without_a_cluster(caplog: pytest.LogCaptureFixture) -> None:
    assert of(lambda: None)() == ()
    assert caplog.text == ""


def test_what_was_seen_long_ago_is_not_shown_and_said_to_be_old(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nodes = of(lambda: SEEN._replace(at=NOW - timedelta(minutes=2)))

    assert nodes() == ()
    assert nodes.seen() is not None
    assert [record.message for record in caplog.records] == [
        "the keeper of the cluster has not looked since 11:58:00 UTC"
    ]


def test_a_database_that_does_not_answer_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def away() -> Seen:
        raise DatabaseError("database X: gone")

    assert of(away)() == ()
    assert "the nodes of the cluster are not known: database X: gone" in caplog.text


def test_prometheus_hears_when_the_keeper_looked_and_how_often_shards_began_again() -> None:
    class Told(Collector):
        def collect(self) -> Iterator[Metric]:
            return of_cluster(SEEN)

    registry = CollectorRegistry()
    registry.register(Told())

    value = registry.get_sample_value
    assert value("ven_cluster_seen_timestamp_seconds") == SEEN.at.timestamp()
    assert value("ven_cluster_nodes") == 2
    restarts = [value("ven_shard_restarts_total", {"shard": str(number)}) for number in range(3)]
    assert restarts == [2, 1, 0]
