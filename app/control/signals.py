"""What is active, as columns: one array per payload type, one element per resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from app.control.capacity import (
    WAYS,
    Limit,
    Limits,
    SharedCapacity,
    add_limit,
    capacities,
)
from app.control.model import ResourceArrays
from app.control.policies import LIMITS, PRICES
from app.events import ActivePayload, SeenEvent, active_payloads

Float32 = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]
ALERT_PREFIX = "ALERT_"
SIMPLE = "SIMPLE"
NEGATIVE_EXPORT_PRICE = -2.0
"""The signal, outside of -1 to 1, of an export price below zero: exporting costs."""
MAX_MAGNITUDE = 1e12
MAX_PRICES = 1_000
"""Prices of one event that a price is compared with, at most."""
POWER_TYPES = frozenset(
    {"DISPATCH_SETPOINT", "DISPATCH_SETPOINT_RELATIVE", "CONTROL_SETPOINT"}
    | {
        f"{way}_CAPACITY_{payload_type}"
        for way in ("IMPORT", "EXPORT")
        for payload_type in ("LIMIT", "SUBSCRIPTION", "RESERVATION")
    }
)
PERCENT_OFFSET = "CONTROL_LEVEL_OFFSET_PERCENT"
CHARGE_STATE = "CHARGE_STATE_SETPOINT"


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlSignals:
    """What active events ask of resources, until that may change."""

    by_type: Mapping[str, Float32]
    """NaN where nothing is asked."""
    holds_until: datetime | None
    unsupported: Sequence[tuple[str, str]]
    """(event id, payload type) of active payloads whose type, units or value is not supported."""
    asked_by: Mapping[str, tuple[str, str]]
    """By payload type: an event that asks for it, and as which type (an ALERT asks for SIMPLE)."""
    size: int
    events: Sequence[SeenEvent] = ()
    """Those that ask for anything."""
    event_of: Mapping[str, Places] = field(default_factory=dict)
    """By payload type, the place in `events` of the one that asks each resource; -1: none does."""
    capacities: Mapping[str, Sequence[SharedCapacity]] = field(default_factory=dict)
    """By way, IMPORT or EXPORT: the sites that are limited."""

    def resources_per_type(self) -> dict[str, int]:
        """How many resources are asked for each type."""
        return {
            payload_type: int((~np.isnan(array)).sum())
            for payload_type, array in self.by_type.items()
        }

    def of(self, payload_type: str) -> Float32:
        """What is asked of one type, NaN where nothing is."""
        array = self.by_type.get(payload_type)
        return np.full(self.size, np.nan, dtype=np.float32) if array is None else array


@dataclass(kw_only=True)
class _SignalBuilder:
    resources: ResourceArrays
    arrays: dict[str, Float32] = field(default_factory=dict)
    unsupported: list[tuple[str, str]] = field(default_factory=list)
    asked_by: dict[str, tuple[str, str]] = field(default_factory=dict)
    events: list[SeenEvent] = field(default_factory=list)
    event_of: dict[str, Places] = field(default_factory=dict)
    limits: dict[str, dict[str, Limits]] = field(default_factory=dict)
    """By payload type and VEN."""

    def place_of(self, seen: SeenEvent) -> int:
        """Its place in `events`; payloads of one event come one after the other."""
        if not self.events or self.events[-1] is not seen:
            self.events.append(seen)
        return len(self.events) - 1


class SignalResolver:
    """Makes signals out of the events of each VEN.

    `alert_level`: the SIMPLE level that an ALERT is treated as. `percent_sign`: 1 where a positive
    CONTROL_LEVEL_OFFSET_PERCENT means less load, as a positive CONTROL_LEVEL_OFFSET does; -1 where
    it means more (openadr.md, 'Reports': the specification says both).
    """

    def __init__(self, *, alert_level: int, percent_sign: int) -> None:
        self._alert_level = float(alert_level)
        self._percent_sign = float(percent_sign)

    def make(
        self,
        resources: ResourceArrays,
        events_of: Callable[[str], Sequence[SeenEvent]],
        now: datetime,
    ) -> ControlSignals:
        """What is asked of these resources now.

        `events_of`: a VEN's events by rising precedence, so that the last one prevails.
        """
        builder = _SignalBuilder(resources=resources)
        until: datetime | None = None
        for ven_name in resources.roster.ven_names:
            events = events_of(ven_name)
            for active_payload in active_payloads(events, now):
                self._add(builder, ven_name, active_payload, now)
            for seen in events:
                change = seen.timeline.next_change(now)
                if change is not None and (until is None or change < until):
                    until = change
        return ControlSignals(
            by_type=builder.arrays,
            holds_until=until,
            unsupported=builder.unsupported,
            asked_by=builder.asked_by,
            size=resources.roster.size,
            events=builder.events,
            event_of=builder.event_of,
            capacities=capacities(
                builder.limits,
                {way: builder.arrays.get(f"{way}_CAPACITY_RESERVATION") for way in WAYS},
                resources.roster.size,
            ),
        )

    def _add(
        self, builder: _SignalBuilder, ven_name: str, payload: ActivePayload, now: datetime
    ) -> None:
        payload_type = SIMPLE if payload.type.startswith(ALERT_PREFIX) else payload.type
        columns = builder.resources.roster.columns(ven_name)
        value = self._value(builder.resources, columns, payload, now)
        if value is None:
            builder.unsupported.append((payload.event_id, payload.type))
            return
        array = builder.arrays.get(payload_type)
        if array is None:
            size = builder.resources.roster.size
            array = builder.arrays[payload_type] = np.full(size, np.nan, dtype=np.float32)
            builder.event_of[payload_type] = np.full(size, -1, dtype=np.int32)
        builder.asked_by[payload_type] = payload.event_id, payload.type
        part, event_of = array[columns], builder.event_of[payload_type][columns]
        asked = np.ones(len(part), dtype=np.bool_)
        if payload.seen.scope is not None:
            names = builder.resources.roster.names(ven_name)
            asked[:] = [name in payload.seen.scope for name in names]
        if payload.type.startswith(ALERT_PREFIX):
            asked &= ~(part >= value)  # an alert does not end a higher level
        place = builder.place_of(payload.seen)
        if payload_type in LIMITS:
            own = columns.start + np.flatnonzero(asked)
            limit = Limit(own, value[asked] if isinstance(value, np.ndarray) else value)
            if len(own):
                of_type = builder.limits.setdefault(payload_type, {})
                add_limit(of_type.setdefault(ven_name, []), limit)
        np.copyto(part, value, where=asked)
        event_of[asked] = place

    def _value(
        self, resources: ResourceArrays, columns: slice, payload: ActivePayload, now: datetime
    ) -> Float32 | float | None:
        """One number for all, or one per resource; None: type, units or value is not supported."""
        if payload.type.startswith(ALERT_PREFIX):
            return self._alert_level
        value = _number(payload.value)
        if value is None:
            return None
        if payload.type in POWER_TYPES:
            return _scaled(value, payload.units, resources.rated_kw[columns])
        if payload.type == CHARGE_STATE:
            low, high = resources.store_min_kwh[columns], resources.store_max_kwh[columns]
            if payload.units in (None, "PERCENT"):
                return np.asarray(low + value * (high - low), dtype=np.float32)
            return value if payload.units == "KWH" else None
        if payload.type in PRICES:
            return _relative_price(payload, value, now)
        if payload.type == SIMPLE:
            return min(max(round(value), 0), 3)
        if payload.type == "CONTROL_LEVEL_OFFSET":
            return min(max(value, -10.0), 10.0)
        if payload.type == PERCENT_OFFSET:
            return self._percent_sign * min(max(value, -1.0), 1.0)
        return None


def _number(value: object) -> float | None:
    """The value as a float; None where it is not numeric, or out of range."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE else None


def _scaled(value: float, units: str | None, rated_kw: Float32) -> Float32 | float | None:
    if units in (None, "KW", "KVA"):
        return value
    return np.asarray(value * rated_kw, dtype=np.float32) if units == "PERCENT" else None


def _relative_price(payload: ActivePayload, value: float, now: datetime) -> float:
    """Where a price stands among those of its event: from -1 (cheapest) to 1 (most expensive)."""
    if value < 0 and payload.type == "EXPORT_PRICE":
        return NEGATIVE_EXPORT_PRICE
    prices = list(_prices(payload, now))
    low, high = min(prices), max(prices)
    mean = sum(prices) / len(prices)
    spread = max(high - mean, mean - low)
    return (value - mean) / spread if spread > 0 else 0.0


def _prices(payload: ActivePayload, now: datetime) -> Iterator[float]:
    """All prices of the same pass of the event, with this one."""
    timeline = payload.seen.timeline
    count = 0
    for interval in timeline.of_pass(timeline.pass_at(now)):
        for other in interval.payloads:
            if other.type != payload.type:
                continue
            for value in other.values:
                number = _number(value)
                if number is not None:
                    yield number
                    count += 1
                    if count == MAX_PRICES:
                        return
    if not count:
        yield 0.0
