"""Which series of measurements tell what is asked of the resources of one VEN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.intake import KnownSeries, Metered, MeterLimits, SeriesName, net_parts
from app.intake import Quantity as Measured
from app.reporting.content.readings import Int64
from app.reporting.requests import TOLD_OF, Quantity

INSTANTS = (Quantity.INSTANT_POWER, Quantity.REGISTER, Quantity.CHARGE_LEVEL)
"""Each measurement is a value of these."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueSeries:
    """The series that make up the values of one resource."""

    place: int
    """Of the resource among the names of its plan."""
    metered: Metered
    limits: MeterLimits
    measured: Measured
    is_direct: bool
    """Whether each measurement is a value; else what lies between two of them is."""
    names: Mapping[int, SeriesName]
    """Of series, by their numbers."""
    newest_us: int
    """The newest end of any of them."""
    wait_us: int
    every_us: int
    """At least so long lies between two instants that are told."""

    @property
    def is_single(self) -> bool:
        """Whether each row is a value, whatever else there is."""
        is_alone = len(self.names) == 1 and self.is_direct and not self.every_us
        return is_alone and self.measured is not Measured.STORED


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadingPlan:
    """What is told of the resources of one VEN."""

    quantity: Quantity
    with_quality: bool
    names: Sequence[str]
    """Of resources."""
    values: Sequence[ValueSeries]

    @cached_property
    def single(self) -> Mapping[int, ValueSeries]:
        """Those of single series, by their numbers."""
        return {number: each for each in self.values if each.is_single for number in each.names}

    @cached_property
    def numbers(self) -> Int64:
        """Of all series, rising."""
        numbers = sorted(number for each in self.values for number in each.names)
        return np.array(numbers, dtype=np.int64)


def chosen_series(
    quantity: Quantity, series: Sequence[KnownSeries], *, max_age_us: int
) -> tuple[Measured, bool, Mapping[int, SeriesName]] | None:
    """Of what the quantity is told, whether directly, and of which series; None: it cannot be.

    The first of TOLD_OF that is not silent: nothing came of what is silent for longer than
    `max_age` and one of its own intervals, while something came of others that would do.
    """
    able = [each for each in series if each.name.quantity in TOLD_OF.get(quantity, ())]
    newest_us = max((each.newest_us for each in able), default=0)
    for measured in TOLD_OF.get(quantity, ()):
        known = {each.name: each for each in able if each.name.quantity == measured}
        while known:
            chosen = [known.pop(name) for name in net_parts(known)]
            if any(each.newest_us + each.longest_us + max_age_us >= newest_us for each in chosen):
                are_means = measured is Measured.POWER and all(each.shortest_us for each in chosen)
                is_direct = (
                    quantity in INSTANTS
                    or measured is Measured.ENERGY
                    or (are_means and quantity is not Quantity.PEAK_POWER)
                )
                return measured, is_direct, {each.number: each.name for each in chosen}
    return None
