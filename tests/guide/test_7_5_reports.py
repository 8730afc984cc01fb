"""User Guide, 7.5: when which report is sent, and what it covers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import MakeContainer
from tests.guide.conftest import (
    HOUR,
    Guide,
    MakeGuide,
    ids,
    period,
    prices,
    spans,
    stamp,
    values,
)

pytestmark = pytest.mark.in_process

USAGE = {"payloadType": "USAGE"}


def usage(**fields: Any) -> list[dict[str, Any]]:
    return [{**USAGE, **fields}]


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
        assert guide.reports_of(event_id, "USAGE") == []
        self.run(guide, 0.2)

        (report,) = guide.reports_of(event_id, "USAGE")
        assert ids(report) == [0, 1, 2, 3]
        assert spans(report) == [(stamp(begin + n * HOUR), "PT3600S") for n in range(4)]
        assert len(report["resources"]) == 8
        self.run(guide, 3)
        assert len(guide.reports_of(event_id, "USAGE")) == 1, "a repeat of 1 is one report"

    def test_a_forecast_is_sent_when_the_first_interval_begins(self, guide: Guide) -> None:
        begin = guide.clock.now + HOUR
        event_id = guide.send(
            intervalPeriod=period(begin, "PT1H"),
            intervals=prices(1, 2, 3),
            reportDescriptors=usage(historical=False),
        )
        self.run(guide, 0.9)
        assert guide.reports_of(event_id, "USAGE") == []
        self.run(guide, 0.2)

        (report,) = guide.reports_of(event_id, "USAGE")
        assert ids(report) == [0, 1, 2]
        assert spans(report)[0] == (stamp(begin), "PT3600S")

    def test_a_subset_of_intervals(self, guide: Guide) -> None:
        event_id = self.hours(guide, 5, {**USAGE, "startInterval": 1, "numIntervals": 3})
        self.run(guide, 5.1)

        (report,) = guide.reports_of(event_id, "USAGE")
        assert ids(report) == [1, 2, 3]

    def test_the_last_intervals(self, guide: Guide) -> None:
        event_id = self.hours(guide, 5, {**USAGE, "numIntervals": 2})
        self.run(guide, 5.1)

        (report,) = guide.reports_of(event_id, "USAGE")
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
            sent.append(len(guide.reports_of(event_id, "USAGE")))

        assert [ids(report) for report in guide.reports_of(event_id, "USAGE")] == [
            [1, 2],
            [3, 4],
            [5, 6],
        ]
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

        assert [ids(report) for report in guide.reports_of(event_id, "USAGE")] == [
            [0, 1, 2],
            [1, 2, 3],
            [2, 3, 4],
        ]

    def test_a_loop_is_reported_pass_by_pass(self, guide: Guide) -> None:
        event_id = self.hours(guide, 2, USAGE, duration="P9999Y")
        self.run(guide, 6.1)

        reports = guide.reports_of(event_id, "USAGE")
        assert [ids(report) for report in reports] == [[0, 1]] * 3
        starts = [start for report in reports for start, _ in spans(report)]
        assert len(set(starts)) == 6

    def test_ad_hoc(self, guide: Guide) -> None:
        event_id = self.hours(guide, 1, {"payloadType": "READING", "frequency": 0})
        guide.pass_time(ticks=3)

        assert len(guide.reports_of(event_id, "READING")) == 3

    def test_report_only_with_ven_determined_intervals(self, guide: Guide) -> None:
        event_id = guide.send(reportDescriptors=usage())
        guide.pass_time(ticks=3)

        assert [ids(report) for report in guide.reports_of(event_id, "USAGE")] == [[0], [0], [0]]

    def test_report_only_with_intervals_of_business_logic(self, guide: Guide) -> None:
        event_id = guide.send(
            intervalPeriod=period(guide.clock.now, "PT1H"),
            intervals=[{"id": 7, "payloads": []}, {"id": 8, "payloads": []}],
            reportDescriptors=usage(),
        )
        self.run(guide, 2.1)

        (report,) = guide.reports_of(event_id, "USAGE")
        assert ids(report) == [7, 8]

    def test_report_only_with_implied_intervals(self, guide: Guide) -> None:
        begin = guide.clock.now
        event_id = guide.send(
            intervalPeriod=period(begin, "PT1H"),
            reportDescriptors=usage(startInterval=0, numIntervals=2, frequency=2, repeat=-1),
        )
        self.run(guide, 4.1)

        reports = guide.reports_of(event_id, "USAGE")
        starts = [start for report in reports for start, _ in spans(report)]
        assert starts == [stamp(begin + n * HOUR) for n in range(4)]

    @pytest.mark.parametrize(("repeat", "reports"), [(None, 1), (0, 1), (1, 1), (3, 3), (-1, 4)])
    def test_of_implied_intervals_without_end_all_means_each(
        self, guide: Guide, repeat: int | None, reports: int
    ) -> None:
        begin = guide.clock.now
        numbers = {} if repeat is None else {"repeat": repeat}
        event_id = guide.send(
            intervalPeriod=period(begin, "PT1H"), reportDescriptors=usage(**numbers)
        )
        self.run(guide, 4.1)

        assert [spans(report) for report in guide.reports_of(event_id, "USAGE")] == [
            [(stamp(begin + n * HOUR), "PT3600S")] for n in range(reports)
        ]

    def test_sub_intervals_keep_the_id_of_their_interval(self, guide: Guide) -> None:
        event_id = self.hours(guide, 2, {**USAGE, "reportIntervals": "SUB_INTERVALS"}, USAGE)
        self.run(guide, 2.1)

        in_pieces, whole = guide.reports_of(event_id, "USAGE")
        if len(ids(in_pieces)) < len(ids(whole)):
            in_pieces, whole = whole, in_pieces
        assert set(ids(in_pieces)) == {0, 1}
        assert len(ids(in_pieces)) == 24
        for place in range(8):
            assert sum(values(in_pieces, place)) == pytest.approx(sum(values(whole, place)))

    def test_open_intervals_are_the_vens_own(self, guide: Guide) -> None:
        event_id = self.hours(guide, 2, {**USAGE, "reportIntervals": "OPEN_INTERVALS"})
        guide.pass_time(ticks=2)

        assert len(guide.reports_of(event_id, "USAGE")) == 2

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

        assert [ids(report) for report in guide.reports_of(event_id, "USAGE")] == [[2], [3], [4]]

    def test_a_restart_in_the_middle_changes_nothing(
        self, guide: Guide, make_container: MakeContainer
    ) -> None:
        event_id = self.hours(guide, 2, {**USAGE, "numIntervals": 1, "startInterval": 0}, USAGE)
        self.run(guide, 1.5)
        guide.container.platform.database().close()
        port = guide.vtn.port
        restarted = Guide(make_container(vtn={"embedded_port": port}), guide.vtn, guide.clock)
        self.run(restarted, 1)

        assert [ids(report) for report in guide.reports_of(event_id, "USAGE")] == [[0], [0, 1]]
