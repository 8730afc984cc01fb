"""User Guide, sections 8.9 to 8.13: each use case is one test."""

from __future__ import annotations

import pytest

from tests.guide.conftest import (
    HOUR,
    MINUTE,
    Guide,
    ids,
    of_310,
    period,
    prices,
    values,
)
from tests.guide.test_7_features import grant

pytestmark = pytest.mark.in_process

EVENT_DESCRIPTOR = {"objectType": "EVENT_PAYLOAD_DESCRIPTOR"}
LIVE_MARKER = {"start": "0001-01-01T00:00:00Z", "duration": "PT0S"}


def kw(kind: str) -> dict[str, str]:
    return {**EVENT_DESCRIPTOR, "payloadType": kind, "units": "KW"}


def test_8_9_1_critical_peak_pricing_needs_no_report(guide: Guide) -> None:
    guide.send(
        intervalPeriod=period(guide.clock.now, "PT1H"),
        intervals=[
            {
                "id": 0,
                "payloads": [
                    {"type": "SIMPLE", "values": [2]},
                    {"type": "PRICE", "values": [1.2]},
                ],
            }
        ],
    )
    guide.pass_time(ticks=2)

    assert guide.reports() == []


def test_8_9_2_a_thermostat_is_set_off_by_a_level(guide: Guide) -> None:
    guide.send(
        intervalPeriod=period(guide.clock.now, "PT1H"),
        intervals=prices(5, kind="CONTROL_LEVEL_OFFSET"),
    )
    event_id = guide.send(reportDescriptors=[{"payloadType": "BASELINE"}, {"payloadType": "USAGE"}])
    guide.pass_time(ticks=3)

    used = values(guide.reports_of(event_id, "USAGE")[-1], 4)[0]
    usual = values(guide.reports_of(event_id, "BASELINE")[-1], 4)[0]
    assert used == pytest.approx(usual / 2, abs=1e-4), "half of what ventilation can do without"


def test_8_9_3_fast_dispatch_without_end_and_its_set_point(guide: Guide) -> None:
    event_id = guide.send(
        intervalPeriod=period(guide.clock.now, "P9999Y"),
        payloadDescriptors=[kw("DISPATCH_SETPOINT")],
        intervals=prices(0.5, kind="DISPATCH_SETPOINT"),
        reportDescriptors=[
            {"payloadType": "SETPOINT", "readingType": "DIRECT_READ", "frequency": 0}
        ],
    )
    relative = guide.send(
        intervalPeriod=period(guide.clock.now, "P9999Y"),
        payloadDescriptors=[kw("DISPATCH_SETPOINT_RELATIVE")],
        intervals=prices(-0.15, kind="DISPATCH_SETPOINT_RELATIVE"),
        reportDescriptors=[{"payloadType": "SETPOINT", "units": "VOLTS", "frequency": 0}],
    )
    guide.pass_time(ticks=2)

    frame = guide.container.readings.log().last()
    assert frame is not None
    powers = dict(frame.powers("Aarhus"))
    assert powers["Aarhus-01-heat-pump"] == pytest.approx(0.5)
    assert powers["Aarhus-03-battery"] == pytest.approx(0.5)
    reports_of = guide.reports_of(event_id, "SETPOINT")[-1]
    assert values(reports_of) == [0.5]
    assert guide.reports_of(relative, "SETPOINT") == [], "volts are not metered, and said so once"


@pytest.mark.parametrize("case", ["8.9.4", "8.9.5", "8.9.6"])
def test_8_9_4_to_6_prices_move_cars_and_batteries(guide: Guide, case: str) -> None:
    """Time of use, real-time and day-ahead prices are the same event with other intervals."""
    begin = guide.clock.now
    duration = {"8.9.4": "PT6H", "8.9.5": "PT5M", "8.9.6": "PT1H"}[case]
    guide.send(intervalPeriod=period(begin, duration), intervals=prices(0.9, 0.1, 0.5, 0.5))
    guide.pass_time(ticks=1)
    dear = guide.power_kw("battery")
    frame = guide.container.readings.log().last()
    assert frame is not None
    second = guide.container.events.store().of_ven("Aarhus")[0].event.period
    assert second is not None
    assert second.duration is not None
    guide.clock.now = second.duration.after(begin)
    guide.pass_time(ticks=1)

    assert dear < 0 < guide.power_kw("battery")


class TestCapacity:
    """8.10."""

    def net(self, guide: Guide, ven_name: str = "Aarhus") -> float:
        frame = guide.container.readings.log().last()
        assert frame is not None
        return float(sum(power for _, power in frame.powers(ven_name)))

    def test_8_10_1_a_dynamic_operating_envelope_is_kept_and_reported(
        self, guide: Guide, caplog: pytest.LogCaptureFixture
    ) -> None:
        begin = guide.clock.now
        limit = {"IMPORT_CAPACITY_LIMIT": (6.0, 9.0), "EXPORT_CAPACITY_LIMIT": (0.5, 1.0)}
        reading = {"payloadType": "READING", "readingType": "DIRECT_READ"}
        with caplog.at_level("INFO", logger="app"):
            event_id = guide.send(
                intervalPeriod=period(begin, "PT30M"),
                payloadDescriptors=[kw(kind) for kind in limit],
                intervals=[
                    {
                        "id": number,
                        "payloads": [
                            {"type": kind, "values": [amounts[number]]}
                            for kind, amounts in limit.items()
                        ],
                    }
                    for number in range(2)
                ],
                reportDescriptors=[{**reading, "units": u} for u in ("VOLTS", "KW", "KVAR")],
            )
        for number in range(2):
            while guide.clock.now < begin + (number + 1) * 30 * MINUTE:
                guide.pass_time(ticks=1, tick_s=120)
                if guide.clock.now < begin + (number + 1) * 30 * MINUTE:
                    base = guide.power_kw("base-load", "Aarhus")
                    most = max(limit["IMPORT_CAPACITY_LIMIT"][number], base)
                    least = -limit["EXPORT_CAPACITY_LIMIT"][number]
                    assert least - 0.01 <= self.net(guide) <= most + 0.01
        guide.pass_time(ticks=1)

        (report,) = guide.reports_of(event_id, "READING")
        assert ids(report) == [0, 1]
        assert report["payloadDescriptors"][0]["units"] == "KW"
        for units in ("VOLTS", "KVAR"):
            assert caplog.text.count(f"units {units}, aggregate False) cannot be reported") == 1

    def test_8_10_1_what_was_subscribed_is_the_limit_where_none_is_announced(
        self, guide: Guide
    ) -> None:
        begin = guide.clock.now
        guide.send(
            intervalPeriod=period(begin, "P9999Y"),
            intervals=prices(5.0, kind="IMPORT_CAPACITY_SUBSCRIPTION"),
        )
        guide.send(
            intervalPeriod=period(begin, "PT10M"),
            intervals=prices(50.0, kind="IMPORT_CAPACITY_LIMIT"),
        )
        guide.pass_time(ticks=1)
        free = self.net(guide)
        guide.until(begin + 11 * MINUTE)

        base = guide.power_kw("base-load", "Aarhus")
        assert self.net(guide) <= max(5.0, base) + 0.01
        assert free > 5.0 or free <= max(5.0, base) + 0.01

    def test_8_10_2_reservations_are_read_and_their_request_is_left_to_the_operator(
        self, guide: Guide, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO", logger="app"):
            event_id = guide.send(
                intervalPeriod=LIVE_MARKER,
                reportDescriptors=[
                    {
                        "payloadType": "IMPORT_CAPACITY_RESERVATION",
                        "reportIntervals": "OPEN_INTERVALS",
                    }
                ],
            )
            guide.pass_time(ticks=2)

        assert guide.reports_of(event_id, "IMPORT_CAPACITY_RESERVATION") == []
        assert caplog.text.count("IMPORT_CAPACITY_RESERVATION (readingType None") == 1

    def test_8_10_2_a_reservation_adds_to_what_was_subscribed(self, guide: Guide) -> None:
        begin = guide.clock.now
        guide.send(
            intervalPeriod=period(begin, "P9999Y"),
            intervals=prices(2.0, kind="IMPORT_CAPACITY_SUBSCRIPTION"),
        )
        guide.pass_time(ticks=1)
        held = self.net(guide)
        guide.send(
            intervalPeriod=period(guide.clock.now, "PT1H"),
            intervals=prices(100.0, kind="IMPORT_CAPACITY_RESERVATION"),
        )
        guide.pass_time(ticks=1)

        assert self.net(guide) >= held


def test_8_11_a_cta_2045_device_says_in_a_word_what_it_does(guide: Guide) -> None:
    event_id = guide.send(reportDescriptors=[{"payloadType": "OPERATING_STATE"}])
    guide.pass_time(ticks=1)
    guide.send(intervalPeriod=period(guide.clock.now, "PT1H"), intervals=prices(3, kind="SIMPLE"))
    guide.pass_time(ticks=1)

    before, after = guide.reports_of(event_id, "OPERATING_STATE")
    assert {value for place in range(8) for value in values(before, place)} == {"NORMAL"}
    assert values(after, 4) == ["IDLE_CURTAILED"]
    assert values(after, 7) == ["NORMAL"], "base load follows nothing"


def test_8_12_an_event_that_is_updated_holds_as_updated(guide: Guide) -> None:
    begin = guide.clock.now
    reports_of = {
        "type": "DISPATCH_INSTRUCTION",
        "values": ["load_reduction", "combustion_gen_standby"],
    }
    event_id = guide.send(
        intervals=[
            {
                "id": 0,
                "intervalPeriod": period(begin, "PT2H"),
                "payloads": [reports_of, {"type": "SIMPLE", "values": [1]}],
            }
        ]
    )
    guide.pass_time(ticks=1)
    first_seen = guide.container.events.store().of_ven("Aarhus")[0].first_seen
    guide.update(
        event_id,
        intervals=[
            {
                "id": 0,
                "intervalPeriod": period(begin, "PT1H"),
                "payloads": [reports_of, {"type": "SIMPLE", "values": [1]}],
            },
            {
                "id": 1,
                "intervalPeriod": {"duration": "PT2H"},
                "payloads": [
                    {
                        "type": "DISPATCH_INSTRUCTION",
                        "values": ["load_reduction", "combustion_gen"],
                    },
                    {"type": "SIMPLE", "values": [3]},
                ],
            },
        ],
    )
    guide.pass_time(ticks=1)
    frame = guide.container.readings.log().last()
    assert frame is not None
    assert set(frame.detail.level.tolist()) == {1}
    guide.clock.now = begin + HOUR
    guide.pass_time(ticks=1)

    frame = guide.container.readings.log().last()
    assert frame is not None
    assert set(frame.detail.level.tolist()) == {3}
    assert guide.container.events.store().of_ven("Aarhus")[0].first_seen == first_seen


@of_310
class TestDynamicTargeting:
    """8.13."""

    def levels(self, guide: Guide) -> dict[str, int]:
        frame = guide.container.readings.log().last()
        assert frame is not None
        names = [name for _, names in frame.roster for name in names]
        level = frame.detail.level
        return dict(zip(names, [0] * len(names) if level is None else level.tolist(), strict=True))

    def shed(self, guide: Guide, *targets: str) -> None:
        guide.send(
            targets=list(targets),
            intervalPeriod=period(guide.clock.now, "PT1H"),
            intervals=prices(2, kind="SIMPLE"),
        )
        guide.pass_time(ticks=1)

    def test_a_target_of_a_ven_reaches_all_its_resources_and_no_other_ven(
        self, guide: Guide
    ) -> None:
        grant(guide, "ven", "Aarhus", "ven_0999", "group1")
        self.shed(guide, "ven_0999")

        levels = self.levels(guide)
        assert {level for name, level in levels.items() if name.startswith("Aarhus")} == {2}
        assert {level for name, level in levels.items() if name.startswith("Aalborg")} == {0}

    def test_a_target_of_a_resource_reaches_that_one(self, guide: Guide) -> None:
        grant(guide, "resource", "Aarhus-05-ventilation", "resource_0999")
        self.shed(guide, "resource_0999")

        assert [name for name, level in self.levels(guide).items() if level] == [
            "Aarhus-05-ventilation"
        ]

    def test_what_was_granted_may_be_taken_back(self, guide: Guide) -> None:
        grant(guide, "ven", "Aarhus", "group1")
        self.shed(guide, "group1")
        assert any(self.levels(guide).values())
        grant(guide, "ven", "Aarhus")
        guide.pass_time(ticks=1)

        assert not any(self.levels(guide).values())
