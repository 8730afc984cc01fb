"""How the fleet answers the active events: signals, policies, limits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from app.control.model import ControlInput, ControlResult, ResourceArrays
from app.control.policies import Group, Policy, bounds_of_stores, flow_kw
from app.control.signals import SIMPLE, ControlSignals, SignalResolver
from app.events import EventStore, SeenEvent, by_precedence
from app.fleet import ResourceKind
from app.platform import LogOnce

logger = logging.getLogger(__name__)

Float32 = npt.NDArray[np.float32]
SETPOINTS = ("CONTROL_SETPOINT", "DISPATCH_SETPOINT")


class FleetController:
    """ControlModel for all resources at once; what is asked is worked out when it may have changed.

    `policies`: one per kind of resource. Safe for several threads.
    """

    def __init__(
        self,
        *,
        events: EventStore,
        resolver: SignalResolver,
        policies: Mapping[ResourceKind, Policy],
        log_once: LogOnce,
    ) -> None:
        self._events = events
        self._log_once = log_once
        self._resolver = resolver
        self._policies = policies
        self.comfort_h: Mapping[ResourceKind, float] = {
            kind: policy.comfort_h for kind, policy in policies.items()
        }
        self._lock = threading.Lock()
        self._revision = -1
        self._by_precedence: dict[str, Sequence[SeenEvent]] = {}
        self._resources: ResourceArrays | None = None
        self._efficiency: tuple[ResourceArrays | None, Float32] = None, np.ones(0, dtype=np.float32)
        self._signals: ControlSignals | None = None
        self._made_at: datetime | None = None
        self._active: dict[str, int] = {}

    def answer(self, resources: ResourceArrays, inputs: ControlInput) -> ControlResult:
        """What these resources are asked to do."""
        signals = self._signals_for(resources, inputs.now)
        self_discharge = np.zeros(resources.roster.size, dtype=np.float32)
        for kind, columns in resources.of_kind.items():
            self_discharge[columns] = self._policies[kind].self_discharge_kw(
                inputs.shape_kw[columns], inputs.mean_kw[columns]
            )
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
            policy = self._policies[kind]
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
        np.clip(power, low, high, out=power)
        _share_out(power, low, high, resources, signals.by_type)
        self._log_unsupported(resources, signals)
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
            level=np.nan_to_num(signals.of(SIMPLE)).astype(np.int8),
            setpoint_kw=_setpoints(signals),
        )

    def _efficiency_of(self, resources: ResourceArrays) -> Float32:
        """Of each resource's store, one way."""
        known, efficiency = self._efficiency
        if known is not resources:
            efficiency = np.ones(resources.roster.size, dtype=np.float32)
            for kind, columns in resources.of_kind.items():
                efficiency[columns] = self._policies[kind].efficiency
            if not resources.is_part:
                self._efficiency = resources, efficiency
        return efficiency

    def _signals_for(self, resources: ResourceArrays, now: datetime) -> ControlSignals:
        with self._lock:
            if self._events.revision != self._revision:
                self._revision = self._events.revision
                self._by_precedence.clear()
                self._signals = None
            if resources.is_part:
                return self._resolver.make(resources, self._events_of, now)
            if resources is not self._resources:
                self._resources, self._signals = resources, None
            signals = self._signals
            if signals is None or not self._holds(signals, now):
                signals = self._resolver.make(resources, self._events_of, now)
                self._signals, self._made_at = signals, now
                self._log_what_changed(signals.resources_per_type())
            return signals

    def _holds(self, signals: ControlSignals, now: datetime) -> bool:
        """Whether these are of this instant, too; a clock may go back."""
        if self._made_at is None or now < self._made_at:
            return False
        return signals.holds_until is None or now < signals.holds_until

    def _events_of(self, ven_name: str) -> Sequence[SeenEvent]:
        if ven_name not in self._by_precedence:
            self._by_precedence[ven_name] = by_precedence(self._events.of_ven(ven_name))
        return self._by_precedence[ven_name]

    def _log_what_changed(self, now: dict[str, int]) -> None:
        """One line when something else is active than before."""
        if now != self._active:
            text = "; ".join(f"{kind} for {count} resources" for kind, count in sorted(now.items()))
            logger.info("active: %s", text or "nothing")
        self._active = now

    def _log_unsupported(self, resources: ResourceArrays, signals: ControlSignals) -> None:
        """Each active payload type that is not followed, once per event."""
        for event_id, kind in signals.unsupported:
            self._log_unsupported_once(event_id, kind, "its type, units or value is not supported")
        for kind, (event_id, asked_as) in signals.asked_by.items():
            cannot = [
                name for name in resources.of_kind if kind not in self._policies[name].follows
            ]
            if cannot:
                self._log_unsupported_once(
                    event_id, asked_as, f"{', '.join(cannot)} cannot follow it"
                )

    def _log_unsupported_once(self, event_id: str, kind: str, words: str) -> None:
        line = f"event {event_id}: {kind}: {words}"
        self._log_once(
            logger, logging.INFO, line, about=f"event {event_id}: {kind} is not followed"
        )


def _share_out(
    power: Float32,
    low: Float32,
    high: Float32,
    resources: ResourceArrays,
    signals: Mapping[str, Float32],
) -> None:
    """Hold each site to its capacity: all that can give way give way alike.

    A site is the resources of a VEN that the limit is meant for. A LIMIT prevails over what was
    subscribed and reserved (User Guide 8.10.1).
    """
    for way, give_way, sign in (("IMPORT", low, 1.0), ("EXPORT", high, -1.0)):
        limit = _limit(signals, way)
        if limit is None:
            continue
        held = ~np.isnan(limit)
        site = resources.ven_of[held]
        sites = int(resources.ven_of[-1]) + 1 if len(resources.ven_of) else 0
        net = sign * np.bincount(site, weights=power[held], minlength=sites)
        most = np.full(sites, np.inf)
        np.minimum.at(most, site, limit[held])
        room = np.abs(power[held] - give_way[held])
        rooms = np.bincount(site, weights=room, minlength=sites)
        excess = np.clip(net - most, 0, None)
        share = np.divide(excess, rooms, out=np.zeros(sites), where=rooms > 0)
        change = sign * np.minimum(share, 1.0)[site] * room
        power[held] = (power[held] - change).astype(np.float32)


def _limit(signals: Mapping[str, Float32], way: str) -> Float32 | None:
    limit = signals.get(f"{way}_CAPACITY_LIMIT")
    subscribed = signals.get(f"{way}_CAPACITY_SUBSCRIPTION")
    if subscribed is not None:
        reserved = signals.get(f"{way}_CAPACITY_RESERVATION")
        if reserved is not None:
            subscribed = subscribed + np.nan_to_num(reserved)
        limit = subscribed if limit is None else np.where(np.isnan(limit), subscribed, limit)
    return limit


def _setpoints(signals: ControlSignals) -> Float32:
    control, dispatch = (signals.of(name) for name in SETPOINTS)
    return np.where(np.isnan(dispatch), control, dispatch)
