"""What frames come to: the values of one quantity for the resources of one VEN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import orjson

from app.control import Forecast, ResourceArrays, Span
from app.readings import Frame, FrameDetail
from app.reporting.content.of_frame import OF_FRAME, Numbers, nothing
from app.reporting.requests import Quantity, ReportRequest, Scope

AGGREGATED = (b'"AGGREGATED_REPORT"',)
MAX_GAP = timedelta(minutes=5)
"""Between two readings: what lies in a longer one is estimated."""
OK, ESTIMATED, MISSING = "OK", "ESTIMATED", "MISSING"
"""Data quality (3.1.0 enumerations)."""
DECIMALS = 9
"""Enough for the energy of a watt over a millisecond, and free of float noise."""


class ResourceModel(Protocol):
    """What knows what resources can do, and what they will: the simulator."""

    def resources(self) -> ResourceArrays: ...

    def past_resources(self) -> ResourceArrays: ...

    def bounds_kw(
        self, frame: Frame
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]: ...

    def forecast(self, ven_name: str, spans: Sequence[Span]) -> list[Forecast]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Values:
    """The values of one VEN over one span, or at one instant."""

    seq: int
    """The number of the frame that makes them due; 0 where reports have their own times."""
    start: datetime
    duration: timedelta
    """Zero for an instant."""
    quoted_names: Sequence[bytes]
    """The resources' names as JSON strings."""
    numbers: Numbers
    """One per name, in the unit of the quantity; NaN: no value. Words are objects, None: none."""
    interval_id: int | None = None
    """None: the VEN's own, counted from 0 in each report."""
    quality: Sequence[str] | None = None
    """DATA_QUALITY, one per name; None: not asked for."""

    def tokens(self, columns: slice) -> list[bytes]:
        """The values of these columns as JSON."""
        numbers = self.numbers[columns]
        if not len(numbers):
            return []
        if numbers.dtype == object:
            return [orjson.dumps(word) for word in numbers.tolist()]
        if numbers.dtype == np.float64:
            numbers = np.round(numbers, DECIMALS) + 0.0  # no -0.0
        text = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)
        return text[1:-1].split(b",")


def values_of(
    quantity: Quantity,
    ven_name: str,
    frames: Sequence[Frame],
    after: int,
    *,
    model: ResourceModel | None = None,
    with_metered: bool = False,
) -> Iterator[Values]:
    """The values of the frames numbered above `after`, oldest first.

    `with_metered`: with the latest power of real meters; else there is none of these.

    A quantity between two readings needs the frame before: the first of `frames` is only that,
    unless its number is above `after`. The power between two readings is taken as linear, so that
    the energies of the parts of a span add up to the energy of the whole.
    """
    before: Frame | None = None
    for frame in frames:
        if frame.seq > after:
            names = frame.roster.quoted_names(ven_name)
            if not quantity.spans:
                yield Values(
                    seq=frame.seq,
                    start=frame.taken_at,
                    duration=timedelta(0),
                    quoted_names=names,
                    numbers=instant(quantity, ven_name, frame, model, with_metered=with_metered),
                )
            elif before is not None and before.taken_at < frame.taken_at:  # else it was set back
                yield Values(
                    seq=frame.seq,
                    start=before.taken_at,
                    duration=frame.taken_at - before.taken_at,
                    quoted_names=names,
                    numbers=_between(quantity, ven_name, before, frame, with_metered),
                )
        before = frame


def instant(
    quantity: Quantity,
    ven_name: str,
    frame: Frame,
    model: ResourceModel | None,
    *,
    with_metered: bool = False,
) -> Numbers:
    """The values of a quantity at the instant of a frame; NaN, or None, for no value."""
    columns = frame.roster.columns(ven_name)
    with_metered = with_metered or quantity is Quantity.STATE  # of real ones, too
    power = (frame.power_kw if with_metered else frame.simulated_kw)[columns]
    if of_frame := OF_FRAME.get(quantity):
        return of_frame(power, frame.detail.part(columns))
    if model is None:
        return nothing(power)
    if quantity in _STORES:
        stored = frame.detail.part(columns).stored_kwh
        return _of_store(
            quantity, ven_name, frame, nothing(power) if stored is None else stored, model
        )
    low, high = (reach[columns] for reach in model.bounds_kw(frame))
    return _capability(quantity, power, low, high)


def of_forecast(
    quantity: Quantity, forecast: Forecast, hours: float, model: ResourceModel, ven_name: str
) -> Numbers:
    """The values of a quantity in a span of the future."""
    result = forecast.result
    power = result.commanded_kw
    if quantity is Quantity.ENERGY:
        return power.astype(np.float64) * hours
    if quantity is Quantity.BASELINE_ENERGY:
        return result.baseline_kw.astype(np.float64) * hours
    if quantity is Quantity.DELTA_ENERGY:
        return (power.astype(np.float64) - result.baseline_kw) * hours
    if quantity in (Quantity.MEAN_POWER, Quantity.PEAK_POWER):
        return power
    if quantity is Quantity.BASELINE_POWER:
        return result.baseline_kw
    if of_frame := OF_FRAME.get(quantity):
        detail = FrameDetail(
            baseline_kw=result.baseline_kw,
            stored_kwh=result.stored_kwh,
            setpoint_kw=result.setpoint_kw,
            level=result.level,
        )
        return of_frame(power, detail)
    if quantity in _STORES:
        resources = model.resources().part(ven_name)
        return _store_value(quantity, resources, result.stored_kwh)
    return _capability(quantity, power, result.lowest_kw, result.highest_kw)


_STORES = (
    Quantity.USABLE_CAPACITY,
    Quantity.CHARGE_LEVEL,
    Quantity.MAX_CHARGE,
    Quantity.MAX_DISCHARGE,
)


def _capability(quantity: Quantity, power: Numbers, low: Numbers, high: Numbers) -> Numbers:
    """To the watt, as powers are."""
    if quantity is Quantity.UP_REGULATION:
        left = power - low
    elif quantity is Quantity.DOWN_REGULATION:
        left = high - power
    elif quantity is Quantity.SHED_AVAILABLE:
        left = np.clip(power, 0, None) - np.clip(low, 0, None)
    else:
        left = np.clip(-low, 0, None) - np.clip(-power, 0, None)
    return np.asarray(np.round(np.clip(left, 0, None), 3))


def _of_store(
    quantity: Quantity, ven_name: str, frame: Frame, stored: Numbers, model: ResourceModel
) -> Numbers:
    """By the limits of today: a resource that is gone has none any more."""
    resources = model.past_resources().part(ven_name)
    by_name = dict(zip(resources.roster.names(ven_name), range(resources.roster.size), strict=True))
    places = np.array([by_name.get(name, -1) for name in frame.roster.names(ven_name)])
    if not len(places) or not resources.roster.size:
        return np.full(len(places), np.nan)
    here = np.full(resources.roster.size, np.nan, dtype=np.float32)
    here[places[places >= 0]] = stored[places >= 0]
    per_resource = _store_value(quantity, resources, here)
    return np.where(places >= 0, per_resource[places], np.nan)


def _store_value(quantity: Quantity, resources: ResourceArrays, stored: Numbers) -> Numbers:
    room = resources.store_max_kwh - resources.store_min_kwh
    if quantity is Quantity.USABLE_CAPACITY:
        value = room
    elif quantity is Quantity.CHARGE_LEVEL:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = (stored - resources.store_min_kwh) / room
    elif quantity is Quantity.MAX_CHARGE:
        value = np.clip(resources.highest_kw, 0, None)
    else:
        value = np.clip(-resources.lowest_kw, 0, None)
    return np.where(resources.is_storage, value, np.nan)


def _between(
    quantity: Quantity, ven_name: str, before: Frame, frame: Frame, with_metered: bool
) -> Numbers:
    """The values between two readings; NaN for a resource that the first one had not."""
    hours = (frame.taken_at - before.taken_at) / timedelta(hours=1)

    def both(base: bool) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        later = _of(ven_name, frame, base, with_metered)
        earlier = _of(ven_name, before, base, with_metered)
        return _in_columns(ven_name, earlier, before, frame), later

    earlier, later = both(quantity in (Quantity.BASELINE_POWER, Quantity.BASELINE_ENERGY))
    if quantity is Quantity.PEAK_POWER:
        return np.maximum(earlier, later)
    mean = (earlier + later) / 2
    if quantity in (Quantity.MEAN_POWER, Quantity.BASELINE_POWER):
        return mean
    if quantity is Quantity.DELTA_ENERGY:
        mean -= sum(both(True)) / 2
    return mean * hours


def _of(ven_name: str, frame: Frame, base: bool, with_metered: bool) -> npt.NDArray[np.float64]:
    powers = frame.baseline_kw if base else frame.power_kw
    powers = powers if with_metered else frame.only_simulated(powers)
    return powers[frame.roster.columns(ven_name)].astype(np.float64)


def _in_columns(
    ven_name: str, earlier: npt.NDArray[np.float64], before: Frame, frame: Frame
) -> npt.NDArray[np.float64]:
    """The powers of `before` in the columns of `frame`; NaN for a resource that it had not."""
    names, earlier_names = frame.roster.names(ven_name), before.roster.names(ven_name)
    if names == earlier_names:
        return earlier
    by_name = dict(zip(earlier_names, earlier.tolist(), strict=True))
    return np.array([by_name.get(name, np.nan) for name in names])


def select_resources(values: Values, request: ReportRequest, scope: Scope) -> Values:
    """Only of the resources that are asked for, as one where that is asked, with their quality."""
    names, numbers, quality = values.quoted_names, values.numbers, values.quality
    if request.with_quality and quality is None:
        usual = ESTIMATED if values.duration > MAX_GAP else OK
        absent = [number != number or number is None for number in numbers.tolist()]
        quality = [MISSING if is_absent else usual for is_absent in absent]
    if not scope.is_all:
        kept = [place for place, name in enumerate(names) if orjson.loads(name) in scope]
        names, numbers = [names[place] for place in kept], numbers[kept]
        quality = None if quality is None else [quality[place] for place in kept]
    if request.aggregate and len(names):
        names, numbers = AGGREGATED, _summed(numbers)
        quality = None if quality is None else [max(quality, key=_WORST.index)]
    return replace(values, quoted_names=names, numbers=numbers, quality=quality)


_WORST = (OK, ESTIMATED, MISSING)


def _summed(numbers: Numbers) -> Numbers:
    there = numbers[~np.isnan(numbers)].astype(np.float64)
    return np.array([there.sum() if len(there) else np.nan])
