"""Units of measurements, as kW, kWh and %."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.intake.measurement import Quantity


class Ratio(NamedTuple):
    """What a value is multiplied with and divided by: 63 W / 1000 is 0.063 kW, 63 W x 0.001 is not
    quite, and a value that is sent again in another unit has to be the same."""

    multiplied: float
    divided: float


ENERGIES = frozenset({Quantity.ENERGY, Quantity.REGISTER, Quantity.STORED})
POWERS = frozenset({Quantity.POWER})
UNITS: Mapping[str, tuple[frozenset[Quantity], Ratio]] = {
    "W": (POWERS, Ratio(1, 1000)),
    "KW": (POWERS, Ratio(1, 1)),
    "MW": (POWERS, Ratio(1000, 1)),
    "WH": (ENERGIES, Ratio(1, 1000)),
    "KWH": (ENERGIES, Ratio(1, 1)),
    "MWH": (ENERGIES, Ratio(1000, 1)),
    "PERCENT": (frozenset({Quantity.CHARGE_LEVEL}), Ratio(1, 1)),
    "%": (frozenset({Quantity.CHARGE_LEVEL}), Ratio(1, 1)),
}
"""By unit: the quantities that are measured in it, and what makes kW, kWh or % of a value."""
UNIT_OF: Mapping[Quantity, str] = {
    Quantity.POWER: "KW",
    Quantity.ENERGY: "KWH",
    Quantity.REGISTER: "KWH",
    Quantity.STORED: "KWH",
    Quantity.CHARGE_LEVEL: "PERCENT",
}
"""What a value is kept and given back in."""
NO_ACTIVE_ENERGY = frozenset(
    {"VA", "KVA", "VAH", "KVAH", "VAR", "KVAR", "VARH", "KVARH", "MVARH", "M3"}
)
"""Skipped and counted: reactive and apparent power, and gas, are no part of any report."""


def is_unit_of(unit: str, quantity: Quantity) -> bool:
    """Whether a quantity is measured in it."""
    quantities, _ = UNITS.get(unit.strip().upper(), (frozenset[Quantity](), None))
    return quantity in quantities


def ratio(unit: str, quantity: Quantity) -> Ratio:
    """Of values in this unit. ValueError: the quantity is not measured in it."""
    quantities, found = UNITS.get(unit.strip().upper(), (frozenset[Quantity](), Ratio(1, 1)))
    if unit.strip().startswith("mW"):
        raise ValueError(f"{unit.strip()[:20]} is a thousandth of W")
    if not unit.strip():
        raise ValueError(f"there is no unit of {quantity.value}")
    if quantity not in quantities:
        raise ValueError(f"{quantity.value} is not measured in {unit.strip()[:20]}")
    return found
