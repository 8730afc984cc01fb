"""Readings of real meters as they are told: values with times of their own, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.intake import HOUR_US, Metered, Rows
from app.intake import Quantity as Measured
from app.reporting.requests import Quantity

Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """Values of the resources of one VEN, an array element each, by resource and time."""

    names: Sequence[str]
    """Of resources."""
    resource: Int64
    """The place of each in `names`."""
    start_us: Int64
    end_us: Int64
    """The same for an instant."""
    value: Float64
    """In the unit of the quantity."""
    quality: npt.NDArray[np.int8]
    """Of `app.intake.Quality`."""

    @classmethod
    def of(cls, names: Sequence[str], resource: Int64, rows: Rows, value: Float64) -> Readings:
        """Of measurements, with these values."""
        return cls(
            names=names,
            resource=resource,
            start_us=rows["start"],
            end_us=rows["end"],
            value=value,
            quality=rows["quality"],
        )

    @classmethod
    def together(cls, names: Sequence[str], several: Sequence[Readings]) -> Readings:
        """All of them, by resource and time."""
        whole = cls(
            names=names,
            resource=_joined([each.resource for each in several], np.int64),
            start_us=_joined([each.start_us for each in several], np.int64),
            end_us=_joined([each.end_us for each in several], np.int64),
            value=_joined([each.value for each in several], np.float64),
            quality=_joined([each.quality for each in several], np.int8),
        )
        return whole.part(np.lexsort((whole.end_us, whole.start_us, whole.resource)))

    def __len__(self) -> int:
        return len(self.value)

    def part(self, chosen: Any) -> Readings:
        """Some of them: a slice, or an index as of NumPy."""
        return Readings(
            names=self.names,
            resource=self.resource[chosen],
            start_us=self.start_us[chosen],
            end_us=self.end_us[chosen],
            value=self.value[chosen],
            quality=self.quality[chosen],
        )


def converted(quantity: Quantity, measured: Measured, rows: Rows, metered: Metered) -> Float64:
    """Measured values in the unit of the quantity; NaN where they say nothing of it."""
    value: Float64 = rows["value"]
    if measured is Measured.CHARGE_LEVEL:
        return value / 100
    if measured is Measured.STORED:
        room_kwh = metered.energy_max_kwh - metered.energy_min_kwh
        return (value - metered.energy_min_kwh) / (room_kwh if room_kwh > 0 else np.nan)
    if quantity is Quantity.INSTANT_POWER or measured is Measured.REGISTER:
        return value
    hours = (rows["end"] - rows["start"]) / HOUR_US
    if measured is Measured.POWER:
        value = np.where(hours > 0, value, np.nan)  # an instant is no mean
        return value * hours if quantity is Quantity.ENERGY else value
    return value / hours if quantity is Quantity.MEAN_POWER else value


def _joined(arrays: Sequence[npt.NDArray[Any]], kind: Any) -> npt.NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=kind), *arrays])
