"""How each kind of resource answers what it is asked.

A policy is one small class per kind; the container gives each kind one, and a deployment may give
another. It sees all resources of its kind at once and says what they would like to do; what they
can do (limits of power, of energy, of comfort) is settled around it, and always holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.control.model import ControlInput, ResourceArrays
from app.fleet import ResourceKind

Columns = npt.NDArray[np.intp]
Float32 = npt.NDArray[np.float32]

ONE_WAY_EFFICIENCY = 0.95
"""Into a store or out of it; about 0.9 there and back."""
SHED_SHARE = np.array([0.0, 0.3, 0.6, 1.0], dtype=np.float32)
"""How much of what can be shed is shed at each SIMPLE level."""
MAX_LEVEL_OFFSET = 10.0
"""CONTROL_LEVEL_OFFSET is from -10 to 10."""
RECOVERY_H = 4.0
"""In how many hours comfort that was put off is made good."""

IDLE_KW = 0.01
"""Less is no power, and no difference in power."""

BY_STRENGTH = (
    *("GHG", "PRICE", "EXPORT_PRICE", "SIMPLE", "CONTROL_LEVEL_OFFSET"),
    *("CONTROL_LEVEL_OFFSET_PERCENT", "CHARGE_STATE_SETPOINT", "DISPATCH_SETPOINT_RELATIVE"),
    *("CONTROL_SETPOINT", "DISPATCH_SETPOINT"),
)
"""What asks for a power, the weakest first: of several, the last one decides."""
SHED = frozenset({"SIMPLE", "CONTROL_LEVEL_OFFSET", "CONTROL_LEVEL_OFFSET_PERCENT"})
SET = frozenset({"DISPATCH_SETPOINT", "DISPATCH_SETPOINT_RELATIVE", "CONTROL_SETPOINT"})
PRICES = frozenset({"PRICE", "EXPORT_PRICE", "GHG"})
LIMITS = frozenset(
    f"{way}_CAPACITY_{kind}"
    for way in ("IMPORT", "EXPORT")
    for kind in ("LIMIT", "SUBSCRIPTION", "RESERVATION")
)
"""Shared out over the site, whoever is on it."""


class Group:
    """The resources of one kind, one array element each, of those that are looked at.

    `low`, `high`: the lowest and the highest power of each resource in this step, kW.
    `signals`: of all resources, by payload type, in kW where it is a power and kWh where it is an
    energy; NaN: not asked. PRICE, EXPORT_PRICE and GHG are from -1, the cheapest of its event, to
    1, the dearest; the percent offset is from -1 to 1, positive for less load.
    """

    def __init__(
        self,
        *,
        resources: ResourceArrays,
        inputs: ControlInput,
        columns: Columns,
        low: Float32,
        high: Float32,
        signals: Mapping[str, Float32],
    ) -> None:
        self._resources = resources
        self._inputs = inputs
        self._columns = columns
        self._low = low
        self._high = high
        self.step_h = inputs.step_h
        asked = ((name, array[columns]) for name, array in signals.items())
        self.signals = {name: part for name, part in asked if not np.isnan(part).all()}

    # Worked out when it is needed: where nothing is asked, little of it is.

    @cached_property
    def shape_kw(self) -> Float32:
        return self._inputs.shape_kw[self._columns]

    @cached_property
    def mean_kw(self) -> Float32:
        return self._inputs.mean_kw[self._columns]

    @cached_property
    def stored_kwh(self) -> Float32:
        return self._inputs.stored_kwh[self._columns]

    @cached_property
    def store_min_kwh(self) -> Float32:
        return self._resources.store_min_kwh[self._columns]

    @cached_property
    def store_max_kwh(self) -> Float32:
        return self._resources.store_max_kwh[self._columns]

    @cached_property
    def lowest_kw(self) -> Float32:
        return self._low[self._columns]

    @cached_property
    def highest_kw(self) -> Float32:
        return self._high[self._columns]


class Policy(Protocol):
    """How one kind of resource behaves."""

    follows: frozenset[str]
    """The payload types that it can follow."""
    efficiency: float
    """Efficiency of its store, one way, from 0 to 1."""
    comfort_h: float
    """For how many hours at rated power its load can be put off or brought forward."""

    def self_discharge_kw(self, shape_kw: Float32, mean_kw: Float32) -> Float32:
        """Self-discharge, kW: what the store loses or gives off when nothing is asked."""

    def bounds_kw(
        self, baseline_kw: Float32, low: Float32, high: Float32
    ) -> tuple[Float32, Float32]:
        """The lowest and the highest power that it may have, whatever is asked, kW.

        `low`, `high`: the limits of its power, narrowed by what its store allows.
        """

    def requested_kw(self, group: Group, baseline_kw: Float32) -> Float32:
        """The power that it wants, kW; it is clipped to `bounds_kw`, and to capacity limits."""


class Fixed:
    """Base load: nothing can be moved."""

    follows: frozenset[str] = LIMITS
    efficiency = 1.0
    comfort_h = 0.0

    def self_discharge_kw(self, shape_kw: Float32, mean_kw: Float32) -> Float32:  # noqa: ARG002
        return np.zeros_like(shape_kw)

    def bounds_kw(
        self,
        baseline_kw: Float32,
        low: Float32,  # noqa: ARG002 - it does what it does
        high: Float32,  # noqa: ARG002
    ) -> tuple[Float32, Float32]:
        return baseline_kw, baseline_kw

    def requested_kw(self, group: Group, baseline_kw: Float32) -> Float32:  # noqa: ARG002
        return baseline_kw


class Flexible(Fixed):
    """What can be asked for less or more. The stronger signal wins: a set point is stronger than a
    change, a change stronger than a level, a level stronger than a price."""

    follows = LIMITS | SHED | SET | PRICES

    def bounds_kw(
        self, baseline_kw: Float32, low: Float32, high: Float32
    ) -> tuple[Float32, Float32]:
        return np.minimum(low, baseline_kw), np.maximum(high, baseline_kw)

    def requested_kw(self, group: Group, baseline_kw: Float32) -> Float32:
        requested = self.of_itself_kw(group, baseline_kw)
        for name in BY_STRENGTH:
            signal = group.signals.get(name)
            if signal is not None:
                wanted = self._answer_kw(name, signal, group, baseline_kw, requested)
                requested = np.where(np.isnan(signal), requested, wanted).astype(np.float32)
        return requested

    def _answer_kw(
        self,
        name: str,
        signal: Float32,
        group: Group,
        baseline_kw: Float32,
        requested: Float32,
    ) -> Float32:
        """What one signal makes of the power, where it is given. `requested`: by weaker ones."""
        if name in ("CONTROL_SETPOINT", "DISPATCH_SETPOINT"):
            return signal
        if name == "DISPATCH_SETPOINT_RELATIVE":
            return baseline_kw + signal
        if name == "CHARGE_STATE_SETPOINT":
            return self._towards(group, signal)
        if name == "SIMPLE":
            return self.shed(group, baseline_kw, signal)
        if name == "EXPORT_PRICE":
            return self.at_export_price(group, requested, signal)
        share = signal / MAX_LEVEL_OFFSET if name == "CONTROL_LEVEL_OFFSET" else signal
        return self._shifted(group, baseline_kw, share)

    def of_itself_kw(self, group: Group, baseline_kw: Float32) -> Float32:  # noqa: ARG002
        """What it does when nothing is asked."""
        return baseline_kw

    def at_export_price(
        self,
        group: Group,  # noqa: ARG002
        requested: Float32,
        dear: Float32,  # noqa: ARG002
    ) -> Float32:
        """What exports nothing does not mind."""
        return requested

    def shed(self, group: Group, baseline_kw: Float32, level: Float32) -> Float32:
        """A SIMPLE level: that share of what can be shed."""
        share = SHED_SHARE[np.clip(np.nan_to_num(level), 0, 3).astype(np.intp)]
        return baseline_kw - share * (baseline_kw - group.lowest_kw)

    def _shifted(self, group: Group, baseline_kw: Float32, share: Float32) -> Float32:
        """From -1, as much as it can, over 0, as ever, to 1, as little as it can."""
        less = np.clip(share, 0, 1) * (baseline_kw - group.lowest_kw)
        more = np.clip(-share, 0, 1) * (group.highest_kw - baseline_kw)
        return baseline_kw - less + more

    def _towards(self, group: Group, target_kwh: Float32) -> Float32:
        """As fast as it can to the state of charge that is asked for, and no further."""
        missing = np.clip(target_kwh, group.store_min_kwh, group.store_max_kwh) - group.stored_kwh
        if group.step_h == 0:
            return np.where(missing > 0, group.highest_kw, group.lowest_kw)
        self_discharge = self.self_discharge_kw(group.shape_kw, group.mean_kw)
        return _power_for(missing / np.float32(group.step_h) + self_discharge, self.efficiency)


class Thermal(Flexible):
    """Heat, cold or air that can be made earlier or later within a comfort band.

    Its store is the comfort that is left: as usual it stays half full; shed, it empties, and is
    made good within RECOVERY_H afterwards.
    """

    def self_discharge_kw(self, shape_kw: Float32, mean_kw: Float32) -> Float32:  # noqa: ARG002
        return shape_kw

    def of_itself_kw(self, group: Group, baseline_kw: Float32) -> Float32:
        missing = (group.store_min_kwh + group.store_max_kwh) / 2 - group.stored_kwh
        return np.asarray(baseline_kw + missing / np.float32(RECOVERY_H), dtype=np.float32)


class HeatPump(Thermal):
    """A house stays warm for about two hours."""

    comfort_h = 2.0


class WaterHeater(Thermal):
    """A tank; it can be told how full to be."""

    comfort_h = 1.5
    follows = Thermal.follows | {"CHARGE_STATE_SETPOINT"}


class Ventilation(Thermal):
    """Air is stale after half an hour."""

    comfort_h = 0.5


class Refrigeration(Thermal):
    """Cold goods keep for an hour."""

    comfort_h = 1.0


class EvCharger(Flexible):
    """A car that is charged here and drives the mean of what it charges; it gives nothing back."""

    follows = Flexible.follows | {"CHARGE_STATE_SETPOINT"}
    efficiency = ONE_WAY_EFFICIENCY

    def self_discharge_kw(self, shape_kw: Float32, mean_kw: Float32) -> Float32:  # noqa: ARG002
        return mean_kw * np.float32(self.efficiency)


class Battery(Flexible):
    """Charges and discharges; discharges more the dearer export is."""

    follows = Flexible.follows | {"CHARGE_STATE_SETPOINT"}
    efficiency = ONE_WAY_EFFICIENCY

    def at_export_price(self, group: Group, requested: Float32, dear: Float32) -> Float32:
        given_kw = np.minimum(requested, dear * np.minimum(group.lowest_kw, 0))
        return np.where(dear > 0, given_kw, requested)


class Photovoltaic(Flexible):
    """The sun decides the most; it can be curtailed, by a set point, a change or a limit.

    Shedding load is no reason to curtail. At a negative export price it stops.
    """

    follows = LIMITS | SET | {"EXPORT_PRICE"}

    def bounds_kw(
        self,
        baseline_kw: Float32,
        low: Float32,  # noqa: ARG002 - the sun sets it
        high: Float32,  # noqa: ARG002
    ) -> tuple[Float32, Float32]:
        return baseline_kw, np.zeros_like(baseline_kw)

    def at_export_price(
        self,
        group: Group,  # noqa: ARG002
        requested: Float32,
        dear: Float32,
    ) -> Float32:
        """-2 stands for a price below zero."""
        return np.where(dear < -1, np.float32(0), requested)


OF_KIND: Mapping[ResourceKind, Callable[[], Policy]] = {
    ResourceKind.BATTERY: Battery,
    ResourceKind.EV_CHARGER: EvCharger,
    ResourceKind.PV: Photovoltaic,
    ResourceKind.HEAT_PUMP: HeatPump,
    ResourceKind.WATER_HEATER: WaterHeater,
    ResourceKind.VENTILATION: Ventilation,
    ResourceKind.REFRIGERATION: Refrigeration,
    ResourceKind.BASE_LOAD: Fixed,
}
"""How each kind of resource answers, where nothing else is wired."""


def bounds_of_stores(
    *,
    lowest_kw: Float32,
    highest_kw: Float32,
    stored_kwh: Float32,
    store_min_kwh: Float32,
    store_max_kwh: Float32,
    self_discharge_kw: Float32,
    efficiency: Float32,
    step_h: float,
) -> tuple[Float32, Float32]:
    """Limits of power, narrowed so that no store runs over or empty within the step; new arrays."""
    if step_h == 0:
        return lowest_kw.copy(), highest_kw.copy()
    hours = np.float32(step_h)
    has_store = store_max_kwh > store_min_kwh
    room = _power_for((store_max_kwh - stored_kwh) / hours + self_discharge_kw, efficiency)
    left = _power_for((store_min_kwh - stored_kwh) / hours + self_discharge_kw, efficiency)
    low = np.where(has_store, np.clip(left, lowest_kw, highest_kw), lowest_kw)
    high = np.where(has_store, np.clip(room, lowest_kw, highest_kw), highest_kw)
    return low, np.maximum(low, high)


def flow_kw(power_kw: Float32, efficiency: Float32) -> Float32:
    """What reaches the store of a power, or leaves it."""
    flow = np.where(power_kw > 0, power_kw * efficiency, power_kw / efficiency)
    return np.asarray(flow, dtype=np.float32)


def _power_for(flow: Float32, efficiency: Float32 | float) -> Float32:
    """The power that makes this flow: the inverse of `flow_kw`."""
    return np.asarray(np.where(flow > 0, flow / efficiency, flow * efficiency), dtype=np.float32)
