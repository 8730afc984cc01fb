"""User Guide, section 7: each rule of 7.1 to 7.10 that a VEN can keep is one test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import MakeContainer
from tests.guide.conftest import (
    HOUR,
    MINUTE,
    Guide,
    MakeGuide,
    ids,
    period,
    prices,
    spans,
    stamp,
    values,
)

USAGE = {"payloadType": "USAGE"}


def usage(**fields: Any) -> list[dict[str, Any]]:
    return [{**USAGE, **fields}]


class TestPriority:
    """7.1."""

    def test_the_lower_number_prevails_and_no_priority_is_the_lowest(self, guide: Guide) -> None:
        now = period(guide.clock.now, "PT1H")
        for level, priority in ((1, {"priority": 5}), (3, {"priority": 0}), (2, {})):
            guide.send(intervalPeriod=now, intervals=prices(level, kind="SIMPLE"), **priority)
        guide.pass_time(ticks=1)

        frame = guide.container.frames().last()
        assert frame is not None
        assert set(frame.detail.level.tolist()) == {3}

    def test_of_two_of_one_priority_the_newer_prevails(self, guide: Guide) -> None:
        now = period(guide.clock.now, "PT1H")
        guide.send(intervalPeriod=now, intervals=prices(3, kind="SIMPLE"), priority=1)
        guide.send(intervalPeriod=now, intervals=prices(1, kind="SIMPLE"), priority=1)
        guide.pass_time(ticks=1)

        frame = guide.container.frames().last()
        assert frame is not None
        assert set(frame.detail.level.tolist()) == {1}

    def test_types_that_do_not_conflict_hold_side_by_side(self, guide: Guide) -> None:
        now = period(guide.clock.now, "PT1H")
        guide.send(intervalPeriod=now, intervals=prices(0.2), priority=0)
        guide.send(intervalPeriod=now, intervals=prices(2, kind="SIMPLE"), priority=9)
        guide.pass_time(ticks=1)

        frame = guide.container.frames().last()
        assert frame is not None
        assert set(frame.detail.level.tolist()) == {2}


class TestReferences:
    """7.2."""

    def test_a_report_names_its_event_and_its_client(self, guide: Guide) -> None:
        event_id = guide.send(reportDescriptors=usage(payloadType="READING"))
        guide.pass_time(ticks=1)

        (report,) = guide.told(event_id, "READING")
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
        assert any(each.is_cancelled for each in guide.container.events().of_ven("Aarhus"))

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

        assert len(guide.told(event_id, "READING")) == 2


class TestReportsOnIntervals:
    """7.5."""

    def hours(self, guide: Guide, count: int, *descriptors: dict[str, Any], **event: Any) -> str:
        return guide.send(
            intervalPeriod=period(guide.clock.now, "PT1H"),
            intervals=prices(*range(count)),
            reportDescriptors=list(descriptors),
            **event,
        )

    def run(self, guide: Guide, hours: float) -> None:
        guide.until(guide.clock.now + hours * HOUR, tick_s=300)

    def test_historical_on_all_intervals_is_sent_after_the_last_one(self, guide: Guide) -> None:
        begin = guide.clock.now
        event_id = self.hours(guide, 4, USAGE)
        self.run(guide, 3.9)
        assert guide.told(event_id, "USAGE") == []
        self.run(guide, 0.2)

        (report,) = guide.told(event_id, "USAGE")
        assert ids(report) == [0, 1, 2, 3]
        assert spans(report) == [(stamp(begin + n * HOUR), "PT3600S") for n in range(4)]
        assert len(report["resources"]) == 8
        self.run(guide, 3)
        assert len(guide.told(event_id, "USAGE")) == 1, "a repeat of 1 is one report"

    def test_a_forecast_is_sent_when_the_first_interval_begins(self, guide: Guide) -> None:
        begin = guide.clock.now + HOUR
        event_id = guide.send(
            intervalPeriod=period(begin, "PT1H"),
            intervals=prices(1, 2, 3),
            reportDescriptors=usage(historical=False),
        )
        self.run(guide, 0.9)
        assert guide.told(event_id, "USAGE") == []
        self.run(guide, 0.2)

        (report,) = guide.told(event_id, "USAGE")
        assert ids(report) == [0, 1, 2]
        assert spans(report)[0] == (stamp(begin), "PT3600S")

    def test_a_subset_of_intervals(self, guide: Guide) -> None:
        event_id = self.hours(guide, 5, {**USAGE, "startInterval": 1, "numIntervals": 3})
        self.run(guide, 5.1)

        (report,) = guide.told(event_id, "USAGE")
        assert ids(report) == [1, 2, 3]

    def test_the_last_intervals(self, guide: Guide) -> None:
        event_id = self.hours(guide, 5, {**USAGE, "numIntervals": 2})
        self.run(guide, 5.1)

        (report,) = guide.told(event_id, "USAGE")
        assert ids(report) == [3, 4]

    def test_reports_at_a_regular_period(self, guide: Guide) -> None:
        event_id = self.hours(
            guide,
            8,
            {**USAGE, "startInterval": 1, "numIntervals": 2, "frequency": 2, "repeat": 3},
        )
        sent = []
        for _ in range(8):
            self.run(guide, 1)
            sent.append(len(guide.told(event_id, "USAGE")))

        assert [ids(report) for report in guide.told(event_id, "USAGE")] == [[1, 2], [3, 4], [5, 6]]
        assert sent == [0, 0, 1, 1, 2, 2, 3, 3]

    def test_rolling_forecasts(self, guide: Guide) -> None:
        event_id = self.hours(
            guide,
            5,
            {
                **USAGE,
                "startInterval": 0,
                "numIntervals": 3,
                "frequency": 1,
                "repeat": 3,
                "historical": False,
            },
        )
        self.run(guide, 5)

        assert [ids(report) for report in guide.told(event_id, "USAGE")] == [
            [0, 1, 2],
            [1, 2, 3],
            [2, 3, 4],
        ]

    def test_a_loop_is_reported_pass_by_pass(self, guide: Guide) -> None:
        event_id = self.hours(guide, 2, USAGE, duration="P9999Y")
        self.run(guide, 6.1)

        reports = guide.told(event_id, "USAGE")
        assert [ids(report) for report in reports] == [[0, 1]] * 3
        starts = [start for report in reports for start, _ in spans(report)]
        assert len(set(starts)) == 6

    def test_ad_hoc(self, guide: Guide) -> None:
        event_id = self.hours(guide, 1, {"payloadType": "READING", "frequency": 0})
        guide.pass_time(ticks=3)

        assert len(guide.told(event_id, "READING")) == 3

    def test_report_only_with_ven_determined_intervals(self, guide: Guide) -> None:
        event_id = guide.send(reportDescriptors=usage())
        guide.pass_time(ticks=3)

        assert [ids(report) for report in guide.told(event_id, "USAGE")] == [[0], [0], [0]]

    def test_report_only_with_intervals_of_business_logic(self, guide: Guide) -> None:
        event_id = guide.send(
            intervalPeriod=period(guide.clock.now, "PT1H"),
            intervals=[{"id": 7, "payloads": []}, {"id": 8, "payloads": []}],
            reportDescriptors=usage(),
        )
        self.run(guide, 2.1)

        (report,) = guide.told(event_id, "USAGE")
        assert ids(report) == [7, 8]

    def test_report_only_with_implied_intervals(self, guide: Guide) -> None:
        begin = guide.clock.now
        event_id = guide.send(
            intervalPeriod=period(begin, "PT1H"),
            reportDescriptors=usage(startInterval=0, numIntervals=2, frequency=2, repeat=-1),
        )
        self.run(guide, 4.1)

        reports = guide.told(event_id, "USAGE")
        starts = [start for report in reports for start, _ in spans(report)]
        assert starts == [stamp(begin + n * HOUR) for n in range(4)]

    def test_sub_intervals_keep_the_id_of_their_interval(self, guide: Guide) -> None:
        event_id = self.hours(guide, 2, {**USAGE, "reportIntervals": "SUB_INTERVALS"}, USAGE)
        self.run(guide, 2.1)

        in_pieces, whole = guide.told(event_id, "USAGE")
        if len(ids(in_pieces)) < len(ids(whole)):
            in_pieces, whole = whole, in_pieces
        assert set(ids(in_pieces)) == {0, 1}
        assert len(ids(in_pieces)) == 24
        for place in range(8):
            assert sum(values(in_pieces, place)) == pytest.approx(sum(values(whole, place)))

    def test_open_intervals_are_the_vens_own(self, guide: Guide) -> None:
        event_id = self.hours(guide, 2, {**USAGE, "reportIntervals": "OPEN_INTERVALS"})
        guide.pass_time(ticks=2)

        assert len(guide.told(event_id, "USAGE")) == 2

    def test_of_what_was_due_before_the_event_was_seen_only_the_latest_is_sent(
        self, make_guide: MakeGuide
    ) -> None:
        """'do it now' event reporting; of what is kept for events to come."""
        guide = make_guide(store={"keep_unasked": "PT6H"})
        begin = guide.clock.now
        self.run(guide, 3.5)
        event_id = guide.send(
            intervalPeriod=period(begin, "PT1H"),
            intervals=prices(*range(5)),
            reportDescriptors=usage(startInterval=0, numIntervals=1, frequency=1, repeat=5),
        )
        self.run(guide, 2)

        assert [ids(report) for report in guide.told(event_id, "USAGE")] == [[2], [3], [4]]

    def test_a_restart_in_the_middle_changes_nothing(
        self, guide: Guide, make_container: MakeContainer
    ) -> None:
        event_id = self.hours(guide, 2, {**USAGE, "numIntervals": 1, "startInterval": 0}, USAGE)
        self.run(guide, 1.5)
        guide.container.database().close()
        port = int(guide.vtn.base_url.rsplit(":", 1)[1])
        restarted = Guide(make_container(vtn={"embedded_port": port}), guide.vtn, guide.clock)
        self.run(restarted, 1)

        assert [ids(report) for report in guide.told(event_id, "USAGE")] == [[0], [0, 1]]


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

        rated = guide.container.simulator().plant().rated_kw
        frame = guide.container.frames().last()
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

        frame = guide.container.frames().last()
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

    one, each = sorted(guide.told(event_id, "USAGE"), key=lambda found: len(found["resources"]))
    assert one["resources"][0]["resourceName"] == "AGGREGATED_REPORT"
    total = sum(values(each, place)[0] for place in range(8))
    assert values(one) == [pytest.approx(total)]


class TestDataQuality:
    """7.8."""

    DESCRIPTORS = [USAGE, {"payloadType": "DATA_QUALITY"}]

    def quality(self, guide: Guide, event_id: str) -> list[str]:
        (report,) = guide.told(event_id, "USAGE")
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


class TestTargets:
    """7.10; the workflow of 8.13 is in test_8_use_cases.py."""

    def test_a_descriptor_may_be_about_some_resources_only(self, guide: Guide) -> None:
        grant(guide, "resource", "Aarhus-03-battery", "storage")
        event_id = guide.send(
            reportDescriptors=[{"payloadType": "READING", "targets": ["storage"]}]
        )
        guide.pass_time(ticks=1)

        (report,) = guide.told(event_id, "READING")
        assert [each["resourceName"] for each in report["resources"]] == ["Aarhus-03-battery"]
        assert guide.told(event_id, "READING", "Aalborg") == []
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
