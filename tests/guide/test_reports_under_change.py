"""Reports on intervals, while events, fleets and VTNs change under them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.guide.conftest import (
    HOUR,
    MINUTE,
    Guide,
    MakeGuide,
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

AFTER_EACH = {"frequency": 1, "repeat": -1}
EACH: dict[str, Any] = {
    "payloadType": "USAGE",
    "startInterval": 0,
    "numIntervals": 1,
    "frequency": 1,
    "repeat": -1,
}
TELEMETRY = [{"payloadType": "READING"}]


def shaped(start: Any, duration: str, hour: int) -> dict[str, Any]:
    payloads = [{"type": "PRICE", "values": [1.0]}]
    return {"id": hour, "intervalPeriod": period(start, duration), "payloads": payloads}


def test_intervals_out_of_order_are_measured_like_others(guide: Guide) -> None:
    begin = guide.clock.now
    guide.send(reportDescriptors=TELEMETRY)
    hours = [shaped(begin + HOUR, "PT1H", 1), shaped(begin, "PT1H", 0)]
    all_at_once = guide.send(intervals=hours, reportDescriptors=[{"payloadType": "USAGE"}])
    first = guide.send(intervals=hours[::-1], reportDescriptors=[{**EACH, "repeat": 1}])
    guide.until(begin + 2.1 * HOUR, tick_s=120)

    (whole,), (one,) = guide.reports_of(all_at_once, "USAGE"), guide.reports_of(first, "USAGE")
    assert ids(whole) == [1, 0]
    for place in range(8):
        assert values(whole, place)[1] == pytest.approx(values(one, place)[0])


@pytest.mark.parametrize(
    ("start", "duration"),
    [
        ("9999-12-31T22:30:00.000000Z", "PT3600S"),
        ("9999-12-31T23:30:00.000000Z", "PT1799.999999S"),
        ("9999-12-31T23:59:59.999999Z", "PT0S"),
    ],
)
def test_an_interval_at_the_end_of_the_calendar_is_forecast_as_far_as_that_goes(
    guide: Guide, start: str, duration: str
) -> None:
    begin = guide.clock.now
    endless = shaped(begin, "P9999Y", 1)
    endless["intervalPeriod"]["start"] = start
    event_id = guide.send(
        intervals=[shaped(begin, "PT1H", 0), endless],
        reportDescriptors=[{"payloadType": "USAGE_FORECAST", "historical": False}],
    )
    guide.until(begin + 5 * MINUTE)

    (report,) = guide.reports_of(event_id, "USAGE_FORECAST")
    assert ids(report) == [0, 1]
    assert spans(report)[1] == (start, duration)
    assert all(value is not None for place in range(8) for value in values(report, place))


def test_an_event_that_is_extended_goes_on_with_its_telemetry(guide: Guide) -> None:
    begin = guide.clock.now
    asked = [{"payloadType": "READING", "frequency": 0}]
    event: dict[str, Any] = {"intervals": prices(1), "reportDescriptors": asked}
    event_id = guide.send(intervalPeriod=period(begin, "PT10M"), **event)
    guide.pass_time(ticks=60)
    before = len(guide.reports_of(event_id, "READING"))
    guide.update(event_id, intervalPeriod=period(begin, "PT60M"), **event)
    guide.pass_time(ticks=20)

    assert before == 19
    assert len(guide.reports_of(event_id, "READING")) >= before + 20


def test_a_descriptor_that_is_changed_sends_nothing_again(guide: Guide) -> None:
    begin = guide.clock.now
    event: dict[str, Any] = {
        "intervalPeriod": period(begin, "PT5M"),
        "intervals": prices(*range(12)),
    }
    event_id = guide.send(**event, reportDescriptors=[EACH])
    guide.until(begin + 22 * MINUTE)
    guide.update(event_id, **event, reportDescriptors=[{**EACH, "repeat": 12}])
    guide.until(begin + 31 * MINUTE)

    assert [ids(report) for report in guide.reports_of(event_id, "USAGE")] == [
        [n] for n in range(6)
    ]


@pytest.mark.parametrize("fault", ["lost answer", "lost request"])
def test_an_event_that_moves_under_a_report_in_doubt(guide: Guide, fault: str) -> None:
    begin = guide.clock.now
    event: dict[str, Any] = {"intervals": prices(*range(3)), "reportDescriptors": [EACH]}
    event_id = guide.send(intervalPeriod=period(begin, "PT10M"), **event)
    guide.until(begin + 9.75 * MINUTE)
    guide.transport.faults.extend([fault] * 2)
    guide.transport.lookup_status = 401
    guide.until(begin + 10 * MINUTE)
    guide.transport.lookup_status = 0
    later = begin + 2 * MINUTE
    guide.update(event_id, intervalPeriod=period(later, "PT10M"), **event)
    guide.pass_time(ticks=70)

    reports = guide.reports_of(event_id, "USAGE")
    as_moved = [(stamp(later + n * 10 * MINUTE), "PT600S") for n in range(3)]
    if fault == "lost answer":  # it was there: what it was made of is gone
        as_moved[0] = stamp(begin), "PT600S"
    assert sorted(spans(report)[0] for report in reports) == as_moved
    assert len({report["reportName"] for report in reports}) == len(reports)


def test_a_report_in_parts_is_sent_whole_though_a_newer_one_is_due(
    make_guide: MakeGuide,
) -> None:
    guide = make_guide()
    guide.replace("delivery.builder", guide.builder(most_readings=3))
    event_id = guide.send(
        intervalPeriod=period(guide.clock.now, "PT10M"),
        intervals=prices(*range(3)),
        reportDescriptors=[{**EACH, "historical": False}],
    )
    guide.transport.faults.extend(["ok", "ok", *[429] * 60])
    guide.manager.generate_reports()
    guide.transport.faults.clear()
    guide.pass_time(ticks=60)

    by_interval: dict[int, list[str]] = {}
    for report in guide.reports_of(event_id, "USAGE"):
        for resource in report["resources"]:
            by_interval.setdefault(ids(report)[0], []).append(resource["resourceName"])
    assert all(len(names) == len(set(names)) == 8 for names in by_interval.values())
    assert set(by_interval) >= {0, 2}


def test_many_sub_intervals_come_in_reports_of_bounded_size(make_guide: MakeGuide) -> None:
    guide = make_guide()
    guide.replace("delivery.builder", guide.builder(most_readings=50))
    event_id = guide.send(
        intervalPeriod=period(guide.clock.now, "PT1H"),
        intervals=prices(1),
        reportDescriptors=[{"payloadType": "USAGE", "reportIntervals": "SUB_INTERVALS"}],
    )
    guide.until(guide.clock.now + 1.02 * HOUR)

    reports = guide.reports_of(event_id, "USAGE")
    sizes = [
        sum(len(resource["intervals"]) for resource in report["resources"]) for report in reports
    ]
    assert max(sizes) <= 50
    assert sum(sizes) == 8 * 120
    cells = {
        (resource["resourceName"], interval["intervalPeriod"]["start"])
        for report in reports
        for resource in report["resources"]
        for interval in resource["intervals"]
    }
    assert len(cells) == 8 * 120


def test_of_what_was_hardly_measured_nothing_is_told(guide: Guide) -> None:
    """An event that is seen late; its telemetry was delivered, and is gone."""
    begin = guide.clock.now
    guide.send(reportDescriptors=TELEMETRY)
    guide.until(begin + 50 * MINUTE)
    event_id = guide.send(
        intervalPeriod=period(begin, "PT1H"),
        intervals=prices(1, 2),
        reportDescriptors=[EACH],
    )
    guide.until(begin + 2.1 * HOUR, tick_s=60)

    assert [ids(report) for report in guide.reports_of(event_id, "USAGE")] == [[1]]


def test_an_event_that_is_seen_a_poll_after_its_start_is_measured_whole(guide: Guide) -> None:
    guide.send(reportDescriptors=TELEMETRY)
    guide.pass_time(ticks=10)
    begin = guide.clock.now - timedelta(seconds=75)
    event_id = guide.send(
        intervalPeriod=period(begin, "PT5M"),
        intervals=prices(1),
        reportDescriptors=[EACH, {"payloadType": "DATA_QUALITY"}],
    )
    guide.pass_time(ticks=12)

    (report,) = guide.reports_of(event_id, "USAGE")
    (interval,) = report["resources"][0]["intervals"]
    assert interval["payloads"][1]["values"] == ["OK"]


@of_310
def test_what_was_moved_out_for_one_ven_is_measured_like_the_rest(make_guide: MakeGuide) -> None:
    guide = make_guide(store={"max_lag": "PT30M"})
    begin = guide.clock.now
    grant(guide, "ven", "Aarhus", "alone")
    guide.send(reportDescriptors=TELEMETRY)
    event_id = guide.send(
        targets=["alone"],
        intervalPeriod=period(begin, "PT2H"),
        intervals=prices(1),
        reportDescriptors=[
            {"payloadType": "USAGE"},
            {"payloadType": "DEMAND"},
            {"payloadType": "DATA_QUALITY"},
        ],
    )
    guide.until(begin + 1.9 * HOUR, tick_s=60)
    assert guide.container.readings.log().sliced_through() != {}
    guide.until(begin + 2.02 * HOUR, tick_s=60)

    (used,), (mean,) = guide.reports_of(event_id, "USAGE"), guide.reports_of(event_id, "DEMAND")
    for place in range(8):
        assert values(used, place)[0] == pytest.approx(2 * values(mean, place)[0], abs=1e-6)
        (interval,) = used["resources"][place]["intervals"]
        assert interval["payloads"][1]["values"] == ["OK"]


@pytest.mark.parametrize(
    "descriptor",
    [
        {"startInterval": 2_000_000_000},
        {"frequency": 2_000_000_000, "repeat": -1},
        {"numIntervals": 2_000_000_000},
        {"startInterval": 0, "numIntervals": 1, "repeat": 2_000_000_000},
        {"startInterval": 7, "repeat": 2_000_000_000},
    ],
)
@pytest.mark.parametrize("intervals", [[], prices(1, 2)])
def test_no_descriptor_costs_without_end(
    guide: Guide,
    descriptor: dict[str, int],
    intervals: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    guide.send(
        duration="P9999Y",
        intervalPeriod=period(guide.clock.now, "PT1S"),
        intervals=intervals,
        reportDescriptors=[{"payloadType": "USAGE", **descriptor}],
    )
    guide.pass_time(ticks=2)

    assert "defect" not in caplog.text
    assert guide.container.delivery.service().blocked == ()


@pytest.mark.parametrize(
    ("intervals", "repeats", "duration"),
    [
        pytest.param([], AFTER_EACH, "P9999Y", id="implied", marks=pytest.mark.rest),
        pytest.param(prices(1, 2), AFTER_EACH, "P9999Y", id="each", marks=pytest.mark.rest),
        pytest.param(
            prices(1),
            {"frequency": -1, "repeat": 5},
            "P9999Y",
            id="each pass",
            marks=pytest.mark.rest,
        ),
        pytest.param(prices(1), AFTER_EACH, "PT20001H", id="until it ends"),
    ],
)
def test_the_reports_of_an_event_that_has_gone_on_for_years_are_found_at_once(
    guide: Guide, intervals: list[dict[str, Any]], repeats: dict[str, int], duration: str
) -> None:
    begin = guide.clock.now - 20_000 * HOUR
    event_id = guide.send(
        duration=duration,
        intervalPeriod=period(begin, "PT1H"),
        intervals=intervals,
        reportDescriptors=[{**EACH, "numIntervals": 5_000, **repeats}],
    )
    guide.until(guide.clock.now + 61 * MINUTE, tick_s=60)

    reports_of = {
        start for report in guide.reports_of(event_id, "USAGE") for start, _ in spans(report)
    }
    assert reports_of == {stamp(begin + 20_000 * HOUR)}  # the one that was measured
