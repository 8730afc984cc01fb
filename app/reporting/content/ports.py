"""What this room needs to know of real meters."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from app.intake import (
    Anomaly,
    Arrivals,
    Arrived,
    KnownSeries,
    Metered,
    MeterLimits,
    ResourceSeries,
    Rows,
    SeriesName,
    Source,
)
from app.reporting.content.readings import Int64


@runtime_checkable
class ReadsArrivals(Protocol):
    """Measurements in the order in which they came."""

    def newest_seq(self) -> int: ...

    def since(self, after: int, *, most_rows: int) -> Arrivals: ...

    def of_import(self, arrived: Arrived, series: Int64) -> Rows: ...


@runtime_checkable
class ReadsMeasurements(Protocol):
    """What is known of resources, by time."""

    def source_of(self, metered: Metered) -> Source: ...

    def limits(self, metered: Metered) -> MeterLimits: ...

    def known_series(self, metered: Sequence[Metered]) -> list[list[KnownSeries]]: ...

    def series(
        self, resources: Sequence[Metered], start_us: int, end_us: int
    ) -> Iterator[tuple[Metered, ResourceSeries]]: ...

    def rows(
        self, metered: Metered, series: Mapping[int, SeriesName], start_us: int, end_us: int
    ) -> Mapping[SeriesName, Rows]: ...


@runtime_checkable
class LogsAnomalies(Protocol):
    """Is told what is implausible about what is told."""

    def told(self, metered: Metered, anomalies: Collection[Anomaly]) -> None: ...
