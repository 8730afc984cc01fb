"""What the series of one resource come to: its energy, its power, its state of charge."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.intake.energy.anomalies import Anomaly
from app.intake.energy.curve import (
    Curve,
    Share,
    first_of,
    net_peak_kw,
    of_instants,
    of_intervals,
    of_register,
)
from app.intake.energy.registers import counted
from app.intake.measurement import Direction, Quality, Quantity
from app.intake.store import Rows, SeriesName

ORIGINS = (Quantity.ENERGY, Quantity.REGISTER, Quantity.POWER)
"""Of which energy is known, the best first."""
MAX_DIFFERENCE, MIN_DIFFERENCE_KWH = 0.05, 0.01
"""Between two origins, before it is worth a word."""
SIGN: Mapping[Direction, float] = {
    Direction.IMPORT: 1.0,
    Direction.EXPORT: -1.0,
    Direction.NET: 1.0,
}


class MeterLimits(NamedTuple):
    """What is known of a resource and its meter before anything is measured."""

    max_age_us: int
    """After an instant, what is longer is a gap."""
    import_kw: float | None = None
    """More it cannot consume; None: that is not known."""
    export_kw: float | None = None
    register_size_kwh: float | None = None
    """Where its registers begin again at 0; None: that is not known."""


@dataclass(frozen=True, kw_only=True)
class SpanEnergy:
    """What was measured of a resource in a span."""

    kwh: float
    """Net: positive consumes. Where a part is missing, scaled to the whole span."""
    measured: float
    """How much of the span, from 0 to 1."""
    quality: Quality
    is_complete: bool
    """Whether all of it is measured, as closely as `max_age` asks for."""


UNMEASURED = SpanEnergy(kwh=0.0, measured=0.0, quality=Quality.OK, is_complete=False)


class ResourceSeries:
    """Some time of the series of one resource.

    `rows`: by series, in order. What is BAD is left out, unless `with_bad`.
    """

    def __init__(
        self, rows: Mapping[SeriesName, Rows], limits: MeterLimits, *, with_bad: bool = False
    ) -> None:
        self._given = rows
        self._limits = limits
        self._rows: dict[Quantity, dict[SeriesName, Rows]] = {}
        for name, own in rows.items():
            kept = own if with_bad else own[own["quality"] != Quality.BAD]
            self._rows.setdefault(Quantity(name.quantity), {})[name] = kept
        self._curves: dict[SeriesName, Curve] = {}
        self.anomalies: set[Anomaly] = set()
        """What is implausible about what was asked for so far."""

    def with_bad(self) -> ResourceSeries:
        """The same with what is BAD."""
        return ResourceSeries(self._given, self._limits, with_bad=True)

    def energy(self, start_us: int, end_us: int) -> SpanEnergy:
        """Of one origin: the first that is complete, else the one that has the most."""
        whole_us = end_us - start_us
        found = [
            one
            for quantity in ORIGINS
            if (one := self._of_origin(quantity, start_us, end_us)) is not None
        ]
        if not found:
            return UNMEASURED
        best = max(found, key=lambda each: (each.is_complete, each.measured_us))
        others = [each for each in found if each is not best and each.measured_us == whole_us]
        is_whole = best.measured_us == whole_us
        if is_whole and any(_differ(best.kwh, other.kwh) for other in others):
            self.anomalies.add(Anomaly.DIFFERENT)
        if is_whole and not best.is_complete:
            self.anomalies.add(Anomaly.COARSE)
        return SpanEnergy(
            kwh=best.kwh,
            measured=best.measured_us / whole_us,
            quality=Quality.ESTIMATED if best.is_estimated else Quality.OK,
            is_complete=best.is_complete,
        )

    def last(self, quantity: Quantity, start_us: int, end_us: int) -> tuple[float, Quality] | None:
        """The newest net value of instants in a span, and of intervals that end in it."""
        value, quality = 0.0, Quality.OK
        names = net_parts(self._rows.get(quantity, ()))
        for name in names:
            rows = self._counted_rows(quantity, name)
            is_instant = rows["end"] == rows["start"]
            within = np.where(
                is_instant,
                (rows["start"] >= start_us) & (rows["start"] < end_us),
                (rows["end"] > start_us) & (rows["end"] <= end_us),
            )
            if not within.any():
                return None
            newest = rows[np.flatnonzero(within)[-1]]
            value += sign_of(name) * float(newest["value"])
            quality = max(quality, Quality(int(newest["quality"])))
        return (value, quality) if names else None

    def parts(self, quantity: Quantity) -> list[tuple[float, Curve]]:
        """What makes up the net value, each with its sign."""
        return self._signed(quantity, net_parts(self._rows.get(quantity, ())))

    def reaches(self, quantities: Collection[Quantity], until_us: int) -> bool:
        """Whether something of any of these was measured at an instant or later."""
        return any(
            len(rows) and int(rows["end"].max()) >= until_us
            for quantity in quantities
            for rows in self._rows.get(quantity, {}).values()
        )

    def _signed(self, quantity: Quantity, names: Iterable[SeriesName]) -> list[tuple[float, Curve]]:
        return [(sign_of(name), self._curve(quantity, name)) for name in names]

    def _counted_rows(self, quantity: Quantity, name: SeriesName) -> Rows:
        """Of a register without glitches and spikes."""
        rows = self._rows[quantity][name]
        if quantity is not Quantity.REGISTER or len(rows) < 2:
            return rows
        curve = self._curve(quantity, name)
        counts = np.isin(rows["start"], np.concatenate((curve.start_us, curve.end_us)))
        return np.asarray(rows[counts])

    def _of_origin(self, quantity: Quantity, start_us: int, end_us: int) -> _Sum | None:
        names = self._rows.get(quantity)
        if not names:
            return None

        def of_direction(direction: Direction) -> list[_Sum]:
            """Of its total, or of its parts; empty: nothing is measured of it."""
            own = [name for name in names if name.direction == direction]
            total = [share(name) for name in own if not name.channel]
            return _best([total, [share(name) for name in own if name.channel]])

        def share(name: SeriesName) -> _Sum:
            curve = self._curve(quantity, name)
            return _Sum.of(curve.over(start_us, end_us), end_us - start_us, sign_of(name))

        both = [*of_direction(Direction.IMPORT), *of_direction(Direction.EXPORT)]
        (best,) = _best([of_direction(Direction.NET), both])
        return best

    def peak_kw(self, start_us: int, end_us: int) -> float | None:
        """The highest net power that is known of a span; None: there is none."""
        for quantity in (Quantity.POWER, Quantity.ENERGY, Quantity.REGISTER):
            names = self._rows.get(quantity, {})
            net = [name for name in names if name.direction == Direction.NET]
            for own in (net, [name for name in names if name not in net]):
                parts = self._signed(quantity, net_parts(own))
                if parts:
                    peak = net_peak_kw(parts, start_us, end_us)
                    if peak > float("-inf"):
                        return peak
        return None

    def _curve(self, quantity: Quantity, name: SeriesName) -> Curve:
        known = self._curves.get(name)
        if known is None:
            known = self._made(quantity, Direction(name.direction), self._rows[quantity][name])
            self._curves[name] = known
        return known

    def _made(self, quantity: Quantity, direction: Direction, rows: Rows) -> Curve:
        max_age_us = self._limits.max_age_us
        if quantity is Quantity.ENERGY:
            return of_intervals(rows, is_energy=True, max_age_us=max_age_us)
        if quantity is Quantity.REGISTER:
            is_import = direction is Direction.IMPORT
            found = counted(
                rows["start"],
                rows["value"],
                limit_kw=self._limits.import_kw if is_import else self._limits.export_kw,
                size_kwh=self._limits.register_size_kwh,
            )
            if found.refused:
                self.anomalies.add(Anomaly.LEFT_OUT)
            doubtful_us = rows["start"][rows["quality"] != Quality.OK]
            return of_register(found, doubtful_us=doubtful_us, max_age_us=max_age_us)
        is_instant = rows["end"] == rows["start"]
        instants = of_instants(rows[is_instant], max_age_us=max_age_us)
        if is_instant.all():
            return instants
        means = of_intervals(rows[~is_instant], is_energy=False, max_age_us=max_age_us)
        return first_of(means, instants)


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """What several series come to in a span, together."""

    kwh: float
    measured_us: int
    """Of all of them."""
    is_estimated: bool
    is_complete: bool

    @classmethod
    def of(cls, share: Share, whole_us: int, sign: float) -> _Sum:
        scaled = (
            share.kwh
            if share.measured_us in (0, whole_us)
            else (share.kwh * whole_us / share.measured_us)
        )
        is_whole = share.measured_us == whole_us
        return cls(
            kwh=sign * scaled,
            measured_us=share.measured_us,
            is_estimated=share.is_estimated or not is_whole,
            is_complete=is_whole and not share.has_hole,
        )


def _best(options: Sequence[Sequence[_Sum]]) -> list[_Sum]:
    """The total, if it is known; else its parts together, if more is known of them. Empty: there
    are neither."""
    sums = [_added(parts) for parts in options if parts]
    if len(sums) < 2:
        return sums
    return [max(sums, key=lambda each: (each.is_complete, each.measured_us))]


def _added(parts: Sequence[_Sum]) -> _Sum:
    if len(parts) == 1:
        return parts[0]
    return _Sum(
        kwh=sum(part.kwh for part in parts),
        measured_us=min(part.measured_us for part in parts),
        is_estimated=any(part.is_estimated for part in parts),
        is_complete=all(part.is_complete for part in parts),
    )


def sign_of(name: SeriesName) -> float:
    """With which a series counts in the net value."""
    return SIGN[Direction(name.direction)]


def net_parts(names: Iterable[SeriesName]) -> list[SeriesName]:
    """Of the series of one quantity of a resource those whose sum is the net value: NET, else both
    directions; of each its total, else its parts."""
    chosen = sorted(names)
    if any(name.direction == Direction.NET for name in chosen):
        chosen = [name for name in chosen if name.direction == Direction.NET]
    totals = {name.direction for name in chosen if not name.channel}
    return [name for name in chosen if not name.channel or name.direction not in totals]


def _differ(one_kwh: float, other_kwh: float) -> bool:
    larger = max(abs(one_kwh), abs(other_kwh))
    return abs(one_kwh - other_kwh) > max(MAX_DIFFERENCE * larger, MIN_DIFFERENCE_KWH)
