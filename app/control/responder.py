"""How resources answer what is asked of them: policies, limits, capacity of sites."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from app.control.capacity import WAYS
from app.control.model import ControlInput, ControlResult, ResourceArrays
from app.control.policies import Group, Policy, bounds_of_stores, flow_kw
from app.control.signals import SIMPLE, ControlSignals
from app.fleet import ResourceKind

Float32 = npt.NDArray[np.float32]
SETPOINTS = ("CONTROL_SETPOINT", "DISPATCH_SETPOINT")


class Responder:
    """Works out what resources do where these signals are active. Safe for several threads.

    `policies`: one per kind of resource.
    """

    def __init__(self, policies: Mapping[ResourceKind, Policy]) -> None:
        self.policies = policies
        self.comfort_h: Mapping[ResourceKind, float] = {
            kind: policy.comfort_h for kind, policy in policies.items()
        }
        nothing = None, np.ones(0, dtype=np.float32)
        self._efficiency: tuple[ResourceArrays | None, Float32] = nothing
        self._efficiency_of_part: tuple[ResourceArrays | None, Float32] = nothing
        """Of the one that was looked at last: forecasts look at it for each of their spans."""

    def respond(
        self, resources: ResourceArrays, inputs: ControlInput, signals: ControlSignals
    ) -> ControlResult:
        """What these resources are asked to do."""
        self_discharge = self._self_discharge_kw(resources, inputs.shape_kw, inputs.mean_kw)
        efficiency = self._efficiency_of(resources)
        low, high = bounds_of_stores(
            lowest_kw=resources.lowest_kw,
            highest_kw=resources.highest_kw,
            stored_kwh=inputs.stored_kwh,
            store_min_kwh=resources.store_min_kwh,
            store_max_kwh=resources.store_max_kwh,
            self_discharge_kw=self_discharge,
            efficiency=efficiency,
            step_h=inputs.step_h,
        )
        baseline = np.clip(inputs.shape_kw, low, high)
        power = baseline.copy()
        for kind, columns in resources.of_kind.items():
            policy = self.policies[kind]
            low[columns], high[columns] = policy.bounds_kw(
                baseline[columns], low[columns], high[columns]
            )
            followed = {
                name: signals.by_type[name] for name in policy.follows & signals.by_type.keys()
            }
            group = Group(
                resources=resources,
                inputs=inputs,
                columns=columns,
                low=low,
                high=high,
                signals=followed,
            )
            power[columns] = policy.requested_kw(group, baseline[columns])
        if inputs.is_fixed is not None:
            for bound in (low, high):
                np.copyto(bound, baseline, where=inputs.is_fixed)
        np.clip(power, low, high, out=power)
        _share_out(power, low, high, signals)
        stored = inputs.stored_kwh + np.float32(inputs.step_h) * (
            flow_kw(power, efficiency) - self_discharge
        )
        np.clip(stored, resources.store_min_kwh, resources.store_max_kwh, out=stored)
        return ControlResult(
            commanded_kw=power,
            baseline_kw=baseline,
            stored_kwh=stored.astype(np.float32),
            lowest_kw=low,
            highest_kw=high,
            level=_levels(signals),
            setpoint_kw=_setpoints(signals),
        )

    def into_stores_kw(
        self, resources: ResourceArrays, power_kw: Float32, *, shape_kw: Float32, mean_kw: Float32
    ) -> Float32:
        """What is added to each store where these powers flow, less what it gives off, kW."""
        flow = flow_kw(power_kw, self._efficiency_of(resources))
        return flow - self._self_discharge_kw(resources, shape_kw, mean_kw)

    def _self_discharge_kw(
        self, resources: ResourceArrays, shape_kw: Float32, mean_kw: Float32
    ) -> Float32:
        given_off = np.zeros(resources.roster.size, dtype=np.float32)
        for kind, columns in resources.of_kind.items():
            given_off[columns] = self.policies[kind].self_discharge_kw(
                shape_kw[columns], mean_kw[columns]
            )
        return given_off

    def _efficiency_of(self, resources: ResourceArrays) -> Float32:
        """Of each resource's store, one way."""
        is_part = resources.is_part
        known, efficiency = self._efficiency_of_part if is_part else self._efficiency
        if known is not resources:
            efficiency = np.ones(resources.roster.size, dtype=np.float32)
            for kind, columns in resources.of_kind.items():
                efficiency[columns] = self.policies[kind].efficiency
            if is_part:
                self._efficiency_of_part = resources, efficiency
            else:
                self._efficiency = resources, efficiency
        return efficiency


def _share_out(power: Float32, low: Float32, high: Float32, signals: ControlSignals) -> None:
    """Hold each site to its capacity: all that can give way give way alike."""
    for way, give_way, sign in zip(WAYS, (low, high), (1.0, -1.0), strict=True):
        for capacity in signals.capacities.get(way, ()):
            held, site, sites = capacity.columns, capacity.site, len(capacity.most_kw)
            used, least = power[held], give_way[held]
            net = sign * np.bincount(site, weights=used, minlength=sites)
            room = np.abs(used - least)
            rooms = np.bincount(site, weights=room, minlength=sites)
            excess = np.clip(net - capacity.most_kw, 0, None)
            share = np.divide(excess, rooms, out=np.zeros(sites), where=rooms > 0)
            change = sign * np.minimum(share, 1.0)[site] * room
            power[held] = (used - change).astype(np.float32)


def _levels(signals: ControlSignals) -> npt.NDArray[np.int8]:
    asked = signals.by_type.get(SIMPLE)
    if asked is None:
        return np.zeros(signals.size, dtype=np.int8)
    return np.nan_to_num(asked).astype(np.int8)


def _setpoints(signals: ControlSignals) -> Float32:
    if signals.by_type.keys().isdisjoint(SETPOINTS):
        return np.full(signals.size, np.nan, dtype=np.float32)
    control, dispatch = (signals.of(name) for name in SETPOINTS)
    return np.where(np.isnan(dispatch), control, dispatch)
