"""What interval reports say of real meters, and whether there is more to wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta

from app.control import Span
from app.intake import HOUR_US, Anomaly, Metered, Quality, ResourceSeries
from app.intake import Quantity as Measured
from app.platform import to_us
from app.reporting.content.instant import MISSING
from app.reporting.content.ports import LogsAnomalies, ReadsArrivals, ReadsMeasurements
from app.reporting.requests import Quantity, ReportRequest

MIN_MEASURED_SHARE = 0.9
"""Of a span; the rest is estimated from it. Of less, nothing is told."""
Cell = tuple[object, str]
"""A value, None where there is none, and its DATA_QUALITY."""
NO_VALUE: Cell = (None, MISSING)
_LAST: Mapping[Quantity, Sequence[Measured]] = {
    Quantity.INSTANT_POWER: (Measured.POWER,),
    Quantity.REGISTER: (Measured.REGISTER,),
    Quantity.CHARGE_LEVEL: (Measured.CHARGE_LEVEL, Measured.STORED),
}
"""What is told of the last instant of an interval, and of what."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a report asks of real meters."""

    request: ReportRequest
    spans: Sequence[Span]
    metered: Sequence[Metered]


@dataclass(frozen=True, kw_only=True)
class MeteredCells:
    """What is known of it."""

    cells: Mapping[str, Sequence[Cell]]
    """By resource, one for each span."""
    wait: timedelta | None
    """How long after the last span more may come; None: all is there."""
    anomalies: Mapping[Metered, Set[Anomaly]]
    """What is implausible about what was measured."""


class MeteredIntervals:
    """Reads what real meters measured in the intervals of reports. Safe for several threads."""

    def __init__(
        self,
        *,
        energy: ReadsMeasurements,
        arrivals: ReadsArrivals,
        anomalies: LogsAnomalies,
    ) -> None:
        self._anomalies = anomalies
        self._energy = energy
        self._arrivals = arrivals

    def newest_seq(self) -> int:
        """The number of what came last."""
        return self._arrivals.newest_seq()

    def told(self, cells: MeteredCells) -> None:
        """These are told: what is implausible about them is said."""
        for metered, anomalies in cells.anomalies.items():
            self._anomalies.told(metered, anomalies)

    def longest_late(self, metered: Sequence[Metered]) -> timedelta:
        """How late what is measured of any of these may come."""
        return max((self._energy.source_of(each).late for each in metered), default=timedelta(0))

    def cells(self, asked: Sequence[Asked]) -> list[MeteredCells]:
        """Of each of these reports; those about the same time are read together."""
        found: list[dict[str, list[Cell]]] = [{} for _ in asked]
        waits: list[list[timedelta]] = [[] for _ in asked]
        implausible: list[dict[Metered, Set[Anomaly]]] = [{} for _ in asked]
        by_time: dict[tuple[int, int], list[int]] = {}
        for number, each in enumerate(asked):
            start = min(start for start, _ in each.spans)
            end = max(end for _, end in each.spans)
            by_time.setdefault((to_us(start), to_us(end)), []).append(number)
        for (start_us, end_us), numbers in by_time.items():
            wanted: dict[Metered, list[int]] = {}
            for number in numbers:
                for metered in asked[number].metered:
                    wanted.setdefault(metered, []).append(number)
            for metered, series in self._energy.series(list(wanted), start_us, end_us):
                for number in wanted[metered]:
                    cells, is_complete = self._of(metered, series, asked[number])
                    found[number][metered.resource_name] = cells
                    if series.anomalies:
                        implausible[number][metered] = frozenset(series.anomalies)
                    if not is_complete:
                        waits[number].append(self._energy.source_of(metered).wait)
        return [
            MeteredCells(cells=cells, wait=max(wait, default=None), anomalies=anomalies)
            for cells, wait, anomalies in zip(found, waits, implausible, strict=True)
        ]

    def _of(
        self, metered: Metered, series: ResourceSeries, asked: Asked
    ) -> tuple[list[Cell], bool]:
        """Its cells, and whether all of them are complete."""
        of_span = _at_last if asked.request.quantity in _LAST else _energy
        cells = []
        is_complete = True
        for start, end in asked.spans:
            if start >= end:  # an interval of no length has no value
                cells.append(NO_VALUE)
                continue
            cell, is_known = of_span(asked.request, metered, series, to_us(start), to_us(end))
            cells.append(cell)
            is_complete = is_complete and is_known
        return cells, is_complete


def _energy(
    request: ReportRequest, metered: Metered, series: ResourceSeries, start_us: int, end_us: int
) -> tuple[Cell, bool]:
    """A value of a whole span."""
    del metered
    found = series.energy(start_us, end_us)
    quality = found.quality.name
    is_complete = found.is_complete
    if found.measured < MIN_MEASURED_SHARE and request.with_quality:
        found, quality = series.with_bad().energy(start_us, end_us), Quality.BAD.name
    if found.measured < MIN_MEASURED_SHARE:
        return NO_VALUE, is_complete
    value: float | None = found.kwh
    if request.quantity is Quantity.MEAN_POWER:
        value = found.kwh / ((end_us - start_us) / HOUR_US)
    elif request.quantity is Quantity.PEAK_POWER:
        value = series.peak_kw(start_us, end_us)
    return (NO_VALUE if value is None else (value, quality)), is_complete


def _at_last(
    request: ReportRequest, metered: Metered, series: ResourceSeries, start_us: int, end_us: int
) -> tuple[Cell, bool]:
    """The newest value of a span."""
    quantities = _LAST[request.quantity]
    is_complete = series.reaches(quantities, end_us)
    for known in (series, series.with_bad()) if request.with_quality else (series,):
        for quantity in quantities:
            found = known.last(quantity, start_us, end_us)
            value = None if found is None else _told(quantity, found[0], metered)
            if found is not None and value is not None:
                return (value, found[1].name), is_complete
    return NO_VALUE, is_complete


def _told(quantity: Measured, value: float, metered: Metered) -> float | None:
    """A state of charge is told as a share, from 0 to 1."""
    if quantity is Measured.CHARGE_LEVEL:
        return value / 100
    if quantity is Measured.STORED:
        room_kwh = metered.energy_max_kwh - metered.energy_min_kwh
        return (value - metered.energy_min_kwh) / room_kwh if room_kwh > 0 else None
    return value
