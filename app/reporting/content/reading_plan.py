"""Which series of measurements tell what is asked of the resources of one VEN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.intake import Direction, KnownSeries, Metered, MeterLimits, SeriesName, counting, ways
from app.intake import Quantity as Measured
from app.reporting.content.readings import Int64
from app.reporting.requests import TOLD_OF, Quantity

INSTANTS = (Quantity.INSTANT_POWER, Quantity.REGISTER, Quantity.CHARGE_LEVEL)
"""Each measurement is a value of these."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """The series that make up the values of one resource."""

    place: int
    """Of the resource among the names of its plan."""
    metered: Metered
    limits: MeterLimits
    measured: Measured
    is_direct: bool
    """Whether each measurement is a value; else what lies between two of them is."""
    series: Mapping[int, SeriesName]
    """By number."""
    newest_us: int
    """The newest end of any of them."""
    wait_us: int
    every_us: int
    """At least so long lies between two instants that are told."""

    @property
    def is_single(self) -> bool:
        """Whether each row is a value, whatever else there is."""
        is_alone = len(self.series) == 1 and self.is_direct and not self.every_us
        return is_alone and self.measured is not Measured.STORED


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadingPlan:
    """What is told of the resources of one VEN."""

    quantity: Quantity
    with_quality: bool
    names: Sequence[str]
    """Of resources."""
    told: Sequence[Told]
    single: Mapping[int, Told]
    """Those of single series, by their numbers."""
    numbers: Int64
    """Of all series, rising."""

    @classmethod
    def of(
        cls,
        quantity: Quantity,
        names: Sequence[str],
        told: Sequence[Told],
        *,
        with_quality: bool,
    ) -> ReadingPlan:
        return cls(
            quantity=quantity,
            with_quality=with_quality,
            names=names,
            told=told,
            single={number: each for each in told if each.is_single for number in each.series},
            numbers=np.array(
                sorted(number for each in told for number in each.series), dtype=np.int64
            ),
        )


def chosen_series(
    quantity: Quantity, series: Sequence[KnownSeries]
) -> tuple[Measured, bool, Mapping[int, SeriesName]] | None:
    """Of what the quantity is told, whether directly, and of which series; None: it cannot be."""
    known: dict[Measured, dict[Direction, dict[str, KnownSeries]]] = {}
    for each in series:
        by_direction = known.setdefault(Measured(each.name.quantity), {})
        by_direction.setdefault(Direction(each.name.direction), {})[each.name.channel] = each
    for measured in TOLD_OF.get(quantity, ()):
        by_direction = known.get(measured, {})
        chosen = [
            by_direction[way][channel]
            for way in ways(by_direction)
            for channel in counting(by_direction[way])
        ]
        if chosen:
            are_means = measured is Measured.POWER and any(each.longest_us for each in chosen)
            is_direct = (
                quantity in INSTANTS
                or measured is Measured.ENERGY
                or (are_means and quantity is not Quantity.PEAK_POWER)
            )
            return measured, is_direct, {each.number: each.name for each in chosen}
    return None
