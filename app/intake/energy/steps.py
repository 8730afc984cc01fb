"""What lies between one value of a resource and the next, told once and in order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from app.intake.energy.resource import MeterLimits, ResourceSeries
from app.intake.measurement import HOUR_US, Bools, Float64, Int64, Quantity
from app.intake.store import NOT_TOLD, TELL, Rows, SeriesName

LONG_AGO_US = -(1 << 61)
"""Up to where something is known of which nothing is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """Spans one behind the other, an array element each."""

    start_us: Int64
    end_us: Int64
    kwh: Float64
    """Net."""
    peak_kw: Float64
    is_estimated: Bools

    def only(self, chosen: Bools) -> Steps:
        """These of them."""
        return Steps(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})

    def __len__(self) -> int:
        return len(self.start_us)


def steps_of(series: ResourceSeries, quantity: Quantity, *, every_us: int = 0) -> Steps:
    """From each value of a resource to the next, where all of its parts are known.

    `every_us`: of the values in such a time, only the first one ends a step.
    """
    found = _between_values(series, quantity)
    return _thinned(found, every_us) if every_us else found


def new_steps(
    rows: Mapping[SeriesName, Rows],
    limits: MeterLimits,
    quantity: Quantity,
    *,
    after: int,
    through: int,
    wait_us: int,
    since_us: int,
    every_us: int = 0,
) -> Steps:
    """The steps that are known for sure by what came after one number and up to another one.

    Sure is what lies `wait` behind the newest value. What comes later than that changes nothing
    that was told: the steps go on where those of the number before ended. A step to a value that
    is not to be told is none, nor is one that ends by `since`, unless that is to be told.
    """
    sure_before_us = newest_us(_up_to(rows, after)) - wait_us
    in_time = _in_time(rows, wait_us)
    before, now = _up_to(in_time, after), _up_to(in_time, through)
    told = steps_of(ResourceSeries(before, limits), quantity, every_us=every_us)
    told = told.only(told.end_us <= sure_before_us)
    steps = steps_of(ResourceSeries(now, limits), quantity, every_us=every_us)
    is_new = steps.end_us <= newest_us(now) - wait_us
    if len(told):
        is_new &= steps.start_us >= told.end_us[-1]
    else:
        is_new &= steps.end_us > sure_before_us
    is_asked = steps.end_us > since_us
    for own in rows.values():
        is_new &= ~np.isin(steps.end_us, own["end"][own["flags"] & NOT_TOLD != 0])
        is_asked |= np.isin(steps.end_us, own["end"][own["flags"] & TELL != 0])
    is_new &= is_asked
    return steps.only(is_new)


def _up_to(rows: Mapping[SeriesName, Rows], seq: int) -> dict[SeriesName, Rows]:
    """What came up to a number."""
    return {name: own[own["seq"] <= seq] for name, own in rows.items()}


def _in_time(rows: Mapping[SeriesName, Rows], wait_us: int) -> dict[SeriesName, Rows]:
    """Without what was behind the watermark when it came, which nobody is told of any more."""
    seqs = np.unique(np.concatenate([own["seq"] for own in rows.values()]))
    newest = np.full((len(rows), len(seqs) + 1), LONG_AGO_US)
    for place, own in enumerate(rows.values()):
        np.maximum.at(newest[place], np.searchsorted(seqs, own["seq"]) + 1, own["end"])
    known_us = np.maximum.accumulate(newest, axis=1).min(axis=0)  # by what came before each
    return {
        name: own[own["start"] > known_us[np.searchsorted(seqs, own["seq"])] - wait_us]
        for name, own in rows.items()
    }


def newest_us(rows: Mapping[SeriesName, Rows]) -> int:
    """Up to where all parts are known."""
    return min(
        (int(own["end"].max()) if len(own) else LONG_AGO_US for own in rows.values()),
        default=LONG_AGO_US,
    )


def _between_values(series: ResourceSeries, quantity: Quantity) -> Steps:
    parts = series.parts(quantity)
    if not parts:
        return _NOTHING
    first_sign, leading = parts[0]
    start_us, end_us = leading.start_us, leading.end_us
    length_us = end_us - start_us
    if len(parts) == 1:
        ends_kw = first_sign * leading.start_kw, first_sign * leading.end_kw
        return Steps(
            start_us=start_us,
            end_us=end_us,
            kwh=(ends_kw[0] + ends_kw[1]) / 2 * (length_us / HOUR_US),
            peak_kw=np.maximum(*ends_kw),
            is_estimated=leading.is_estimated,
        )
    kwh = np.zeros(len(start_us))
    peak_kw = np.zeros(len(start_us))
    is_estimated = np.zeros(len(start_us), dtype=np.bool_)
    is_known = np.ones(len(start_us), dtype=np.bool_)
    spans = list(zip(start_us.tolist(), end_us.tolist(), strict=True))
    for sign, curve in parts:
        shares = [curve.over(start, end) for start, end in spans]
        kwh += sign * np.array([share.kwh for share in shares])
        peak_kw += sign * np.array([share.peak_kw for share in shares])
        is_estimated |= np.array([share.is_estimated for share in shares], dtype=np.bool_)
        is_known &= np.array([share.measured_us for share in shares]) == length_us
    return Steps(
        start_us=start_us, end_us=end_us, kwh=kwh, peak_kw=peak_kw, is_estimated=is_estimated
    ).only(is_known)


def _thinned(steps: Steps, every_us: int) -> Steps:
    """Steps together, up to the first value of each such time."""
    taken: list[tuple[int, int, float, float, bool]] = []
    begun: tuple[int, int, float, float, bool] | None = None
    columns = (getattr(steps, each.name).tolist() for each in fields(steps))
    for start, end, kwh, peak_kw, is_estimated in zip(*columns, strict=True):
        if begun is not None and begun[1] == start:
            begun = (
                begun[0],
                end,
                begun[2] + kwh,
                max(begun[3], peak_kw),
                begun[4] or is_estimated,
            )
        else:
            begun = start, end, kwh, peak_kw, is_estimated
        if start // every_us != end // every_us:
            taken.append(begun)
            begun = None
    if not taken:
        return _NOTHING
    start_us, end_us, energy, peaks, estimated = zip(*taken, strict=True)
    return Steps(
        start_us=np.array(start_us, dtype=np.int64),
        end_us=np.array(end_us, dtype=np.int64),
        kwh=np.array(energy),
        peak_kw=np.array(peaks),
        is_estimated=np.array(estimated, dtype=np.bool_),
    )


_NOTHING = Steps(
    start_us=np.zeros(0, dtype=np.int64),
    end_us=np.zeros(0, dtype=np.int64),
    kwh=np.zeros(0),
    peak_kw=np.zeros(0),
    is_estimated=np.zeros(0, dtype=np.bool_),
)
