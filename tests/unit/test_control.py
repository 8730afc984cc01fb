"""How resources answer: whatever is asked, limits hold (User Guide 8; openadr.md, 'Targets')."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.control import (
    ControlInput,
    ControlResult,
    FleetController,
    ResourceArrays,
    SignalResolver,
    half_full,
    policies,
)
from app.control.responder import Responder
from app.events import EventStore, SeenEvent
from app.fleet import ResourceKind
from app.platform import LogOnce
from tests.support.events import NOW, interval, seen
from tests.support.events import in_force as asked
from tests.support.fakes import resource

K = ResourceKind
KINDS = {
    K.BATTERY: policies.Battery(),
    K.EV_CHARGER: policies.EvCharger(),
    K.PV: policies.Photovoltaic(),
    K.HEAT_PUMP: policies.HeatPump(),
    K.WATER_HEATER: policies.WaterHeater(),
    K.VENTILATION: policies.Ventilation(),
    K.REFRIGERATION: policies.Refrigeration(),
    K.BASE_LOAD: policies.Fixed(),
}
LIMITS: dict[ResourceKind, dict[str, float]] = {
    K.BATTERY: {"power_min_kw": -5, "power_max_kw": 5, "energy_max_kwh": 10},
    K.EV_CHARGER: {"power_max_kw": 11, "energy_max_kwh": 44},
    K.PV: {"power_min_kw": -8, "power_max_kw": 0},
    K.WATER_HEATER: {"power_max_kw": 3, "energy_max_kwh": 9},
}
SHAPE = {K.BATTERY: 1.0, K.PV: -4.0}
"""In kW; 2 kW for all others."""


class Book(EventStore):
    """The events that a test gives; the same for every VEN."""

    def __init__(self, events: Sequence[SeenEvent]) -> None:
        self.revision = 0
        self._events = events

    def of_ven(self, ven_name: str) -> Sequence[SeenEvent]:  # noqa: ARG002
        return self._events


def resources() -> ResourceArrays:
    return ResourceArrays.of(
        [("V", resource(kind.value, kind, **LIMITS.get(kind, {}))) for kind in KINDS],
        {kind: policy.comfort_h for kind, policy in KINDS.items()},
    )


def inputs(of: ResourceArrays, *, step_h: float = 1 / 120, **fields: Any) -> ControlInput:
    shape = np.array([SHAPE.get(kind, 2.0) for kind in KINDS], dtype=np.float32)
    values = {
        "now": NOW + timedelta(minutes=1),
        "step_h": step_h,
        "shape_kw": shape,
        "mean_kw": np.abs(shape),
        "stored_kwh": half_full(of),
    }
    return ControlInput(**{**values, **fields})


def controller(*events: SeenEvent, alert_level: int = 3, percent_sign: int = 1) -> FleetController:
    resolver = SignalResolver(alert_level=alert_level, percent_sign=percent_sign)
    return FleetController(
        events=Book(events), resolver=resolver, responder=Responder(KINDS), log_once=LogOnce()
    )


def respond(*events: SeenEvent, **fields: Any) -> dict[ResourceKind, float]:
    """The power of each kind."""
    of = resources()
    result = controller(*events).answer(of, inputs(of, **fields))
    return dict(zip(KINDS, result.commanded_kw.tolist(), strict=True))


USUAL = {kind: SHAPE.get(kind, 2.0) for kind in KINDS}


@pytest.mark.parametrize(
    "name",
    ["kinds", "lowest_kw", "highest_kw", "store_min_kwh", "store_max_kwh", "is_storage"],
)
def test_what_is_known_of_resources_cannot_be_changed(name: str) -> None:
    values = getattr(resources(), name)

    with pytest.raises(ValueError, match="read-only"):
        values[0] = values[1]


def test_without_events_all_do_what_they_do() -> None:
    assert respond() == pytest.approx(USUAL)


@pytest.mark.parametrize(
    ("payload", "kind", "power_kw"),
    [
        (("SIMPLE", 1), K.HEAT_PUMP, 1.4),
        (("SIMPLE", 2), K.VENTILATION, 0.8),
        (("SIMPLE", 3), K.REFRIGERATION, 0.0),
        (("SIMPLE", 3), K.BATTERY, -5.0),
        (("SIMPLE", 3), K.PV, -4.0),
        (("SIMPLE", 3), K.BASE_LOAD, 2.0),
        (("SIMPLE", 7), K.REFRIGERATION, 0.0),
        (("ALERT_BLACK_START", "dark"), K.HEAT_PUMP, 0.0),
        (("DISPATCH_SETPOINT", 3.5), K.EV_CHARGER, 3.5),
        (("DISPATCH_SETPOINT", 99), K.EV_CHARGER, 11.0),
        (("DISPATCH_SETPOINT", -99), K.BATTERY, -5.0),
        (("DISPATCH_SETPOINT", 3), K.PV, 0.0),
        (("DISPATCH_SETPOINT", -2), K.PV, -2.0),
        (("DISPATCH_SETPOINT", 0), K.BASE_LOAD, 2.0),
        (("DISPATCH_SETPOINT_RELATIVE", -0.5), K.HEAT_PUMP, 1.5),
        (("DISPATCH_SETPOINT_RELATIVE", 1.0), K.PV, -3.0),
        (("CONTROL_SETPOINT", 1.2), K.WATER_HEATER, 1.2),
        (("CHARGE_STATE_SETPOINT", 1.0), K.BATTERY, 5.0),
        (("CHARGE_STATE_SETPOINT", 0.0), K.BATTERY, -5.0),
        (("CHARGE_STATE_SETPOINT", 0.5), K.BATTERY, 0.0),
        (("CHARGE_STATE_SETPOINT", 1.0), K.EV_CHARGER, 11.0),
        (("CONTROL_LEVEL_OFFSET", 5), K.HEAT_PUMP, 1.0),
        (("CONTROL_LEVEL_OFFSET", -10), K.HEAT_PUMP, 10.0),
        (("CONTROL_LEVEL_OFFSET_PERCENT", 0.5), K.HEAT_PUMP, 1.0),
        (("CONTROL_LEVEL_OFFSET_PERCENT", -0.5), K.HEAT_PUMP, 6.0),
        (("EXPORT_PRICE", -0.1), K.PV, 0.0),
    ],
)
def test_what_each_kind_does(payload: tuple[str, Any], kind: ResourceKind, power_kw: float) -> None:
    assert respond(asked(payload))[kind] == pytest.approx(power_kw, abs=1e-3)


def test_the_sign_of_the_percent_offset_is_a_setting() -> None:
    of = resources()
    event = asked(("CONTROL_LEVEL_OFFSET_PERCENT", 0.5))

    result = controller(event, percent_sign=-1).answer(of, inputs(of))

    assert result.commanded_kw[3] == pytest.approx(6.0)


def test_an_alert_is_the_level_that_is_set_and_ends_no_higher_one() -> None:
    of = resources()
    events = (asked(("SIMPLE", 3), priority=5), asked(("ALERT_FIRE", "smoke"), priority=0))

    levels = [
        controller(*each, alert_level=1).answer(of, inputs(of)).level.max()
        for each in (events, events[1:])
    ]

    assert levels == [3, 1]


@pytest.mark.parametrize(("kind", "dear", "cheap"), [("PRICE", 0.9, 0.1), ("GHG", 500, 50)])
def test_what_can_be_shifted_goes_to_where_it_is_cheap(
    kind: str, dear: float, cheap: float
) -> None:
    event = seen(
        intervalPeriod={"start": NOW.isoformat(), "duration": "PT1H"},
        intervals=[interval(0, dear, kind), interval(1, cheap, kind)],
    )
    first = respond(event)
    second = respond(event, now=NOW + timedelta(minutes=61))

    for each in (K.HEAT_PUMP, K.BATTERY, K.EV_CHARGER, K.WATER_HEATER):
        assert first[each] < USUAL[each] < second[each]
    assert first[K.BASE_LOAD] == second[K.BASE_LOAD] == 2.0
    assert first[K.PV] == second[K.PV] == -4.0


def test_comfort_is_a_band_and_is_made_good_afterwards() -> None:
    of = resources()
    event = asked(("SIMPLE", 3))
    shedding, free = controller(event), controller()
    stored = half_full(of)
    powers = []
    for step in range(600):
        result = (shedding if step < 500 else free).answer(
            of, inputs(of, stored_kwh=stored, now=NOW + timedelta(seconds=5 * step))
        )
        stored = result.stored_kwh
        powers.append(float(result.commanded_kw[5]))

    assert powers[0] == 0.0
    assert powers[499] == pytest.approx(2.0, abs=0.01), "no comfort is left to give"
    assert powers[500] > 2.0, "the air is made good"


def test_a_battery_loses_a_tenth_there_and_back() -> None:
    of = resources()
    charge, discharge = (controller(asked(("DISPATCH_SETPOINT", power))) for power in (4.0, -4.0))
    start = half_full(of)
    full = charge.answer(of, inputs(of, stored_kwh=start, step_h=0.5)).stored_kwh
    end = discharge.answer(of, inputs(of, stored_kwh=full, step_h=0.5)).stored_kwh

    assert full[0] - start[0] == pytest.approx(2 * 0.95)
    assert start[0] - end[0] == pytest.approx(2 / 0.95 - 2 * 0.95)


@pytest.mark.parametrize("limit", [0.0, 5.0, 9.0])
def test_a_site_keeps_its_import_capacity_by_what_can_give_way(limit: float) -> None:
    powers = respond(asked(("IMPORT_CAPACITY_LIMIT", limit)))

    assert sum(powers.values()) == pytest.approx(min(limit, sum(USUAL.values())), abs=1e-3)
    assert powers[K.BASE_LOAD] == 2.0


def test_a_site_keeps_its_export_capacity() -> None:
    events = (asked(("DISPATCH_SETPOINT", -99)), asked(("EXPORT_CAPACITY_LIMIT", 1.0)))

    assert sum(respond(*events).values()) == pytest.approx(-1.0, abs=1e-3)


TYPES = [
    *("SIMPLE", "PRICE", "EXPORT_PRICE", "GHG", "DISPATCH_SETPOINT", "CONTROL_SETPOINT"),
    *("DISPATCH_SETPOINT_RELATIVE", "CHARGE_STATE_SETPOINT", "CONTROL_LEVEL_OFFSET"),
    *("CONTROL_LEVEL_OFFSET_PERCENT", "IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT"),
    *("IMPORT_CAPACITY_SUBSCRIPTION", "ALERT_FIRE", "CURVE", "SOMETHING_NEW"),
]
odd_values = (
    st.floats(-1e6, 1e6)
    | st.integers(-20, 20)
    | st.sampled_from(
        [float("inf"), float("nan"), 1e300, 10**400, "text", True, None, {"x": 1, "y": 2}]
    )
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(TYPES), odd_values), max_size=5),
    st.floats(0, 1),
    st.sampled_from([0.0, 1 / 120, 0.25, 1.0]),
)
def test_limits_of_power_and_energy_always_hold(
    payloads: list[tuple[str, Any]], fill: float, step_h: float
) -> None:
    of = resources()
    stored = of.store_min_kwh + np.float32(fill) * (of.store_max_kwh - of.store_min_kwh)

    result: ControlResult = controller(asked(*payloads)).answer(
        of, inputs(of, stored_kwh=stored, step_h=step_h)
    )

    for power in (result.commanded_kw, result.baseline_kw):
        assert (power >= of.lowest_kw - 1e-4).all()
        assert (power <= of.highest_kw + 1e-4).all()
    assert (result.commanded_kw >= result.lowest_kw - 1e-4).all()
    assert (result.commanded_kw <= result.highest_kw + 1e-4).all()
    assert (result.stored_kwh >= of.store_min_kwh - 1e-4).all()
    assert (result.stored_kwh <= of.store_max_kwh + 1e-4).all()
    battery = list(KINDS).index(K.BATTERY)
    charge_kw = float(result.commanded_kw[battery])
    flow = charge_kw * 0.95 if charge_kw > 0 else charge_kw / 0.95
    change = float(result.stored_kwh[battery] - stored[battery])
    assert change == pytest.approx(flow * step_h, abs=1e-3), "what is stored follows the power"


def test_what_answers_has_not_changed_the_limits_of_resources() -> None:
    """Also in the first step, of which no length is known."""
    of, base_load = resources(), list(KINDS).index(K.BASE_LOAD)
    shape = np.full(len(KINDS), 2.0, dtype=np.float32)
    controller().answer(of, inputs(of, step_h=0.0, shape_kw=shape))

    later = controller().answer(of, inputs(of, shape_kw=shape + 1))

    assert later.commanded_kw[base_load] == 3.0
