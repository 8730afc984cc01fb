"""What Prometheus reads at /metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from app.actuation import OrdersOverview
from app.intake import SourceStatuses
from app.metering import MeterDataSimulator, PowerHistory
from app.observability import Histogram
from app.openadr import VtnHttp
from app.ops.health import Health, Readiness
from app.ops.order_metrics import of_orders
from app.ops.source_metrics import of_sources
from app.reporting.delivery import DeliveryStats
from app.scheduling import TaskScheduler

OK = frozenset({"200", "201", "202", "204"})


class Metrics:
    """Reads the parts when it is asked; none of them knows it.

    The client library is imported when it is first asked, and nothing of it is global.
    """

    def __init__(
        self,
        *,
        scheduler: TaskScheduler,
        simulator: MeterDataSimulator,
        power: PowerHistory,
        delivery_stats: DeliveryStats,
        health: Health,
        http: VtnHttp,
        sources: SourceStatuses,
        orders: OrdersOverview,
    ) -> None:
        self._sources = sources
        self._orders = orders
        self._scheduler = scheduler
        self._simulator = simulator
        self._power = power
        self._delivery_stats = delivery_stats
        self._health = health
        self._http = http
        self._registry: Any = None

    def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their media type, as the Accept header wants them."""
        from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
        from prometheus_client.exposition import choose_encoder

        if self._registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            registry.register(self)
            self._registry = registry
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def describe(self) -> Iterable[Any]:
        """Nothing is to be asked when it is registered."""
        return ()

    def collect(self) -> Iterator[Any]:
        """All of them, as the client library wants them."""
        yield from self._of_tasks()
        yield from self._of_readings()
        yield from self._of_the_vtn()

    def _of_tasks(self) -> Iterator[Any]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        names = [job.name for job in self._scheduler.get_jobs()]
        infos = [self._scheduler.get_job_info(name) for name in names]
        for key, words in (
            ("runs", "Runs that ended, well or not."),
            ("failures", "Runs that ended with an error."),
            ("skipped", "Starts that fell due while the last run was still going."),
            ("missed", "Starts that were merged into a later run."),
        ):
            counter = CounterMetricFamily(f"ven_task_{key}", words, labels=["task"])
            for info in infos:
                counter.add_metric([info["name"]], info[key])  # type: ignore[literal-required]
            yield counter
        lateness = GaugeMetricFamily(
            "ven_task_lateness_seconds",
            "How late the last start was, against its plan.",
            labels=["task"],
        )
        paused = GaugeMetricFamily("ven_task_paused", "1: somebody paused it.", labels=["task"])
        for info in infos:
            if info["lateness_s"] is not None:
                lateness.add_metric([info["name"]], info["lateness_s"])
            paused.add_metric([info["name"]], info["paused"])
        yield lateness
        yield paused
        durations = HistogramMetricFamily(
            "ven_task_duration_seconds", "How long runs took.", labels=["task"]
        )
        for name in names:
            buckets, total = _buckets(self._scheduler.durations_s(name))
            durations.add_metric([name], buckets, total)
        yield durations

    def _of_readings(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        yield CounterMetricFamily(
            "ven_readings_taken",
            "Readings that were taken and stored.",
            value=self._simulator.readings_taken,
        )
        yield CounterMetricFamily(
            "ven_readings_delivered",
            "Readings that the VTN acknowledged.",
            value=self._delivery_stats.readings,
        )
        yield CounterMetricFamily(
            "ven_reports_delivered",
            "Reports that the VTN acknowledged.",
            value=self._delivery_stats.reports,
        )
        readiness = self._health.readiness()
        yield GaugeMetricFamily("ven_ready", "1: /readyz answers 200.", value=readiness.ready)
        if readiness.counts_known:
            yield from _owed(readiness)
            yield from of_sources(self._sources.all(), self._sources.without_token)
            yield from of_orders(self._orders)
        power = GaugeMetricFamily(
            "ven_power_kilowatts",
            "Power of all resources of a kind; negative: they export.",
            labels=["kind"],
        )
        for kind, power_kw in self._newest_power():
            power.add_metric([kind], power_kw)
        yield power

    def _newest_power(self) -> Iterator[tuple[str, float]]:
        points = self._power.points()
        if points:
            yield from ((kind.value, kw) for kind, kw in points[-1].by_kind_kw.items())

    def _of_the_vtn(self) -> Iterator[Any]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        http = self._http
        yield GaugeMetricFamily(
            "ven_vtn_up",
            "1: the VTN answers; 0: it counts as down.",
            value=not http.circuit.is_open,
        )
        yield CounterMetricFamily(
            "ven_vtn_outages", "How often it began to count as down.", value=http.circuit.outages
        )
        requests = CounterMetricFamily(
            "ven_vtn_requests",
            "Requests, by method and outcome: a status, 'broken' or 'unreachable'.",
            labels=["method", "outcome"],
        )
        errors = CounterMetricFamily(
            "ven_vtn_errors", "Requests that did not succeed, by outcome.", labels=["outcome"]
        )
        failed: dict[str, int] = {}
        for (method, outcome), count in sorted(http.request_stats.outcomes().items()):
            requests.add_metric([method, outcome], count)
            if outcome not in OK:
                failed[outcome] = failed.get(outcome, 0) + count
        for outcome, count in failed.items():
            errors.add_metric([outcome], count)
        yield requests
        yield errors
        latency = HistogramMetricFamily(
            "ven_vtn_latency_seconds", "How long the VTN took to answer."
        )
        buckets, total = _buckets(http.request_stats.latency_s)
        latency.add_metric([], buckets, total)
        yield latency


def _owed(found: Readiness) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    yield GaugeMetricFamily(
        "ven_readings_waiting", "Readings owed and not acknowledged.", value=found.waiting
    )
    yield GaugeMetricFamily(
        "ven_reports_set_aside",
        "Reports that the VTN refused, and that wait for a decision.",
        value=found.set_aside,
    )
    lost = CounterMetricFamily(
        "ven_readings_given_up",
        "Readings that will never be reported: no event asked in time, or they were dropped.",
        labels=["why"],
    )
    lost.add_metric(["expired"], found.expired_readings)
    lost.add_metric(["dropped"], found.dropped_readings)
    yield lost
    yield GaugeMetricFamily(
        "ven_store_used_ratio", "Share of STORE__MAX_BYTES that is used.", value=found.store_share
    )


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    counts, total = histogram.read()
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, map(float, counts), strict=True)), total
