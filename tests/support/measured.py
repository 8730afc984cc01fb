"""Batches of measurements, as sources hand them in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.intake import Direction, Measurements, MeterName, Quality, Quantity, SeriesKey

MINUTE_US = 60_000_000


def batch_of(meters: Sequence[MeterName], *, first_us: int = 0) -> Measurements:
    """A power of 1, 2, 3, ... kW of each of these meters, a minute apart."""
    known = list(dict.fromkeys(meters))
    count = len(meters)
    starts = first_us + np.arange(count, dtype=np.int64) * MINUTE_US
    return Measurements(
        keys=[SeriesKey(meter, Quantity.POWER, Direction.NET) for meter in known],
        key=np.array([known.index(meter) for meter in meters], dtype=np.int64),
        start_us=starts,
        end_us=starts,
        value=np.arange(1, count + 1, dtype=np.float64),
        quality=np.full(count, Quality.OK, dtype=np.int8),
        code=np.zeros(count, dtype=np.int64),
        lines=np.arange(1, count + 1, dtype=np.int64),
    )
