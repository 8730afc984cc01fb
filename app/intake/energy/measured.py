"""Reads what was measured of resources, and says what it comes to in spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import numpy as np

from app.intake.energy.resource import MeterLimits, ResourceSeries
from app.intake.measurement import DAY_US, HOUR_US, Quantity, in_us
from app.intake.meters import Metered
from app.intake.sources import FORMER_SOURCE, Source, Sources
from app.intake.store import (
    NO_ROWS,
    ChangedSeries,
    KnownSeries,
    MeasurementLog,
    Rows,
    SeriesName,
    Spans,
)

AT_ONCE = 250
"""Resources that are read at a time."""
REGISTER_MARGINS_US = (6 * HOUR_US, 3 * DAY_US)
"""Before and after a span, in which values of its registers are looked for first."""
MIN_BEFORE = 4
"""Values of a register before a span: a glitch or a spike is known by those around it."""


class ReadsSources(Protocol):
    """Knows the sources."""

    def all(self) -> Sources: ...


class MeasuredEnergy:
    """Reads the log of measurements. Safe for several threads.

    `keep`: a direction or a channel of which nothing came for so long does not count any more.
    """

    def __init__(self, *, log: MeasurementLog, sources: ReadsSources, keep: timedelta) -> None:
        self._log = log
        self._sources = sources
        self._keep_us = in_us(keep)
        self._limits: dict[Metered, MeterLimits] = {}
        self._limits_of: Sources | None = None
        """The sources by which these limits are, until the file of sources is read again."""

    def series(
        self, resources: Sequence[Metered], start_us: int, end_us: int
    ) -> Iterator[tuple[Metered, ResourceSeries]]:
        """Of each of these resources what a span between two instants needs."""
        for at in range(0, len(resources), AT_ONCE):
            some = resources[at : at + AT_ONCE]
            rows = self._rows(some, start_us, end_us)
            for metered in some:
                yield (
                    metered,
                    ResourceSeries(
                        rows.get((metered.ven_name, metered.resource_name), {}),
                        self.limits(metered),
                    ),
                )

    def source_of(self, metered: Metered) -> Source:
        """Where its measurements come from."""
        return self._sources.all().get(metered.source, FORMER_SOURCE)

    def limits(self, metered: Metered) -> MeterLimits:
        """What is known of a resource and its meter beforehand."""
        sources = self._sources.all()
        if sources is not self._limits_of:
            self._limits, self._limits_of = {}, sources
        known = self._limits.get(metered)
        if known is None:
            known = self._limits[metered] = _limits(metered, self.source_of(metered))
        return known

    def affected_span(self, metered: Metered, changed: ChangedSeries) -> tuple[int, int]:
        """What changes by what came: what lies between two values belongs to both of them."""
        first_us, last_us = changed.first_us, changed.last_us
        if changed.name.quantity not in (Quantity.REGISTER, Quantity.POWER):
            return first_us, last_us
        series = {changed.number: changed.name}
        rows = self.rows(metered, series, first_us, last_us)[changed.name]
        before = rows["start"][rows["start"] < first_us]
        behind = rows["start"][rows["start"] > last_us]
        # A value that was left out may count by what came, and those around it with it.
        return (
            int(before[-min(len(before), MIN_BEFORE)]) if len(before) else first_us,
            int(behind[min(len(behind), MIN_BEFORE) - 1]) if len(behind) else last_us,
        )

    def known_series(self, metered: Sequence[Metered]) -> list[list[KnownSeries]]:
        """The series of each of these resources."""
        keys = [(each.ven_name, each.resource_name) for each in metered]
        found: dict[tuple[str, str], list[KnownSeries]] = {key: [] for key in keys}
        for known in self._log.series_of(keys):
            found[known.name[:2]].append(known)
        return [found[key] for key in keys]

    def rows(
        self, metered: Metered, series: Mapping[int, SeriesName], start_us: int, end_us: int
    ) -> dict[SeriesName, Rows]:
        """Of some series of a resource, what a span between two instants needs, by series."""
        rows = self._around(dict.fromkeys(series, metered), series, start_us, end_us)
        return {name: rows.get(number, NO_ROWS) for number, name in series.items()}

    def _rows(
        self, resources: Sequence[Metered], start_us: int, end_us: int
    ) -> dict[tuple[str, str], dict[SeriesName, Rows]]:
        """By resource and series, those that have anything since KEEP before the span."""
        metered: dict[int, Metered] = {}
        names: dict[int, SeriesName] = {}
        for each, series in zip(resources, self.known_series(resources), strict=True):
            for known in series:
                if known.newest_us >= start_us - self._keep_us:
                    metered[known.number], names[known.number] = each, known.name
        rows = self._around(metered, names, start_us, end_us)
        found: dict[tuple[str, str], dict[SeriesName, Rows]] = {}
        for number, name in names.items():
            found.setdefault(name[:2], {})[name] = rows.get(number, NO_ROWS)
        return found

    def _around(
        self,
        metered: Mapping[int, Metered],
        names: Mapping[int, SeriesName],
        start_us: int,
        end_us: int,
    ) -> dict[int, Rows]:
        """By series: of a register, with values before and after the span."""
        registers = {number for number, name in names.items() if name.quantity == Quantity.REGISTER}
        margins = {
            number: REGISTER_MARGINS_US[0]
            if number in registers
            else self.limits(metered[number]).max_age_us
            for number in names
        }
        rows = self._read(margins, start_us, end_us)
        for margin_us in (*REGISTER_MARGINS_US[1:], self._keep_us):
            wider = {
                number: margin_us
                for number in registers
                if _needs_more(rows.get(number, NO_ROWS), start_us, end_us)
            }
            rows |= self._read(wider, start_us, end_us)
        return rows

    def _read(self, margins: Mapping[int, int], start_us: int, end_us: int) -> dict[int, Rows]:
        """`margins`: by series, how long before and after the span."""
        if not margins:
            return {}
        numbers = sorted(margins)
        margin = np.array([margins[number] for number in numbers], dtype=np.int64)
        return self._log.read_many(
            Spans(np.array(numbers, dtype=np.int64), start_us - margin, end_us + margin + 1)
        )


def _limits(metered: Metered, source: Source) -> MeterLimits:
    rated_kw = max(abs(metered.power_min_kw), abs(metered.power_max_kw))
    import_kw = max(metered.power_max_kw, 0.0) or rated_kw
    export_kw = max(-metered.power_min_kw, 0.0) or rated_kw
    return MeterLimits(
        max_age_us=in_us(source.max_age),
        import_kw=import_kw or None,
        export_kw=export_kw or None,
        register_size_kwh=source.register_size_kwh,
    )


def _needs_more(rows: Rows, start_us: int, end_us: int) -> bool:
    """Whether the values of a register may not tell what it counted in the span."""
    return (
        int((rows["start"] <= start_us).sum()) < MIN_BEFORE
        or not len(rows)
        or (int(rows["start"][-1]) < end_us)
    )
