"""What is in force, as columns: one array per payload type, one element per resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from app.control.model import ResourceArrays
from app.control.policies import PRICES
from app.events import ActivePayload, SeenEvent, active_payloads

Float32 = npt.NDArray[np.float32]
ALERTS = "ALERT_"
SIMPLE = "SIMPLE"
BELOW_ZERO = -2.0
"""An export price below zero: nobody wants what is exported."""
MAX_MAGNITUDE = 1e12
MAX_PRICES = 1_000
"""Of one event: what a price is compared with."""
POWERS = frozenset(
    {"DISPATCH_SETPOINT", "DISPATCH_SETPOINT_RELATIVE", "CONTROL_SETPOINT"}
    | {
        f"{way}_CAPACITY_{kind}"
        for way in ("IMPORT", "EXPORT")
        for kind in ("LIMIT", "SUBSCRIPTION", "RESERVATION")
    }
)
PERCENT_OFFSET = "CONTROL_LEVEL_OFFSET_PERCENT"
CHARGE = "CHARGE_STATE_SETPOINT"


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlSignals:
    """What is asked of resources, until it may change."""

    by_type: Mapping[str, Float32]
    """NaN where nothing is asked."""
    holds_until: datetime | None
    not_followed: Sequence[tuple[str, str]]
    """(event id, payload type) of what is in force and not understood."""
    asked_by: Mapping[str, str]
    """By payload type: one event that asks for it."""
    size: int

    def in_force(self) -> dict[str, int]:
        """How many resources are asked for each type."""
        return {kind: int((~np.isnan(array)).sum()) for kind, array in self.by_type.items()}

    def of(self, kind: str) -> Float32:
        """What is asked of one type, NaN where nothing is."""
        array = self.by_type.get(kind)
        return np.full(self.size, np.nan, dtype=np.float32) if array is None else array


@dataclass(kw_only=True)
class _Making:
    resources: ResourceArrays
    arrays: dict[str, Float32] = field(default_factory=dict)
    not_followed: list[tuple[str, str]] = field(default_factory=list)
    asked_by: dict[str, str] = field(default_factory=dict)


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
        making = _Making(resources=resources)
        until: datetime | None = None
        for ven_name in resources.roster.ven_names:
            events = events_of(ven_name)
            for active_payload in active_payloads(events, now):
                self._add(making, ven_name, active_payload, now)
            for seen in events:
                change = seen.timeline.next_change(now)
                if change is not None and (until is None or change < until):
                    until = change
        return ControlSignals(
            by_type=making.arrays,
            holds_until=until,
            not_followed=making.not_followed,
            asked_by=making.asked_by,
            size=resources.roster.size,
        )

    def _add(self, making: _Making, ven_name: str, each: ActivePayload, now: datetime) -> None:
        kind = SIMPLE if each.type.startswith(ALERTS) else each.type
        columns = making.resources.roster.columns(ven_name)
        value = self._value(making.resources, columns, each, now)
        if value is None:
            making.not_followed.append((each.event_id, each.type))
            return
        array = making.arrays.get(kind)
        if array is None:
            array = making.arrays[kind] = np.full(
                making.resources.roster.size, np.nan, dtype=np.float32
            )
        making.asked_by[kind] = each.event_id
        part = array[columns]
        if each.seen.scope is not None:
            names = making.resources.roster.names(ven_name)
            meant = np.array([name in each.seen.scope for name in names], dtype=np.bool_)
            value = np.where(meant, value, part)
        if each.type.startswith(ALERTS):
            value = np.fmax(part, value)  # an alert does not end a higher level
        part[:] = value

    def _value(
        self, resources: ResourceArrays, columns: slice, each: ActivePayload, now: datetime
    ) -> Float32 | float | None:
        """One number for all, or one per resource; None for what is not understood."""
        if each.type.startswith(ALERTS):
            return self._alert_level
        value = _number(each.value)
        if value is None:
            return None
        if each.type in POWERS:
            return _scaled(value, each.units, resources.rated_kw[columns])
        if each.type == CHARGE:
            low, high = resources.store_min_kwh[columns], resources.store_max_kwh[columns]
            if each.units in (None, "PERCENT"):
                return np.asarray(low + value * (high - low), dtype=np.float32)
            return value if each.units == "KWH" else None
        if each.type in PRICES:
            return _dearness(each, value, now)
        if each.type == SIMPLE:
            return min(max(round(value), 0), 3)
        if each.type == "CONTROL_LEVEL_OFFSET":
            return min(max(value, -10.0), 10.0)
        if each.type == PERCENT_OFFSET:
            return self._percent_sign * min(max(value, -1.0), 1.0)
        return None


def _number(value: object) -> float | None:
    """A number that can be meant; None for all else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE else None


def _scaled(value: float, units: str | None, rated_kw: Float32) -> Float32 | float | None:
    if units in (None, "KW", "KVA"):
        return value
    return np.asarray(value * rated_kw, dtype=np.float32) if units == "PERCENT" else None


def _dearness(each: ActivePayload, value: float, now: datetime) -> float:
    """Where a price stands among those of its event: from -1, the cheapest, to 1, the dearest."""
    if value < 0 and each.type == "EXPORT_PRICE":
        return BELOW_ZERO
    prices = list(_prices(each, now))
    low, high = min(prices), max(prices)
    mean = sum(prices) / len(prices)
    spread = max(high - mean, mean - low)
    return (value - mean) / spread if spread > 0 else 0.0


def _prices(each: ActivePayload, now: datetime) -> Iterator[float]:
    """All prices of the same pass of the event, this one included."""
    timeline = each.seen.timeline
    found = 0
    for interval in timeline.of_pass(timeline.pass_at(now)):
        for payload in interval.payloads:
            if payload.type != each.type:
                continue
            for value in payload.values:
                number = _number(value)
                if number is not None:
                    yield number
                    found += 1
                    if found == MAX_PRICES:
                        return
    if not found:
        yield 0.0
