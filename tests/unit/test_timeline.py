"""The timeline of an event (User Guide 7.3 and 7.4; openadr.md, 'Time')."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openadr import Interval, read_event
from app.openadr.wire import read_each
from tests.support.events import NOW, interval, timeline, wire

NOON = "2026-06-01T12:00:00Z"
HOURLY = {"start": NOON, "duration": "PT1H"}
H = timedelta(hours=1)


def hours(intervals: Iterable[Interval]) -> list[tuple[float, float | None]]:
    """Begin and end in hours after noon."""
    return [
        ((interval.start - NOW) / H, None if interval.end is None else (interval.end - NOW) / H)
        for interval in intervals
    ]


class TestPeriods:
    """User Guide 7.3, intervalPeriod, and 7.4."""

    def test_the_period_of_the_event_is_the_default_and_intervals_follow_on(self) -> None:
        made = timeline(intervalPeriod=HOURLY, intervals=[interval(0), interval(1)])

        assert hours(made.of_pass(0)) == [(0, 1), (1, 2)]

    def test_an_interval_may_have_a_duration_of_its_own(self) -> None:
        """Example 7.4-1."""
        made = timeline(
            intervalPeriod=HOURLY, intervals=[interval(0), interval(1, duration="PT2H")]
        )

        assert hours(made.of_pass(0)) == [(0, 1), (1, 3)]

    def test_intervals_may_leave_gaps_and_overlap(self) -> None:
        made = timeline(
            intervalPeriod=HOURLY,
            intervals=[
                interval(0),
                interval(1, start="2026-06-01T15:00:00Z"),
                interval(2, start="2026-06-01T15:30:00Z"),
                interval(3),
            ],
        )

        assert hours(made.of_pass(0)) == [(0, 1), (3, 4), (3.5, 4.5), (4.5, 5.5)]
        assert [each.number for each in made.at(NOW + 3.75 * H)] == [1, 2]
        assert made.at(NOW + 2 * H) == []

    def test_without_a_period_of_the_event_each_interval_has_its_own(self) -> None:
        made = timeline(
            intervals=[interval(0, **HOURLY), interval(1, duration="PT2H")],
        )

        assert hours(made.of_pass(0)) == [(0, 1), (1, 3)]

    def test_a_duration_of_nothing_is_absent_where_the_event_has_one(self) -> None:
        made = timeline(intervalPeriod=HOURLY, intervals=[interval(0, duration="PT0S")])

        assert hours(made.of_pass(0)) == [(0, 1)]

    def test_months_and_years_go_by_the_calendar(self) -> None:
        made = timeline(
            intervalPeriod={"start": "2024-01-31T00:00:00Z", "duration": "P1M"},
            intervals=[interval(0), interval(1), interval(2, duration="P1Y")],
        )

        assert [each.end for each in made.of_pass(0)] == [
            datetime(2024, 2, 29, tzinfo=UTC),
            datetime(2024, 3, 29, tzinfo=UTC),
            datetime(2025, 3, 29, tzinfo=UTC),
        ]

    @pytest.mark.parametrize("duration", ["P9999Y", "P9999Y0M0DT0H0M0S", "P9000Y"])
    def test_9999_years_never_end_and_nothing_follows(self, duration: str) -> None:
        made = timeline(
            intervalPeriod={"start": NOON, "duration": duration},
            intervals=[interval(0), interval(1)],
        )

        assert hours(made.of_pass(0)) == [(0, None)]
        assert made.end is None


class TestNow:
    """Year 1 (User Guide 7.3, 'do it now'; openadr.md, 'Time')."""

    def test_at_the_event_it_is_literal(self) -> None:
        forever = timeline(
            intervalPeriod={"start": "0001-01-01", "duration": "P9999Y"}, intervals=[interval(0)]
        )
        a_day = timeline(
            intervalPeriod={"start": "0001-01-01", "duration": "P1D"}, intervals=[interval(0)]
        )

        assert len(forever.at(NOW)) == 1
        assert a_day.at(NOW) == []

    def test_in_the_first_interval_it_is_the_start_of_the_event_or_the_first_sight(self) -> None:
        first = interval(0, start="0001-01-01T00:00:00", duration="PT1H")

        assert hours(timeline(intervalPeriod={"start": NOON}, intervals=[first]).of_pass(0)) == [
            (0, 1)
        ]
        assert hours(timeline(NOW + H, intervals=[first]).of_pass(0)) == [(1, 2)]

    def test_in_later_intervals_it_follows_the_one_before(self) -> None:
        later = interval(1, start="0001-01-01", duration="PT2H")

        made = timeline(intervalPeriod=HOURLY, intervals=[interval(0), later])

        assert hours(made.of_pass(0)) == [(0, 1), (1, 3)]

    def test_a_client_that_comes_late_skips_ahead(self) -> None:
        made = timeline(intervalPeriod=HOURLY, intervals=[interval(n) for n in range(25)])

        assert [each.number for each in made.at(NOW + 6.5 * H)] == [6]

    def test_an_event_that_is_over_when_it_is_read_is_not_active(self) -> None:
        made = timeline(intervalPeriod=HOURLY, intervals=[interval(0)])

        assert made.at(NOW + H) == []
        assert made.end == NOW + H


class TestDuration:
    """event.duration (User Guide 7.3)."""

    def test_it_cuts_off(self) -> None:
        made = timeline(
            duration="PT90M", intervalPeriod=HOURLY, intervals=[interval(n) for n in range(24)]
        )

        assert hours(made.of_pass(0)) == [(0, 1), (1, 1.5)]
        assert made.end == NOW + 1.5 * H
        assert not made.loops

    def test_it_loops(self) -> None:
        made = timeline(
            duration="PT5H", intervalPeriod=HOURLY, intervals=[interval(10), interval(11)]
        )

        numbers = [made.interval(number) for number in range(6)]

        assert hours([each for each in numbers if each]) == [(n, n + 1) for n in range(5)]
        assert [each.interval_id for each in numbers if each] == [10, 11, 10, 11, 10]
        assert made.end == NOW + 5 * H

    def test_a_tariff_that_repeats_for_ever_costs_nothing_to_look_at(self) -> None:
        made = timeline(
            duration="P9999Y", intervalPeriod=HOURLY, intervals=[interval(n) for n in range(24)]
        )

        (found,) = made.at(NOW + timedelta(days=300_000, hours=5))

        assert found.interval_id == 5
        assert made.end is None

    def test_months_that_repeat_stay_on_the_calendar(self) -> None:
        made = timeline(
            duration="P9999Y",
            intervalPeriod={"start": "2024-01-01T00:00:00Z", "duration": "P1M"},
            intervals=[interval(n) for n in range(12)],
        )

        for year in (2024, 2025, 2026, 2999):
            (found,) = made.at(datetime(year, 3, 1, tzinfo=UTC))
            assert (found.interval_id, found.start) == (2, datetime(year, 3, 1, tzinfo=UTC))

    def test_a_duration_of_nothing_is_absent(self) -> None:
        made = timeline(duration="PT0S", intervalPeriod=HOURLY, intervals=[interval(0)])

        assert hours(made.of_pass(0)) == [(0, 1)]


class TestRandomizeStart:
    """randomizeStart (User Guide 7.3)."""

    PERIOD = {**HOURLY, "randomizeStart": "PT10M"}

    def starts(self, ven_name: str, **fields: Any) -> list[float]:
        made = timeline(ven_name=ven_name, **fields).of_pass(0)
        return [(interval.start - NOW) / timedelta(minutes=1) for interval in made]

    def test_all_intervals_that_follow_on_are_shifted_alike(self) -> None:
        first, second = self.starts(
            "Aarhus", intervalPeriod=self.PERIOD, intervals=[interval(0), interval(1)]
        )

        assert -10 <= first <= 10
        assert first != 0
        assert second == pytest.approx(first + 60)

    def test_an_absolute_start_is_shifted_by_the_same_unless_it_says_otherwise(self) -> None:
        one, own = "2026-06-01T14:00:00Z", "2026-06-01T16:00:00Z"
        first, absolute, randomized, after = self.starts(
            "Aarhus",
            intervalPeriod=self.PERIOD,
            intervals=[
                interval(0),
                interval(1, start=one),
                interval(2, start=own, randomizeStart="PT1M"),
                interval(3, start="2026-06-01T18:00:00Z"),
            ],
        )

        assert absolute == pytest.approx(first + 120)
        assert -1 <= randomized - 240 <= 1
        assert after - 360 == pytest.approx(randomized - 240), "and what comes later, too"

    def test_vens_are_spread_in_both_directions(self) -> None:
        offsets = [
            self.starts(f"VEN-{n}", intervalPeriod=self.PERIOD, intervals=[interval(0)])[0]
            for n in range(400)
        ]

        assert all(-10 <= offset <= 10 for offset in offsets)
        quarters = [sum(low <= offset < low + 5 for offset in offsets) for low in range(-10, 10, 5)]
        assert min(quarters) > 60, "uniform"

    def test_it_is_drawn_once(self) -> None:
        fields: dict[str, Any] = {"intervalPeriod": self.PERIOD, "intervals": [interval(0)]}

        assert self.starts("Aarhus", **fields) == self.starts("Aarhus", **fields)


class TestValues:
    """Several values in one payload (User Guide 7.3, multi-valued payloads)."""

    def test_they_divide_their_interval(self) -> None:
        made = timeline(
            intervals=[
                {
                    "id": 0,
                    "intervalPeriod": {"start": NOON, "duration": "PT3H"},
                    "payloads": [{"type": "PRICE", "values": [0.17, 0.03, 0.11]}],
                }
            ]
        )
        (found,) = made.of_pass(0)

        told = [found.value(found.payloads[0], NOW + n * H / 2) for n in range(6)]

        assert told == [0.17, 0.17, 0.03, 0.03, 0.11, 0.11]
        assert made.next_change(NOW) == NOW + H

    @pytest.mark.parametrize("kind", ["DISPATCH_INSTRUCTION", "CURVE", "PRIVATE"])
    def test_those_of_other_types_belong_together(self, kind: str) -> None:
        made = timeline(
            intervals=[
                {
                    "id": 0,
                    "intervalPeriod": {"start": NOON, "duration": "PT2H"},
                    "payloads": [{"type": kind, "values": ["a", "b"]}],
                }
            ]
        )
        (found,) = made.of_pass(0)

        assert found.value(found.payloads[0], NOW + 1.5 * H) == "a"


durations = st.sampled_from(["PT15M", "PT1H", "P1D", "P1M", "P1Y", "PT0S", "P9999Y", None])
starts = st.sampled_from(
    [None, "0001-01-01", NOON, "2026-06-01T13:30:00Z", "2026-12-31T23:00:00Z", "9998-01-01T00:00Z"]
)
periods = st.builds(
    lambda start, duration, randomize: {
        name: value
        for name, value in (
            ("start", start),
            ("duration", duration),
            ("randomizeStart", randomize),
        )
        if value is not None
    },
    starts,
    durations,
    st.sampled_from([None, "PT5M", "-PT5M"]),
)
events = st.builds(
    lambda period, duration, own: {
        "duration": duration,
        "intervalPeriod": period,
        "intervals": [
            {"id": n, "intervalPeriod": each, "payloads": []} for n, each in enumerate(own)
        ],
    },
    st.none() | periods,
    durations,
    st.lists(st.none() | periods, max_size=6),
)
instants = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(events, instants)
def test_no_interval_runs_backwards_and_what_follows_begins_where_the_other_ends(
    event: dict[str, Any], instant: datetime
) -> None:
    made = timeline(
        **{key: value for key, value in event.items() if key not in ("id", "programID")}
    )

    for round_ in (0, 1, made.pass_at(instant)):
        intervals = made.of_pass(round_)
        assert all(interval.end is None or interval.end >= interval.start for interval in intervals)
        for one, next_ in pairwise(intervals):
            own = event["intervals"][next_.number % made.count]["intervalPeriod"] or {}
            if own.get("start") in (None, "0001-01-01"):
                assert next_.start == one.end


@given(events, instants)
def test_looking_twice_gives_the_same_answer(event: dict[str, Any], instant: datetime) -> None:
    made = timeline(**event)
    first = made.at(instant)
    made.at(instant + timedelta(days=400))

    assert made.at(instant) == first == timeline(**event).at(instant)
    assert all(each.holds(instant) for each in first)


@given(
    st.lists(st.sampled_from(["PT15M", "PT1H", "P1D"]), min_size=1, max_size=6),
    st.integers(0, 10_000),
)
def test_a_loop_repeats_exactly(own: list[str], round_: int) -> None:
    made = timeline(
        duration="P9999Y",
        intervalPeriod={**HOURLY, "randomizeStart": "PT5M"},
        intervals=[interval(n, duration=each) for n, each in enumerate(own)],
    )
    first, later = made.of_pass(0), made.of_pass(round_)

    shift = {b.start - a.start for a, b in zip(first, later, strict=True)}
    assert len(shift) == 1
    assert [b.end - b.start for b in later if b.end] == [a.end - a.start for a in first if a.end]
    assert made.pass_at(later[0].start) == round_


@given(events, instants)
def test_the_next_change_comes_later_and_nothing_changes_before_it(
    event: dict[str, Any], instant: datetime
) -> None:
    made = timeline(
        **{key: value for key, value in event.items() if key not in ("id", "programID")}
    )
    change = made.next_change(instant)

    assert change is None or change > instant
    end = change if change is not None else instant + timedelta(days=3)
    assert made.at(instant + (end - instant) / 2) == made.at(instant)


times = st.text(max_size=12) | st.sampled_from(["P1Y", "-PT1H", "PT1H", "0001-01-01", NOON, "PX"])


@given(
    st.dictionaries(
        st.sampled_from(["duration", "intervalPeriod", "intervals", "priority", "targets"]),
        st.none()
        | times
        | st.dictionaries(st.sampled_from(["start", "duration", "randomizeStart"]), times)
        | st.lists(
            st.dictionaries(
                st.sampled_from(["id", "intervalPeriod", "payloads"]),
                times | st.dictionaries(st.sampled_from(["start", "duration"]), times),
            ),
            max_size=3,
        ),
    )
)
def test_reading_raises_nothing_but_the_error_that_names_the_event(fields: dict[str, Any]) -> None:
    errors: list[str] = []

    found = list(read_each([wire(**fields)], read_event, errors.append))

    assert len(found) + len(errors) == 1
    assert all("event 'e'" in error for error in errors)
