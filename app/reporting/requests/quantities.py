"""What a report may hold, and what it is made of (3.1.0 enumerations, report payloads)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from app.intake import Quantity as Measured

ENERGY_UNIT, POWER_UNIT, SHARE_UNIT = "KWH", "KW", "PERCENT"


class Quantity(Enum):
    """How a value is made."""

    INSTANT_POWER = "the power at the instant of a reading"
    REGISTER = "what a meter has counted so far"
    MEAN_POWER = "the mean power over a span"
    PEAK_POWER = "the highest power over a span"
    ENERGY = "the energy over a span"
    BASELINE_POWER = "the mean power over a span, had there been no event"
    BASELINE_ENERGY = "the energy over a span, had there been no event"
    DELTA_ENERGY = "the energy over a span, less what it had been without any event"
    SETPOINT = "the active set point"
    LEVEL = "the active SIMPLE level"
    STATE = "what the resource does, in a word"
    UP_REGULATION = "by how much it can consume less, or give more"
    DOWN_REGULATION = "by how much it can consume more, or give less"
    SHED_AVAILABLE = "by how much it can consume less"
    GENERATION_AVAILABLE = "by how much it can give more"
    USABLE_CAPACITY = "the energy that its store holds when it is full"
    CHARGE_LEVEL = "how full its store is, from 0 to 1"
    MAX_CHARGE = "the power that it can charge with"
    MAX_DISCHARGE = "the power that it can discharge with"

    @property
    def spans(self) -> bool:
        """Whether it lies between two instants."""
        return self in _SPANNING

    @property
    def sums(self) -> bool:
        """Whether the values of several resources add up."""
        return self not in _SINGLE

    @property
    def is_measured(self) -> bool:
        """Whether real meters measure it."""
        return self in TOLD_OF

    @property
    def is_described(self) -> bool:
        """Whether it is known of a resource, without measuring anything."""
        return self in _DESCRIBED


_SPANNING = frozenset(
    {
        *(Quantity.MEAN_POWER, Quantity.PEAK_POWER, Quantity.ENERGY),
        *(Quantity.BASELINE_POWER, Quantity.BASELINE_ENERGY, Quantity.DELTA_ENERGY),
    }
)
_SINGLE = frozenset(
    {
        *(Quantity.LEVEL, Quantity.STATE, Quantity.SETPOINT, Quantity.REGISTER),
        *(Quantity.PEAK_POWER, Quantity.CHARGE_LEVEL),
    }
)
TOLD_OF: Mapping[Quantity, Sequence[Measured]] = {
    Quantity.INSTANT_POWER: (Measured.POWER,),
    Quantity.REGISTER: (Measured.REGISTER,),
    Quantity.CHARGE_LEVEL: (Measured.CHARGE_LEVEL, Measured.STORED),
    Quantity.ENERGY: (Measured.ENERGY, Measured.REGISTER, Measured.POWER),
    Quantity.MEAN_POWER: (Measured.ENERGY, Measured.REGISTER, Measured.POWER),
    Quantity.PEAK_POWER: (Measured.POWER,),
}
"""What real meters measure: of the first of these that a resource has, and of no other."""
_DESCRIBED = frozenset(
    {
        *(Quantity.LEVEL, Quantity.SETPOINT, Quantity.STATE, Quantity.USABLE_CAPACITY),
        *(Quantity.MAX_CHARGE, Quantity.MAX_DISCHARGE),
    }
)
FORECASTS = frozenset({"USAGE_FORECAST", "LOAD_SHED_DELTA_AVAILABLE", "GENERATION_DELTA_AVAILABLE"})
"""Payload types that are about the future, whatever `historical` says (User Guide 7.5)."""
DATA_QUALITY = "DATA_QUALITY"
Served = tuple[Quantity, str | None, str | None]
"""Quantity, readingType and units as they are reported."""

DIRECT: Mapping[str, tuple[Quantity, str | None]] = {
    "READING": (Quantity.INSTANT_POWER, POWER_UNIT),
    "USAGE": (Quantity.ENERGY, ENERGY_UNIT),
    "BASELINE": (Quantity.BASELINE_ENERGY, ENERGY_UNIT),
    "DELTA_USAGE": (Quantity.DELTA_ENERGY, ENERGY_UNIT),
    "SETPOINT": (Quantity.SETPOINT, POWER_UNIT),
    "SIMPLE_LEVEL": (Quantity.LEVEL, None),
    "OPERATING_STATE": (Quantity.STATE, None),
    "UP_REGULATION_AVAILABLE": (Quantity.UP_REGULATION, POWER_UNIT),
    "DOWN_REGULATION_AVAILABLE": (Quantity.DOWN_REGULATION, POWER_UNIT),
    "LOAD_SHED_DELTA_AVAILABLE": (Quantity.SHED_AVAILABLE, POWER_UNIT),
    "GENERATION_DELTA_AVAILABLE": (Quantity.GENERATION_AVAILABLE, POWER_UNIT),
    "STORAGE_USABLE_CAPACITY": (Quantity.USABLE_CAPACITY, ENERGY_UNIT),
    "STORAGE_CHARGE_LEVEL": (Quantity.CHARGE_LEVEL, SHARE_UNIT),
    "STORAGE_MAX_CHARGE_POWER": (Quantity.MAX_CHARGE, POWER_UNIT),
    "STORAGE_MAX_DISCHARGE_POWER": (Quantity.MAX_DISCHARGE, POWER_UNIT),
}
_DIRECT_TYPES = (None, "DIRECT_READ")
_READING_TYPES = ("DIRECT_READ", "MEAN", "AVERAGE", "PEAK", "FORECAST")
_MEAN, _PEAK = frozenset({"MEAN", "AVERAGE"}), "PEAK"


def served(payload_type: str, reading_type: str | None, units: str | None) -> Served | None:
    """What is reported for this; None: it cannot be."""
    if payload_type == "READING" and units == ENERGY_UNIT and reading_type in _DIRECT_TYPES:
        return Quantity.REGISTER, "DIRECT_READ", ENERGY_UNIT
    direct = _by_reading_type(payload_type, reading_type, units)
    if direct is None:
        return None
    quantity, told_type, usual_units = direct
    if units is not None and units != usual_units:
        return None
    return quantity, told_type, usual_units


def _by_reading_type(
    payload_type: str, reading_type: str | None, units: str | None
) -> Served | None:
    if reading_type not in (None, *_READING_TYPES):
        return None
    if payload_type == "USAGE_FORECAST":
        return Quantity.ENERGY, "FORECAST", ENERGY_UNIT
    if payload_type == "DEMAND":
        if reading_type == _PEAK:
            return Quantity.PEAK_POWER, _PEAK, POWER_UNIT
        if reading_type == "DIRECT_READ":
            return Quantity.INSTANT_POWER, "DIRECT_READ", POWER_UNIT
        return Quantity.MEAN_POWER, _or_default(reading_type, "MEAN"), POWER_UNIT
    if payload_type == "BASELINE" and (units == POWER_UNIT or reading_type in _MEAN):
        return Quantity.BASELINE_POWER, _or_default(reading_type, "MEAN"), POWER_UNIT
    if payload_type == "READING" and reading_type in _MEAN:
        return Quantity.MEAN_POWER, reading_type, POWER_UNIT
    if payload_type == "READING" and reading_type == _PEAK:
        return Quantity.PEAK_POWER, _PEAK, POWER_UNIT
    direct = DIRECT.get(payload_type)
    if direct is None or reading_type in (*_MEAN, _PEAK):
        return None
    quantity, usual_units = direct
    return quantity, _or_default(reading_type, "DIRECT_READ"), usual_units


def _or_default(asked: str | None, usual: str) -> str:
    return usual if asked is None else asked
