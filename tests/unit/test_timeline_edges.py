"""Timelines at their edges: cut, without duration, over months, and over (openadr.md, 'Time')."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from app.openadr import write_instant
from app.vtn.activity import has_transpired
from tests.support.events import NOW, interval, seen, timeline, wire

NOON = "2026-06-01T12:00:00Z"
HOURLY: dict[str, Any] = {"start": NOON, "duration": "PT1H"}
H = timedelta(hours=1)


class TestEventDurationThatCutsAnInterval:
    """Values are laid out over the interval as it is written, and then cut (openadr.md, 'Time')."""

    def test_several_values_keep_their_times(self) -> None:
        prices = {"type": "PRICE", "values": list(range(24))}
        line = timeline(
            duration="PT12H",
            intervalPeriod={"start": NOON, "duration": "PT24H"},
            intervals=[{"id": 0, "payloads": [prices]}],
        )

        (interval,) = line.at(NOW + 6.5 * H)

        assert interval.value(interval.payloads[0], NOW + 6.5 * H) == 6
        assert list(interval.changes(NOW + 6.25 * H)) == [NOW + 7 * H]
        assert interval.end == NOW + 12 * H
        assert list(interval.changes(NOW + 11.5 * H)) == [], "it is over by then"

    def test_in_the_last_pass_of_a_loop_too(self) -> None:
        prices = {"type": "PRICE", "values": [0, 1, 2, 3]}
        line = timeline(
            duration="PT6H",
            intervalPeriod={"start": NOON, "duration": "PT4H"},
            intervals=[{"id": 0, "payloads": [prices]}],
        )

        (interval,) = line.at(NOW + 5.5 * H)

        assert interval.value(interval.payloads[0], NOW + 5.5 * H) == 1


class TestAnIntervalWithoutAnyDuration:
    """It holds until the next one begins, else until the event ends, else without end."""

    def test_alone_it_never_ends(self) -> None:
        line = timeline(intervals=[interval(0, start=NOON)])

        assert [each.end for each in line.of_pass(0)] == [None]
        assert line.at(NOW + 1000 * H) != []
        assert line.end is None

    def test_the_next_one_ends_it(self) -> None:
        line = timeline(
            intervals=[interval(0, start=NOON), interval(1, start="2026-06-01T13:00:00Z")],
        )

        assert [each.end for each in line.of_pass(0)] == [NOW + H, None]

    def test_what_follows_it_never_begins_and_what_has_a_start_does(self) -> None:
        line = timeline(
            intervals=[
                interval(0, start=NOON),
                interval(1),
                interval(2, start="2026-06-01T17:00:00Z", duration="PT1H"),
            ],
        )

        laid_out = [(each.number, each.start, each.end) for each in line.of_pass(0)]

        assert laid_out == [(0, NOW, NOW + 5 * H), (2, NOW + 5 * H, NOW + 6 * H)]

    def test_event_duration_ends_it(self) -> None:
        line = timeline(duration="PT2H", intervals=[interval(0, start=NOON)])

        assert [each.end for each in line.of_pass(0)] == [NOW + 2 * H]

    def test_one_that_is_said_to_last_no_time_does_not(self) -> None:
        line = timeline(intervals=[interval(0, start=NOON, duration="PT0S")])

        assert [each.end for each in line.of_pass(0)] == [NOW]


@pytest.mark.parametrize("day", [28, 29, 30, 31])
def test_a_loop_of_months_has_no_gap(day: int) -> None:
    begin = datetime(2026, 1, day, tzinfo=UTC)
    line = timeline(
        duration="P2Y",
        intervalPeriod={"start": write_instant(begin), "duration": "P1M"},
        intervals=[interval(0)],
    )
    passes = [line.of_pass(number)[0] for number in range(24)]

    assert all(before.end == after.start for before, after in pairwise(passes))
    assert passes[12].start == datetime(2027, 1, day, tzinfo=UTC)
    assert all(line.at(begin + number * 24 * H) for number in range(720))


def test_a_loop_of_two_intervals_a_month_has_no_gap() -> None:
    begin = datetime(2026, 1, 31, tzinfo=UTC)
    line = timeline(
        duration="P2Y",
        intervalPeriod={"start": write_instant(begin), "duration": "P1M"},
        intervals=[interval(0), interval(1)],
    )
    laid_out = [each for number in range(12) for each in line.of_pass(number)]

    assert [each.number for each in laid_out] == list(range(24))
    assert all(before.end == after.start for before, after in pairwise(laid_out))
    assert [each.start.day for each in laid_out[:3]] == [31, 28, 31]


class TestTranspired:
    """What `GET /events?active=true` of the embedded VTN leaves out: the same timeline decides."""

    @pytest.mark.parametrize(
        ("fields", "until_h"),
        [
            pytest.param(
                {
                    "intervalPeriod": HOURLY,
                    "intervals": [interval(0), interval(1, start="2026-06-01T09:00:00Z")],
                },
                1,
                id="intervals that are not in the order of time",
            ),
            pytest.param(
                {
                    "intervalPeriod": HOURLY,
                    "intervals": [interval(0, duration="PT8H"), interval(1, start=NOON)],
                },
                8,
                id="one that outlasts the last",
            ),
            pytest.param(
                {
                    "duration": "PT2H",
                    "intervalPeriod": {"start": "2026-06-01T06:00:00Z", "duration": "PT1H"},
                    "intervals": [interval(0, start=NOON)],
                },
                2,
                id="event.duration from the first interval on",
            ),
            pytest.param(
                {"duration": "PT90M", "intervalPeriod": HOURLY, "intervals": [interval(0)] * 3},
                1.5,
                id="cut by event.duration",
            ),
            pytest.param(
                {
                    "intervalPeriod": dict(HOURLY, randomizeStart="PT30M"),
                    "intervals": [interval(0)],
                },
                1.5,
                id="for every VEN, wherever its start is drawn",
            ),
        ],
    )
    def test_it_is_active_until_it_is_over_for_all(
        self, fields: dict[str, Any], until_h: float
    ) -> None:
        body = wire(**fields)

        assert not has_transpired(body, NOW + until_h * H - timedelta(seconds=1))
        assert has_transpired(body, NOW + until_h * H)

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"intervalPeriod": HOURLY},
            {"intervals": [interval(0)], "intervalPeriod": {"duration": "PT1H"}},
            {"intervals": [interval(0, start=NOON)]},
            {"intervals": [interval(0)], "intervalPeriod": {"start": "0001-01-01T00:00:00Z"}},
        ],
    )
    def test_one_whose_end_is_not_known_is_active(self, fields: dict[str, Any]) -> None:
        assert not has_transpired(wire(**fields), NOW + 10_000 * H)


def test_an_event_of_a_ven_is_laid_out_once() -> None:
    event = seen(intervals=[interval(0)], intervalPeriod={"start": "2026-06-01T12:00:00Z"})

    assert event.timeline is event.timeline
