"""Every payload type that is served, as telemetry and on intervals (3.1.0 enumerations)."""

from __future__ import annotations

from typing import Any

import pytest
from dependency_injector import providers

from app.control import policies
from app.fleet import ResourceKind
from tests.guide.conftest import MINUTE, Guide, period, prices, values
from tests.support.openapi import Enumerations, official_file
from tests.support.wiring import provider

pytestmark = pytest.mark.in_process

SERVED = {
    "READING": "KW",
    "USAGE": "KWH",
    "DEMAND": "KW",
    "BASELINE": "KWH",
    "DELTA_USAGE": "KWH",
    "SIMPLE_LEVEL": None,
    "OPERATING_STATE": None,
    "UP_REGULATION_AVAILABLE": "KW",
    "DOWN_REGULATION_AVAILABLE": "KW",
    "STORAGE_USABLE_CAPACITY": "KWH",
    "STORAGE_CHARGE_LEVEL": "PERCENT",
    "STORAGE_MAX_CHARGE_POWER": "KW",
    "STORAGE_MAX_DISCHARGE_POWER": "KW",
    "USAGE_FORECAST": "KWH",
    "LOAD_SHED_DELTA_AVAILABLE": "KW",
    "GENERATION_DELTA_AVAILABLE": "KW",
}


@pytest.mark.parametrize("kind", SERVED)
def test_it_is_reported_as_telemetry_and_on_intervals(guide: Guide, kind: str) -> None:
    telemetry = guide.send(reportDescriptors=[{"payloadType": kind}])
    intervals = guide.send(
        intervalPeriod=period(guide.clock.now, "PT5M"),
        intervals=prices(1, 2),
        reportDescriptors=[{"payloadType": kind}],
    )
    guide.until(guide.clock.now + 11 * MINUTE)

    for event_id in (telemetry, intervals):
        report = guide.reports_of(event_id, kind)[0]
        assert report["payloadDescriptors"][0].get("units") == SERVED[kind]
        assert len(report["resources"]) == (3 if kind.startswith("STORAGE") else 8)
        assert all(value is not None for value in values(report))


@pytest.fixture(scope="module")
def enumerations() -> Enumerations:
    return Enumerations(official_file())


@pytest.mark.parametrize("kind", SERVED)
def test_with_its_quality_every_value_is_as_the_enumerations_say(
    guide: Guide, kind: str, enumerations: Enumerations
) -> None:
    """Also where a resource has no such value: there must be one (figure 12 of the Definition)."""
    descriptors = [{"payloadType": kind}, {"payloadType": "DATA_QUALITY"}]
    telemetry = guide.send(reportDescriptors=descriptors)
    intervals = guide.send(
        intervalPeriod=period(guide.clock.now, "PT5M"),
        intervals=prices(1, 2),
        reportDescriptors=descriptors,
    )
    guide.until(guide.clock.now + 11 * MINUTE)

    for event_id in (telemetry, intervals):
        for report in guide.reports_of(event_id, kind):
            assert enumerations.errors(report) == []


def test_a_number_that_is_missing_is_0_and_missing(guide: Guide) -> None:
    event_id = guide.send(
        reportDescriptors=[{"payloadType": "SETPOINT"}, {"payloadType": "DATA_QUALITY"}]
    )
    guide.pass_time(ticks=2)

    report = guide.reports_of(event_id, "SETPOINT")[0]
    assert {
        (payload["type"], payload["values"][0])
        for resource in report["resources"]
        for payload in resource["intervals"][0]["payloads"]
    } == {("SETPOINT", 0), ("DATA_QUALITY", "MISSING")}


@pytest.mark.parametrize("kind", ["MEAN", "PEAK", "DIRECT_READ"])
def test_demand_is_of_its_reading_type(guide: Guide, kind: str) -> None:
    event_id = guide.send(
        intervalPeriod=period(guide.clock.now, "PT5M"),
        intervals=prices(1),
        reportDescriptors=[
            {"payloadType": "DEMAND", "readingType": each}
            for each in ("MEAN", "PEAK", "DIRECT_READ")
        ],
    )
    guide.until(guide.clock.now + 6 * MINUTE)

    found: dict[str, Any] = {
        report["payloadDescriptors"][0]["readingType"]: values(report, 7)[0]
        for report in guide.reports_of(event_id, "DEMAND")
    }
    assert found[kind] <= found["PEAK"]
    assert 0 < found["MEAN"] <= found["PEAK"]


def test_regulation_is_what_is_left_to_the_limits(guide: Guide) -> None:
    kinds = ("UP_REGULATION_AVAILABLE", "DOWN_REGULATION_AVAILABLE", "READING")
    event_id = guide.send(reportDescriptors=[{"payloadType": kind} for kind in kinds])
    guide.pass_time(ticks=1)
    up, down, power = (guide.reports_of(event_id, kind)[0] for kind in kinds)
    resources = guide.container.simulator().resources()

    assert {*values(up, 7), *values(down, 7)} == {0}, "base load is what it is"
    heat_pump = list(resources.roster.names("Aarhus")).index("Aarhus-01-heat-pump")
    highest = float(resources.highest_kw[resources.roster.columns("Aarhus")][heat_pump])
    assert values(up)[0] == pytest.approx(values(power)[0], abs=1e-3)
    assert values(down)[0] == pytest.approx(highest - values(power)[0], abs=1e-3)


def test_another_policy_may_be_given_to_a_kind(guide: Guide) -> None:
    given = {**guide.container.control.policy_of(), ResourceKind.VENTILATION: policies.Fixed()}
    guide.container.control.policy_of.override(providers.Object(given))
    for name in ("control.responder", "control.controller"):
        provider(guide.container, name).reset()
    provider(guide.container, "simulator").reset()
    guide.send(intervalPeriod=period(guide.clock.now, "PT1H"), intervals=prices(3, kind="SIMPLE"))
    guide.pass_time(ticks=1)

    assert guide.power_kw("ventilation") > 0.1
    assert guide.power_kw("refrigeration") < 0.01
