"""What Prometheus reads at the gateway: the metrics of all shards, each with its number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.cluster.gateway.nodes import Nodes, SeenCluster
from app.intake import IntakeStats, SourcesError, SourcesFile
from app.platform import PAGE, Answer, ShardClient

WITHIN_S = 3.0
"""Who asks does not wait for one that hangs."""
OK = 200
GATEWAY = "gateway"
"""In the place of a shard's number, of what the gateway itself counts."""


class GatewayMetrics:
    """Asks all shards at once when it is asked. Safe for several threads."""

    def __init__(
        self, client: ShardClient, *, nodes: Nodes, sources: SourcesFile, stats: IntakeStats
    ) -> None:
        self._client = client
        self._nodes = nodes
        self._sources = sources
        self._stats = stats

    def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their media type, as the Accept header wants them."""
        from prometheus_client.exposition import choose_encoder

        encode, media_type = choose_encoder(accept)
        return encode(self), media_type  # which asks for nothing but `collect`

    def collect(self) -> Iterator[Any]:
        """All of them, as the client library wants them."""
        from prometheus_client.core import GaugeMetricFamily, Metric
        from prometheus_client.parser import text_string_to_metric_families

        owners = self._client.owners.all()
        answers = self._client.each(PAGE, "/metrics", within_s=WITHIN_S)
        up = GaugeMetricFamily(
            "ven_shard_up", "1: the owner of the shard answers.", labels=["shard"]
        )
        epoch = GaugeMetricFamily(
            "ven_shard_epoch", "It rises with each owner of the shard.", labels=["shard"]
        )
        families: dict[str, Metric] = {}
        for number, (owner, answer) in enumerate(zip(owners, answers, strict=True)):
            is_up = isinstance(answer, Answer) and answer.status == OK
            up.add_metric([str(number)], is_up)
            if owner is not None:
                epoch.add_metric([str(number)], owner.epoch)
            if isinstance(answer, Answer) and is_up:
                for family in text_string_to_metric_families(answer.body.decode()):
                    _add(families, family, str(number))
        for family in self._own():
            _add(families, family, GATEWAY)
        yield up
        yield epoch
        if (seen := self._nodes.seen()) is not None:
            yield from of_cluster(seen)
        yield from families.values()

    def _own(self) -> Iterator[Any]:
        """Of the process, and of what was refused before it came to a shard."""
        from prometheus_client import CollectorRegistry, ProcessCollector
        from prometheus_client.core import CounterMetricFamily

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        yield from registry.collect()
        yield CounterMetricFamily("ven_intake_without_token", "", value=self._stats.without_token)
        refused = CounterMetricFamily("ven_source_refused", "", labels=["source"])
        try:
            names = list(self._sources.all())
        except SourcesError:
            names = []  # it is said where the file is read
        for name in names:
            refused.add_metric([name], self._stats.of(name).refused)
        yield refused


def of_cluster(seen: SeenCluster) -> Iterator[Any]:
    """What its keeper saw last."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    yield GaugeMetricFamily(
        "ven_cluster_seen_timestamp_seconds",
        "When the keeper of the cluster last looked, in seconds since 1970.",
        value=seen.at.timestamp(),
    )
    yield GaugeMetricFamily("ven_cluster_nodes", "Nodes that it saw.", value=len(seen.nodes))
    restarts = CounterMetricFamily(
        "ven_shard_restarts",
        "How often the process of a shard was begun again, since the cluster began.",
        labels=["shard"],
    )
    for shard in seen.shards:
        restarts.add_metric([str(shard.number)], shard.restarts)
    yield restarts


def _add(families: dict[str, Any], family: Any, shard: str) -> None:
    """The samples of one shard, beside those of others."""
    from prometheus_client.core import Metric

    made = families.setdefault(
        family.name, Metric(family.name, family.documentation, family.type, family.unit)
    )
    made.documentation = made.documentation or family.documentation
    for sample in family.samples:
        made.samples.append(sample._replace(labels={**sample.labels, "shard": shard}))
