"""What real meters measured last: the power of resources now, and what is in their stores."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from app.intake.energy import MeasuredEnergy, net_parts, sign_of
from app.intake.measurement import HOUR_US, Direction, Float64, Int64, Quantity
from app.intake.meters import KnownMeters, Metered, Meters
from app.intake.store import MeasurementLog, SeriesName
from app.platform import to_us
from app.readings import Roster

POWER_FROM = (Quantity.POWER, Quantity.ENERGY, Quantity.REGISTER)
"""The first of which something fresh is known."""


class Latest(NamedTuple):
    """What was measured last, one array element per column; NaN: nothing fresh is known."""

    power_kw: Float64
    """Net: measured, or the mean of the last interval."""
    stored_kwh: Float64
    charge_percent: Float64


class _Parts(NamedTuple):
    """The series that make up one quantity of resources, an array element per series."""

    column: Int64
    series: Int64
    sign: Float64
    limit_kw: Float64
    """More it cannot be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layout:
    """Which series measure which columns, as long as none of these changes."""

    roster: Roster
    meters: KnownMeters
    series_count: int
    max_age_us: Int64
    """By column; 0: it has no meter."""
    parts: dict[Quantity, _Parts]


class LatestMeasured:
    """Knows the newest value of each resource, if it ended within `max_age`.

    Safe for several threads.
    """

    def __init__(self, *, log: MeasurementLog, meters: Meters, energy: MeasuredEnergy) -> None:
        self._log = log
        self._meters = meters
        self._energy = energy
        self._lock = threading.Lock()
        self._layout: _Layout | None = None

    def latest(self, roster: Roster, now: datetime) -> Latest:
        """Of each column of a roster."""
        with self._lock:
            layout = self._laid_out(roster)
            power_kw = np.full(roster.size, np.nan)
            for quantity in POWER_FROM:
                if np.isnan(power_kw).any():
                    found = self._newest(layout, quantity, now)
                    power_kw = np.where(np.isnan(power_kw), found, power_kw)
            return Latest(
                power_kw,
                self._newest(layout, Quantity.STORED, now),
                self._newest(layout, Quantity.CHARGE_LEVEL, now),
            )

    def _newest(self, layout: _Layout, quantity: Quantity, now: datetime) -> Float64:
        """The newest net value of each column."""
        nothing = np.full(layout.roster.size, np.nan)
        parts = layout.parts.get(quantity)
        if parts is None:
            return nothing
        now_us = to_us(now)
        last, before = self._log.newest_rows(
            parts.series, now_us - int(layout.max_age_us.max(initial=0))
        )
        value = last["value"]
        if quantity is not Quantity.POWER:
            hours = (last["end"] - last["start"]) / HOUR_US
            if quantity is Quantity.REGISTER:
                hours = (last["end"] - before["end"]) / HOUR_US
                value = np.where(before["end"] > 0, value - before["value"], np.nan)
            if quantity in POWER_FROM:
                value = np.divide(value, hours, out=np.full(len(value), np.nan), where=hours > 0)
        is_fresh = (last["end"] > 0) & (last["end"] >= now_us - layout.max_age_us[parts.column])
        if quantity is Quantity.REGISTER:
            is_fresh &= (value >= 0) & (value <= parts.limit_kw)
        known = is_fresh & ~np.isnan(value)
        missing = np.bincount(parts.column[~known], minlength=layout.roster.size)
        there = np.bincount(parts.column[known], minlength=layout.roster.size)
        net = np.bincount(
            parts.column[known],
            weights=(parts.sign * value)[known],
            minlength=layout.roster.size,
        )
        return np.where((there > 0) & (missing == 0), net, nothing)

    def _laid_out(self, roster: Roster) -> _Layout:
        layout, known = self._layout, self._meters.known()
        count = self._log.series_count()
        if (
            layout is None
            or layout.roster is not roster
            or layout.meters is not known
            or layout.series_count != count
        ):
            layout = self._layout = self._lay_out(roster, known, count)
        return layout

    def _lay_out(self, roster: Roster, known: KnownMeters, count: int) -> _Layout:
        max_age_us = np.zeros(roster.size, dtype=np.int64)
        columns: dict[tuple[str, str], tuple[int, Metered]] = {}
        for ven_name, names in roster:
            metered = known.of_ven(ven_name)
            first = roster.columns(ven_name).start
            for place, name in enumerate(names if metered else ()):
                if name in metered:
                    columns[ven_name, name] = first + place, metered[name]
                    max_age_us[first + place] = self._energy.limits(metered[name]).max_age_us
        series: dict[tuple[str, int], dict[SeriesName, int]] = {}
        for each in self._log.series_of(columns):
            column, _ = columns[each.name[:2]]
            series.setdefault((each.name.quantity, column), {})[each.name] = each.number
        chosen: dict[Quantity, list[tuple[int, int, float, float]]] = {}
        for (quantity, column), numbers in series.items():
            for part in net_parts(numbers):
                limits = self._energy.limits(columns[part[:2]][1])
                is_export = part.direction == Direction.EXPORT
                limit_kw = limits.export_kw if is_export else limits.import_kw
                chosen.setdefault(Quantity(quantity), []).append(
                    (column, numbers[part], sign_of(part), np.inf if limit_kw is None else limit_kw)
                )
        return _Layout(
            roster=roster,
            meters=known,
            series_count=count,
            max_age_us=max_age_us,
            parts={quantity: _columns(parts) for quantity, parts in chosen.items()},
        )


def _columns(parts: Sequence[tuple[int, int, float, float]]) -> _Parts:
    column, series, sign, limit_kw = zip(*parts, strict=True)
    return _Parts(
        np.array(column, dtype=np.int64),
        np.array(series, dtype=np.int64),
        np.array(sign),
        np.array(limit_kw),
    )
