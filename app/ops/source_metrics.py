"""What Prometheus reads of the sources of measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.intake import SourceStatus

COUNTED = {
    "taken": "Measurements of a source that were taken.",
    "repeated": "Measurements of a source that were there already.",
    "corrected": "Measurements of a source that replaced another value.",
    "late": "Measurements of a source that came too late.",
    "refused": "Measurements of a source that were refused.",
    "ignored": "Messages and lines of a source that say nothing of what is asked for.",
    "dropped": "Messages of a source without a time of their own, for which there was no room.",
    "differing": "Told intervals whose energy, registers and power differ by more than 5 %.",
    "left_out": "Told intervals of a register of which wrong values were left out.",
}


def of_sources(statuses: Sequence[SourceStatus], without_token: int) -> Iterator[Any]:
    """A sample for each source; and of requests that were not let in."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    yield CounterMetricFamily(
        "ven_intake_without_token",
        "Requests to INTAKE__PORT without the token of a source.",
        value=without_token,
    )

    for key, words in COUNTED.items():
        counter = CounterMetricFamily(f"ven_source_{key}", words, labels=["source"])
        for status in statuses:
            counter.add_metric([status.source.name], getattr(status.counts, key))
        yield counter
    newest = GaugeMetricFamily(
        "ven_source_newest_timestamp_seconds",
        "The end of the newest measurement of a source, in seconds since 1970.",
        labels=["source"],
    )
    stale = GaugeMetricFamily(
        "ven_source_stale_resources",
        "Resources of a live source without a measurement within its max_age.",
        labels=["source"],
    )
    unknown = GaugeMetricFamily(
        "ven_source_unknown_devices",
        "Devices that a source tells of and no resource has.",
        labels=["source"],
    )
    away = GaugeMetricFamily(
        "ven_source_away",
        "Whether there is no connection to the broker of a source.",
        labels=["source"],
    )
    for status in statuses:
        name = status.source.name
        away.add_metric([name], status.counts.away is not None)
        if status.newest is not None:
            newest.add_metric([name], status.newest.timestamp())
        stale.add_metric([name], len(status.stale))
        unknown.add_metric([name], status.unknown)
    yield newest
    yield stale
    yield unknown
    yield away
