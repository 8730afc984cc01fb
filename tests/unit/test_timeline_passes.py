"""What holds at an instant, however many intervals an event has."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.openadr import Timeline
from tests.support.events import NOW, timeline

spans = st.lists(
    st.tuples(
        st.none() | st.integers(0, 12),
        st.sampled_from([None, "PT0S", "PT15M", "PT1H", "P9999Y"]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=6,
)


def made(spans: list[tuple[int | None, str | None, int]], event: dict[str, Any]) -> Timeline:
    intervals = []
    for number, (quarters, duration, values) in enumerate(spans):
        period: dict[str, Any] = {} if duration is None else {"duration": duration}
        if quarters is not None:
            period["start"] = (NOW + timedelta(minutes=15 * quarters)).isoformat()
        payload = {"type": "PRICE", "values": list(range(values))}
        own = {"intervalPeriod": period} if period else {}
        intervals.append({"id": number, "payloads": [payload], **own})
    return timeline(intervals=intervals, **event)


@given(
    spans,
    st.fixed_dictionaries(
        {},
        optional={
            "duration": st.sampled_from(["PT2H", "PT5H30M", "P9999Y"]),
            "intervalPeriod": st.just({"start": NOW.isoformat(), "duration": "PT30M"}),
        },
    ),
    st.lists(st.integers(-4, 30), min_size=1, max_size=4),
)
def test_it_is_found_as_if_each_were_looked_at(
    spans: list[tuple[int | None, str | None, int]], event: dict[str, Any], quarters: list[int]
) -> None:
    times = made(spans, event)

    for number in quarters:  # also back to where it was before
        instant = NOW + timedelta(minutes=15 * number)
        here = times.pass_at(instant)
        of_pass, after = times.of_pass(here), times.of_pass(here + 1)
        bounds: list[datetime] = []
        for each in (*of_pass, *after):
            bounds += [each.start] if each.end is None else [each.start, each.end]
            if each.holds(instant):
                bounds += each.changes(instant)

        assert times.at(instant) == [each for each in of_pass if each.holds(instant)]
        upcoming = min((bound for bound in bounds if bound > instant), default=None)
        assert times.next_change(instant) == upcoming


def test_a_year_of_hours_is_looked_through_without_looking_at_each() -> None:
    hours = [{"id": number, "payloads": []} for number in range(8_760)]
    period = {"start": NOW.isoformat(), "duration": "PT1H"}
    year = timeline(intervals=hours, intervalPeriod=period)
    compared = 0

    class Counting(datetime):
        def __lt__(self, other: datetime) -> bool:  # type: ignore[override]
            nonlocal compared
            compared += 1
            return super().__lt__(other)

        __hash__ = datetime.__hash__

    year.at(NOW)  # laid out once
    instant = Counting.fromtimestamp((NOW + timedelta(hours=4_000)).timestamp(), NOW.tzinfo)

    (interval,) = year.at(instant)

    assert interval.interval_id == 4_000
    assert compared < 50
