"""Gives measurements back, and says where there are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from app.intake.measurement import DAY_US, Quality, Quantity, in_us
from app.intake.meters import Metered, Meters
from app.intake.sources import FORMER_SOURCE
from app.intake.sources_file import SourcesFile
from app.intake.store import MeasurementLog, Rows, SeriesName
from app.intake.units import UNIT_OF
from app.platform import from_us, to_us

WINDOW_US = 31 * DAY_US
"""That is read of one series at a time."""


class Gap(NamedTuple):
    """A time of which nothing is known of a resource."""

    ven_name: str
    resource_name: str
    start: datetime
    end: datetime

    def fields(self) -> dict[str, str]:
        """In the fields of `GET /readings/gaps`."""
        names = {"ven_name": self.ven_name, "resource_name": self.resource_name}
        return {**names, "start": _text(to_us(self.start)), "end": _text(to_us(self.end))}

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Gap:
        """As `fields` says it."""
        start, end = (datetime.fromisoformat(fields[name]) for name in ("start", "end"))
        return cls(fields["ven_name"], fields["resource_name"], start, end)


class Exports:
    """Reads the log of measurements. Safe for several threads."""

    def __init__(self, *, log: MeasurementLog, meters: Meters, sources: SourcesFile) -> None:
        self._log = log
        self._meters = meters
        self._sources = sources

    def measurements(
        self,
        start: datetime,
        end: datetime,
        *,
        ven_name: str | None = None,
        resource_name: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Each that touches this time, in the fields of `POST /readings`, series by series."""
        for number, name in sorted(self._log.series(), key=lambda each: each[1]):
            if ven_name not in (None, name.ven_name):
                continue
            if resource_name not in (None, name.resource_name):
                continue
            for rows in self._windows(number, to_us(start), to_us(end)):
                yield from _fields(name, rows)

    def gaps(
        self,
        start: datetime,
        end: datetime,
        *,
        ven_name: str | None = None,
        source: str | None = None,
    ) -> Iterator[Gap]:
        """Where nothing is known of resources that have a meter.

        An interval is known, and what follows an instant for `max_age` of its source.
        """
        series: dict[tuple[str, str], list[int]] = {}
        for number, name in self._log.series():
            series.setdefault((name.ven_name, name.resource_name), []).append(number)
        for max_age, metered in self._metered():
            if ven_name in (None, metered.ven_name) and source in (None, metered.source):
                own = series.get((metered.ven_name, metered.resource_name), [])
                yield from self._gaps_of(metered, own, max_age, to_us(start), to_us(end))

    def _metered(self) -> Iterator[tuple[timedelta, Metered]]:
        """Every resource with a meter, by name, with the `max_age` of its source."""
        sources = self._sources.all()
        for metered in self._meters.known().all():
            yield sources.get(metered.source, FORMER_SOURCE).max_age, metered

    def _gaps_of(
        self,
        metered: Metered,
        series: Iterable[int],
        max_age: timedelta,
        start_us: int,
        end_us: int,
    ) -> Iterator[Gap]:
        max_age_us = in_us(max_age)
        known: list[tuple[int, int]] = []
        for number in series:
            for rows in self._windows(number, start_us - max_age_us, end_us):
                is_instant = rows["end"] == rows["start"]
                ends = np.where(is_instant, rows["end"] + max_age_us, rows["end"])
                known += _merged(rows["start"], ends)
        at_us = start_us
        for begins_us, ends_us in sorted(known):
            if begins_us > at_us:
                yield _gap(metered, at_us, min(begins_us, end_us))
            at_us = max(at_us, ends_us)
            if at_us >= end_us:
                return
        if at_us < end_us:
            yield _gap(metered, at_us, end_us)

    def _windows(self, series: int, start_us: int, end_us: int) -> Iterator[Rows]:
        """What is known of it, each measurement once."""
        extent = self._log.extent(series)
        if extent is None:
            return
        at_us, last_us = max(start_us, extent[0]), min(end_us, extent[1] + 1)
        first = True
        while at_us < last_us:
            until_us = min(at_us + WINDOW_US, last_us)
            rows = self._log.read(series, at_us, until_us)
            yield rows if first else rows[rows["start"] >= at_us]
            at_us, first = until_us, False


def _merged(starts: Any, ends: Any) -> list[tuple[int, int]]:
    """Spans in rising order as few as possible."""
    if not len(starts):
        return []
    reach = np.maximum.accumulate(ends)
    apart = np.flatnonzero(starts[1:] > reach[:-1]) + 1
    firsts = starts[np.concatenate(([0], apart))]
    lasts = reach[np.concatenate((apart - 1, [len(starts) - 1]))]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _gap(metered: Metered, start_us: int, end_us: int) -> Gap:
    return Gap(metered.ven_name, metered.resource_name, from_us(start_us), from_us(end_us))


def _fields(name: SeriesName, rows: Rows) -> Iterator[dict[str, Any]]:
    unit = UNIT_OF[Quantity(name.quantity)]
    qualities = {quality.value: quality.name for quality in Quality}
    columns = (rows[column].tolist() for column in ("start", "end", "value", "quality"))
    for start_us, end_us, value, quality in zip(*columns, strict=True):
        yield {
            "ven_name": name.ven_name,
            "resource_name": name.resource_name,
            "start": _text(start_us),
            "end": None if end_us == start_us else _text(end_us),
            "quantity": name.quantity,
            "unit": unit,
            "direction": name.direction,
            "channel": name.channel,
            "value": value,
            "quality": qualities[quality],
        }


def _text(us: int) -> str:
    return from_us(us).isoformat().replace("+00:00", "Z")
