"""Power over time, as one series of measurements tells it, and what it comes to in a span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from app.intake.energy.registers import Counted
from app.intake.measurement import HOUR_US, Bools, Float64, Int64, Quality
from app.intake.store import Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Spans in order of time, apart from each other; the power in each is linear."""

    start_us: Int64
    end_us: Int64
    start_kw: Float64
    end_kw: Float64
    is_estimated: Bools
    is_long: Bools
    """Whether a span is longer than what is measured at a time: a part of it is estimated."""
    has_holes: bool = False
    """Whether a span that is long was not measured as one: nothing was known in between."""

    def over(self, start_us: int, end_us: int) -> Share:
        """What it comes to in a span; what lies between two values is shared out evenly."""
        first = int(np.searchsorted(self.end_us, start_us, side="right"))
        last = int(np.searchsorted(self.start_us, end_us, side="left"))
        if first >= last:
            return NO_SHARE
        shares = [self._cut(first, start_us, end_us)]
        if last - first > 1:
            shares.append(self._cut(last - 1, start_us, end_us))
        if last - first > 2:
            shares.append(self._whole(slice(first + 1, last - 1)))
        return Share.together(shares)

    def _cut(self, place: int, start_us: int, end_us: int) -> Share:
        """Of the part of a span that lies between two instants."""
        start, end = int(self.start_us[place]), int(self.end_us[place])
        from_kw, to_kw = float(self.start_kw[place]), float(self.end_kw[place])
        begin, until = max(start, start_us), min(end, end_us)
        slope = (to_kw - from_kw) / (end - start)
        begin_kw, until_kw = from_kw + slope * (begin - start), from_kw + slope * (until - start)
        is_long = bool(self.is_long[place])
        is_cut = begin > start or until < end
        return Share(
            kwh=(begin_kw + until_kw) / 2 * ((until - begin) / HOUR_US),
            measured_us=until - begin,
            is_estimated=bool(self.is_estimated[place]) or (is_long and is_cut),
            has_hole=self.has_holes and is_long,
            peak_kw=max(begin_kw, until_kw),
        )

    def _whole(self, places: slice) -> Share:
        """Of whole spans."""
        length_us = self.end_us[places] - self.start_us[places]
        start_kw, end_kw = self.start_kw[places], self.end_kw[places]
        return Share(
            kwh=float(((start_kw + end_kw) / 2 * (length_us / HOUR_US)).sum()),
            measured_us=int(length_us.sum()),
            is_estimated=bool(self.is_estimated[places].any()),
            has_hole=self.has_holes and bool(self.is_long[places].any()),
            peak_kw=float(np.maximum(start_kw, end_kw).max()),
        )


class Share(NamedTuple):
    """What a curve comes to in a span."""

    kwh: float
    measured_us: int
    is_estimated: bool
    has_hole: bool
    """Whether more time than `max_age` passed within between two values."""
    peak_kw: float

    @classmethod
    def together(cls, shares: Sequence[Share]) -> Share:
        """Of parts of a span that lie apart."""
        if len(shares) == 1:
            return shares[0]
        kwh, measured_us, is_estimated, has_hole, peak_kw = zip(*shares, strict=True)
        return cls(sum(kwh), sum(measured_us), any(is_estimated), any(has_hole), max(peak_kw))


NO_SHARE = Share(0.0, 0, False, False, float("-inf"))


def of_intervals(rows: Rows, *, is_energy: bool, max_age_us: int) -> Curve:
    """Energies of intervals in kWh, or their mean powers in kW."""
    length_us = rows["end"] - rows["start"]
    kw = rows["value"] / (length_us / HOUR_US) if is_energy else rows["value"].copy()
    return Curve(
        start_us=rows["start"],
        end_us=rows["end"],
        start_kw=kw,
        end_kw=kw,
        is_estimated=rows["quality"] != Quality.OK,
        is_long=length_us > max_age_us,
    )


def of_instants(rows: Rows, *, max_age_us: int) -> Curve:
    """Powers at instants, in kW: linear from one to the next, if that comes within `max_age`."""
    at_us, kw = rows["start"], rows["value"]
    is_estimated = rows["quality"] != Quality.OK
    near = np.diff(at_us) <= max_age_us
    return Curve(
        start_us=at_us[:-1][near],
        end_us=at_us[1:][near],
        start_kw=kw[:-1][near],
        end_kw=kw[1:][near],
        is_estimated=(is_estimated[:-1] | is_estimated[1:])[near],
        is_long=np.zeros(int(near.sum()), dtype=np.bool_),
    )


def of_register(counted: Counted, *, doubtful_us: Int64, max_age_us: int) -> Curve:
    """What a register counted, evenly from one value to the next.

    `doubtful_us`: when it was read without being sure.
    """
    length_us = counted.end_us - counted.start_us
    kw = counted.kwh / (length_us / HOUR_US)
    is_doubtful = np.isin(counted.start_us, doubtful_us) | np.isin(counted.end_us, doubtful_us)
    return Curve(
        start_us=counted.start_us,
        end_us=counted.end_us,
        start_kw=kw,
        end_kw=kw,
        is_estimated=counted.is_estimated | is_doubtful,
        is_long=length_us > max_age_us,
        has_holes=True,
    )


def first_of(one: Curve, other: Curve) -> Curve:
    """The spans of one curve, and those of another one that touch none of them."""
    before = np.searchsorted(one.end_us, other.start_us, side="right")
    behind = np.searchsorted(one.start_us, other.end_us, side="left")
    apart = before == behind

    def together(ours: Any, theirs: Any) -> Any:
        return np.concatenate((ours, theirs[apart]))[order]

    order = np.argsort(np.concatenate((one.start_us, other.start_us[apart])), kind="stable")
    return Curve(
        start_us=together(one.start_us, other.start_us),
        end_us=together(one.end_us, other.end_us),
        start_kw=together(one.start_kw, other.start_kw),
        end_kw=together(one.end_kw, other.end_kw),
        is_estimated=together(one.is_estimated, other.is_estimated),
        is_long=together(one.is_long, other.is_long),
    )


def net_peak_kw(parts: Sequence[tuple[float, Curve]], start_us: int, end_us: int) -> float:
    """The highest power of several curves together, each with its sign, where all are known."""
    edges = {start_us, end_us}
    for _, curve in parts:
        for at in (curve.start_us, curve.end_us):
            edges.update(at[(at > start_us) & (at < end_us)].tolist())
    cuts = np.array(sorted(edges), dtype=np.int64)
    begin = np.zeros(len(cuts) - 1)
    until = np.zeros(len(cuts) - 1)
    for sign, curve in parts:
        place = np.searchsorted(curve.end_us, cuts[:-1], side="right")
        there = place < len(curve.start_us)
        at = np.minimum(place, max(len(curve.start_us) - 1, 0))
        if not there.any():
            return float("-inf")
        known = there & (curve.start_us[at] <= cuts[:-1])
        slope = (curve.end_kw[at] - curve.start_kw[at]) / (curve.end_us[at] - curve.start_us[at])
        from_kw = curve.start_kw[at] + slope * (cuts[:-1] - curve.start_us[at])
        to_kw = curve.start_kw[at] + slope * (cuts[1:] - curve.start_us[at])
        begin += np.where(known, sign * from_kw, np.nan)
        until += np.where(known, sign * to_kw, np.nan)
    highest = np.fmax(begin, until)
    known = highest[~np.isnan(highest)]
    return float(known.max()) if len(known) else float("-inf")
