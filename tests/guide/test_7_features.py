"""User Guide, section 7: each rule of 7.1 to 7.10 that a VEN can keep is one test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.guide.conftest import (
    HOUR,
    MINUTE,
    Guide,
    of_310,
    period,
    prices,
    values,
)

pytestmark = pytest.mark.in_process

USAGE = {"payloadType": "USAGE"}


def usage(**fields: Any) -> list[dict[str, Any]]:
    return [{**USAGE, **fields}]


class TestPriority:
    """7.1."""

    def test_the_lower_number_prevails_and_no_priority_is_the_lowest(self, guide: Guide) -> None:
        now = period(guide.clock.now, "PT1H")
        fields: tuple[tuple[int, dict[str, Any]], ...] = (
            (1, {"priority": 5}),
            (3, {"priority": 0}),
            (2, {}),
        )
        for level, priority in fields:
            guide.send(intervalPeriod=now, intervals=prices(level, kind="SIMPLE"), **priority)
        guide.pass_time(ticks=1)

        frame = guide.container.readings.log().last()
        assert frame is not None
        assert set(frame.detail.level.tolist()) == {3}

    def test_of_two_of_one_priority_the_newer_prevails(self, guide: Guide) -> None:
        now = period(guide.clock.now, "PT1H")
        guide.send(intervalPeriod=now, intervals=prices(3, kind="SIMPLE"), priority=1)
        guide.send(intervalPeriod=now, intervals=prices(1, kind="SIMPLE"), priority=1)
        guide.pass_time(ticks=1)

        frame = guide.container.readings.log().last()
        assert frame is not None
        assert set(frame.detail.level.tolist()) == {1}

    def test_types_that_do_not_conflict_hold_side_by_side(self, guide: Guide) -> None:
        now = period(guide.clock.now, "PT1H")
        guide.send(intervalPeriod=now, intervals=prices(0.2), priority=0)
        guide.send(intervalPeriod=now, intervals=prices(2, kind="SIMPLE"), priority=9)
        guide.pass_time(ticks=1)

        frame = guide.container.readings.log().last()
        assert frame is not None
        assert set(frame.detail.level.tolist()) == {2}


class TestReferences:
    """7.2."""

    def test_a_report_names_its_event_and_its_client(self, guide: Guide) -> None:
        event_id = guide.send(reportDescriptors=usage(payloadType="READING"))
        guide.pass_time(ticks=1)

        (report,) = guide.reports_of(event_id, "READING")
        assert (report["eventID"], report["clientName"]) == (event_id, "Aarhus")


class TestTiming:
    """7.3 and 7.4, as the resources feel them; the timeline itself: tests/unit/test_timeline.py."""

    def test_an_event_acts_from_its_start_to_its_end(self, guide: Guide) -> None:
        begin = guide.clock.now + 10 * MINUTE
        guide.send(intervalPeriod=period(begin, "PT10M"), intervals=prices(3, kind="SIMPLE"))
        heat = []
        for _ in range(3):
            guide.pass_time(ticks=19)
            heat.append(guide.power_kw("ventilation"))
            guide.pass_time(ticks=1)

        assert heat[1] < 0.1 * min(heat[0], heat[2])

    def test_a_cancelled_event_ends_at_once(self, guide: Guide) -> None:
        """7.9: start year 1 and no duration, for an event that had a time."""
        event_id = guide.send(
            intervalPeriod=period(guide.clock.now, "PT4H"), intervals=prices(3, kind="SIMPLE")
        )
        guide.pass_time(ticks=1)
        shed = guide.power_kw("base") + guide.power_kw("ventilation")
        guide.update(
            event_id,
            intervalPeriod={"start": "0001-01-01T00:00:00Z", "duration": "PT0S"},
            intervals=prices(3, kind="SIMPLE"),
        )
        guide.pass_time(ticks=1)

        assert guide.power_kw("base") + guide.power_kw("ventilation") > shed
        assert any(seen.is_cancelled for seen in guide.container.events.store().of_ven("Aarhus"))

    def test_a_deleted_event_ends_at_once(self, guide: Guide) -> None:
        """7.9: another approach."""
        event_id = guide.send(
            intervalPeriod=period(guide.clock.now, "PT4H"), intervals=prices(3, kind="SIMPLE")
        )
        guide.pass_time(ticks=1)
        shed = guide.power_kw("ventilation")
        guide.vtn.store.remove("EVENT", event_id)
        guide.manager.poll_events()
        guide.pass_time(ticks=1)

        assert guide.power_kw("ventilation") > shed

    def test_the_marker_alone_cancels_nothing(self, guide: Guide) -> None:
        """8.6 and 8.10.2 send live events that carry it."""
        event_id = guide.send(
            intervalPeriod={"start": "0001-01-01T00:00:00Z", "duration": "PT0S"},
            reportDescriptors=usage(payloadType="READING", frequency=0),
        )
        guide.pass_time(ticks=2)

        assert len(guide.reports_of(event_id, "READING")) == 2


class TestDescriptors:
    """7.6."""

    def test_units_of_an_event_say_what_its_values_mean(self, guide: Guide) -> None:
        now = period(guide.clock.now, "PT1H")
        descriptor = {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "DISPATCH_SETPOINT"}
        guide.send(
            intervalPeriod=now,
            payloadDescriptors=[{**descriptor, "units": "PERCENT"}],
            intervals=prices(0.5, kind="DISPATCH_SETPOINT"),
        )
        guide.pass_time(ticks=1)

        rated = guide.container.simulator().resources().rated_kw
        frame = guide.container.readings.log().last()
        assert frame is not None
        names = [name for _, names in frame.roster for name in names]
        for name, power, rated_kw in zip(names, frame.power_kw, rated, strict=True):
            if "ev-charger" in name:
                assert power == pytest.approx(0.5 * rated_kw, abs=0.01)

    def test_those_of_the_program_are_the_default(self, guide: Guide) -> None:
        descriptor = {
            "objectType": "EVENT_PAYLOAD_DESCRIPTOR",
            "payloadType": "DISPATCH_SETPOINT",
            "units": "PERCENT",
        }
        program_id = guide.program(payloadDescriptors=[descriptor])
        guide.send(
            program_id=program_id,
            intervalPeriod=period(guide.clock.now, "PT1H"),
            intervals=prices(1.0, kind="DISPATCH_SETPOINT"),
        )
        guide.pass_time(ticks=1)

        frame = guide.container.readings.log().last()
        assert frame is not None
        assert guide.power_kw("ev-charger") > 10


def test_an_aggregated_report_is_the_sum_of_all_resources(guide: Guide) -> None:
    """7.7."""
    event_id = guide.send(
        intervalPeriod=period(guide.clock.now, "PT1H"),
        intervals=prices(0.17),
        reportDescriptors=[{**USAGE, "readingType": "DIRECT_READ", "aggregate": True}, USAGE],
    )
    guide.until(guide.clock.now + 1.1 * HOUR, tick_s=300)

    one, each = sorted(
        guide.reports_of(event_id, "USAGE"), key=lambda found: len(found["resources"])
    )
    assert one["resources"][0]["resourceName"] == "AGGREGATED_REPORT"
    total = sum(values(each, place)[0] for place in range(8))
    assert values(one) == [pytest.approx(total)]


class TestDataQuality:
    """7.8."""

    DESCRIPTORS = [USAGE, {"payloadType": "DATA_QUALITY"}]

    def quality(self, guide: Guide, event_id: str) -> list[str]:
        (report,) = guide.reports_of(event_id, "USAGE")
        return [each["payloads"][1]["values"][0] for each in report["resources"][0]["intervals"]]

    def test_it_stands_beside_each_value(self, guide: Guide) -> None:
        event_id = guide.send(
            intervalPeriod=period(guide.clock.now, "PT10M"),
            intervals=prices(1, 2),
            reportDescriptors=self.DESCRIPTORS,
        )
        guide.until(guide.clock.now + 21 * MINUTE)

        assert self.quality(guide, event_id) == ["OK", "OK"]

    def test_what_was_not_metered_is_told(self, guide: Guide) -> None:
        event_id = guide.send(
            intervalPeriod=period(guide.clock.now + MINUTE, "PT10M"),
            intervals=prices(1, 2, 3),
            reportDescriptors=self.DESCRIPTORS,
        )
        guide.until(guide.clock.now + 5 * MINUTE)
        guide.clock.advance(minutes=14)
        guide.until(guide.clock.now + 14 * MINUTE)

        assert self.quality(guide, event_id) == ["ESTIMATED", "ESTIMATED", "OK"]


@of_310
class TestTargets:
    """7.10; the workflow of 8.13 is in test_8_use_cases.py."""

    def test_a_descriptor_may_be_about_some_resources_only(self, guide: Guide) -> None:
        grant(guide, "resource", "Aarhus-03-battery", "storage")
        event_id = guide.send(
            reportDescriptors=[{"payloadType": "READING", "targets": ["storage"]}]
        )
        guide.pass_time(ticks=1)

        (report,) = guide.reports_of(event_id, "READING")
        assert [each["resourceName"] for each in report["resources"]] == ["Aarhus-03-battery"]
        assert guide.reports_of(event_id, "READING", "Aalborg") == []
        assert guide.waiting() == 0


def grant(guide: Guide, kind: str, name: str, *targets: str) -> None:
    """Let business logic give targets to a VEN or a resource."""
    store = guide.vtn.store
    (found,) = [
        each for each in store.select(kind.upper(), limit=1000) if each[f"{kind}Name"] == name
    ]
    store.replace(kind.upper(), found, {**found, "targets": list(targets)})
    guide.manager.poll_events()


def test_time_passes_in_the_tests_as_it_says(guide: Guide) -> None:
    begin = guide.clock.now
    guide.until(begin + timedelta(minutes=2))

    assert guide.clock.now == begin + timedelta(minutes=2)
