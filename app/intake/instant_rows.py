"""Values at instants, as messages and lines hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.intake.files import number_of
from app.intake.measurement import Measurements, SeriesKey


@dataclass
class InstantRows:
    """Values at instants, as they are read one by one."""

    keys: dict[SeriesKey, int] = field(default_factory=dict)
    key: list[int] = field(default_factory=list)
    start_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def add(self, key: SeriesKey, at_us: int, value: float, place: str) -> None:
        """One of them; `place`: where it was read, for who names it."""
        self.key.append(self.keys.setdefault(key, len(self.keys)))
        self.start_us.append(at_us)
        self.value.append(value)
        self.places.append(place)

    def measurements(self) -> Measurements | None:
        """All of them; None: there is none."""
        count = len(self.key)
        if not count:
            return None
        at_us = np.array(self.start_us, dtype=np.int64)
        return Measurements(
            keys=list(self.keys),
            key=np.array(self.key, dtype=np.int64),
            start_us=at_us,
            end_us=at_us,
            value=np.array(self.value, dtype=np.float64),
            quality=np.zeros(count, dtype=np.int8),
            code=np.zeros(count, dtype=np.int64),
            lines=np.arange(1, count + 1),
        )


def finite_number(said: Any) -> float | None:
    """Of what was read. None: nothing was measured. ValueError: it is no number that can be."""
    if said is None:
        return None
    if isinstance(said, str):
        return number_of(said)
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise ValueError(f"{str(said)[:40]!r} is no number")
    try:
        number = float(said)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise ValueError("it is no number that can be")
    return None if math.isnan(number) else number
