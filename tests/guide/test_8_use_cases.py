"""User Guide, section 8: each use case is one test, with an event of our own writing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.guide.conftest import (
    HOUR,
    Guide,
    ids,
    of_310,
    period,
    prices,
    spans,
    stamp,
    values,
)
from tests.guide.test_7_features import grant

pytestmark = pytest.mark.in_process

EVENT_DESCRIPTOR = {"objectType": "EVENT_PAYLOAD_DESCRIPTOR"}
LIVE_MARKER = {"start": "0001-01-01T00:00:00Z", "duration": "PT0S"}


def kw(kind: str) -> dict[str, str]:
    return {**EVENT_DESCRIPTOR, "payloadType": kind, "units": "KW"}


def test_8_1_an_alert_is_answered_as_the_level_that_is_set(guide: Guide) -> None:
    before = guide.power_kw("ventilation") + guide.power_kw("refrigeration")
    guide.send(
        intervalPeriod=period(guide.clock.now, "PT4H"),
        intervals=[
            {
                "id": 0,
                "payloads": [
                    {"type": "ALERT_GRID_EMERGENCY", "values": ["The grid is in an emergency"]}
                ],
            }
        ],
    )
    guide.pass_time(ticks=1)

    assert guide.power_kw("ventilation") + guide.power_kw("refrigeration") < 0.1 * before
    frame = guide.container.readings.log().last()
    assert frame is not None
    assert set(frame.detail.level.tolist()) == {3}


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_8_2_load_shed_by_levels(guide: Guide, level: int) -> None:
    guide.send(
        intervalPeriod=period(guide.clock.now, "PT4H"),
        payloadDescriptors=[{**EVENT_DESCRIPTOR, "payloadType": "SIMPLE"}],
        intervals=prices(level, kind="SIMPLE"),
    )
    event_id = guide.send(
        reportDescriptors=[{"payloadType": "SIMPLE_LEVEL"}, {"payloadType": "DELTA_USAGE"}]
    )
    guide.pass_time(ticks=2)

    (_, reports_of) = guide.reports_of(event_id, "SIMPLE_LEVEL")
    assert {value for place in range(8) for value in values(reports_of, place)} == {level}
    delta = sum(
        sum(values(report, n))
        for report in guide.reports_of(event_id, "DELTA_USAGE")
        for n in range(8)
    )
    assert (delta == 0) == (level == 0)
    assert delta <= 0


def test_8_3_day_ahead_prices_with_a_usage_report(guide: Guide) -> None:
    begin = guide.clock.now
    cheap_first = [0.05] * 6 + [0.60] * 6
    program_id = guide.program(
        payloadDescriptors=[
            {**EVENT_DESCRIPTOR, "payloadType": "PRICE", "units": "KWH", "currency": "USD"}
        ]
    )
    event_id = guide.send(
        program_id=program_id,
        intervalPeriod=period(begin, "PT1H"),
        intervals=prices(*cheap_first),
        reportDescriptors=[
            {
                "payloadType": "USAGE",
                "readingType": "DIRECT_READ",
                "units": "KWH",
                "startInterval": -1,
                "numIntervals": -1,
                "historical": True,
                "frequency": -1,
                "repeat": 1,
            },
            {"payloadType": "BASELINE"},
        ],
    )
    guide.until(begin + 12.1 * HOUR, tick_s=300)

    (report,) = guide.reports_of(event_id, "USAGE")
    (baseline,) = guide.reports_of(event_id, "BASELINE")
    assert ids(report) == list(range(12))
    assert spans(report) == [(stamp(begin + n * HOUR), "PT3600S") for n in range(12)]
    assert report["payloadDescriptors"][0]["readingType"] == "DIRECT_READ"
    assert report["payloadDescriptors"][0]["units"] == "KWH"
    used = [sum(values(report, place)[n] for place in range(8)) for n in range(12)]
    usual = [sum(values(baseline, place)[n] for place in range(8)) for n in range(12)]
    assert sum(used[:6]) > sum(usual[:6]), "what can be shifted is brought forward"
    assert sum(used[6:]) < sum(usual[6:])


def test_8_4_a_curve_for_inverters_is_recorded_as_not_followed(
    guide: Guide, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="app"):
        guide.send(
            intervalPeriod=period(guide.clock.now, "PT1H"),
            intervals=[
                {
                    "id": 0,
                    "payloads": [
                        {
                            "type": "CURVE",
                            "values": [{"x": 0.17, "y": 0.26}, {"x": 0.19, "y": 0.28}],
                        }
                    ],
                }
            ],
        )
        guide.pass_time(ticks=3)

    assert caplog.text.count("CURVE: its type, units or value is not supported") == 1


@of_310
def test_8_5_load_control_dispatches_what_it_targets(guide: Guide) -> None:
    grant(guide, "resource", "Aarhus-03-battery", "behind-the-meter")
    begin = guide.clock.now
    guide.send(
        targets=["behind-the-meter"],
        intervalPeriod=period(begin, "PT4H"),
        payloadDescriptors=[kw("DISPATCH_SETPOINT")],
        intervals=prices(3.0, kind="DISPATCH_SETPOINT"),
    )
    stored = []
    for _ in range(3):
        guide.pass_time(ticks=10)
        frame = guide.container.readings.log().last()
        assert frame is not None
        assert dict(frame.powers("Aarhus"))["Aarhus-03-battery"] == pytest.approx(3.0)
        place = frame.roster.columns("Aarhus").start + 2
        stored.append(float(frame.detail.stored_kwh[place]))

    charged = [later - earlier for earlier, later in pairwise(stored)]
    assert charged == pytest.approx([3.0 * 0.95 / 12] * 2, rel=1e-3), "five minutes, less the loss"
    frame = guide.container.readings.log().last()
    assert frame is not None
    assert dict(frame.powers("Aalborg"))["Aalborg-03-battery"] != pytest.approx(3.0)


def test_8_6_state_of_charge(guide: Guide) -> None:
    kinds = [
        "STORAGE_USABLE_CAPACITY",
        "STORAGE_CHARGE_LEVEL",
        "STORAGE_MAX_DISCHARGE_POWER",
        "STORAGE_MAX_CHARGE_POWER",
    ]
    event_id = guide.send(
        intervalPeriod=LIVE_MARKER,
        reportDescriptors=[
            {"payloadType": kind, "frequency": 0, "reportIntervals": "OPEN_INTERVALS"}
            for kind in kinds
        ],
    )
    guide.pass_time(ticks=1)

    found = {kind: guide.reports_of(event_id, kind)[0] for kind in kinds}
    for report in found.values():
        names = [each["resourceName"] for each in report["resources"]]
        assert names == [
            "Aarhus-02-ev-charger",
            "Aarhus-03-battery",
            "Aarhus-07-water-heater",
        ], "what stores nothing has nothing to tell"
    assert 0 < values(found["STORAGE_CHARGE_LEVEL"], 1)[0] < 1
    assert found["STORAGE_CHARGE_LEVEL"]["payloadDescriptors"][0]["units"] == "PERCENT"
    assert values(found["STORAGE_MAX_DISCHARGE_POWER"], 1)[0] > 0
    assert values(found["STORAGE_MAX_DISCHARGE_POWER"], 0)[0] == 0, "a car gives nothing back"


def rolling(kind: str, count: int, **fields: Any) -> dict[str, Any]:
    return {
        "payloadType": kind,
        "startInterval": 0,
        "numIntervals": count,
        "historical": False,
        "frequency": 1,
        "repeat": -1,
        **fields,
    }


def test_8_7_a_rolling_forecast_of_capability(guide: Guide) -> None:
    begin = guide.clock.now + HOUR
    event_id = guide.send(
        intervalPeriod=period(begin, "PT1H"),
        reportDescriptors=[
            rolling("LOAD_SHED_DELTA_AVAILABLE", 48),
            rolling("GENERATION_DELTA_AVAILABLE", 48),
        ],
    )
    guide.until(begin + 2.1 * HOUR, tick_s=300)

    for kind in ("LOAD_SHED_DELTA_AVAILABLE", "GENERATION_DELTA_AVAILABLE"):
        reports = guide.reports_of(event_id, kind)
        assert [len(ids(report)) for report in reports] == [48] * 3
        assert [spans(report)[0][0] for report in reports] == [
            stamp(begin + n * HOUR) for n in range(3)
        ]
        assert all(value >= 0 for place in range(8) for value in values(reports[0], place))
    shed = guide.reports_of(event_id, "LOAD_SHED_DELTA_AVAILABLE")[0]
    assert sum(values(shed, 0)) > 0, "a heat pump can consume less"
    assert sum(values(shed, 7)) == 0, "base load cannot"
    more = guide.reports_of(event_id, "GENERATION_DELTA_AVAILABLE")[0]
    assert sum(values(more, 2)) > 0, "a battery can give"


def test_8_8_a_rolling_forecast_of_operation_as_one(guide: Guide) -> None:
    begin = guide.clock.now
    guide.send(intervalPeriod=period(begin + 2 * HOUR, "PT1H"), intervals=prices(3, kind="SIMPLE"))
    event_id = guide.send(
        intervalPeriod=period(begin + HOUR, "PT1H"),
        reportDescriptors=[rolling("USAGE", 4, aggregate=True)],
    )
    guide.until(begin + 2.5 * HOUR, tick_s=300)

    first, second = guide.reports_of(event_id, "USAGE")
    assert [each["resourceName"] for each in first["resources"]] == ["AGGREGATED_REPORT"]
    expected = values(first)
    assert expected[1] < min(expected[0], expected[2]), "the event that is planned is foreseen"
    assert spans(second)[0][0] == spans(first)[1][0]
