"""When reports on intervals are due, wherever one begins to look (User Guide 7.5)."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from app.platform.timestamps import to_us
from app.reporting.requests.schedule import ReportSchedule
from tests.support.events import NOW, interval, seen, timeline

NOON = "2026-06-01T12:00:00Z"
MINUTE = timedelta(minutes=1)
MAX_REPORTS = 400
"""Reports that are looked at: of more hours than the instants are drawn from."""

durations = st.sampled_from(["PT10M", "PT15M", "PT40M"])
own_periods = st.none() | st.fixed_dictionaries(
    {"duration": durations},
    optional={"start": st.sampled_from([NOON, "2026-06-01T12:20:00Z", "2026-06-01T12:50:00Z"])},
)
events = st.fixed_dictionaries(
    {
        "intervalPeriod": st.builds(lambda each: {"start": NOON, "duration": each}, durations),
        # The first one is the earliest, as throughout User Guide 7.4; the others are as they are.
        "intervals": st.just([]) | st.lists(own_periods, max_size=3).map(lambda own: [None, *own]),
        "duration": st.sampled_from([None, "PT25M", "PT3H", "PT5H20M", "P9999Y"]),
    }
)
numbers = st.fixed_dictionaries(
    {
        "start_interval": st.integers(-1, 5),
        "num_intervals": st.integers(-1, 9),
        "frequency": st.integers(-1, 9),
        "repeat": st.integers(-1, 4),
        "historical": st.booleans(),
    }
)


def plan_of(event: dict[str, Any], numbers: dict[str, Any]) -> ReportSchedule | None:
    """None: more than anybody can want."""
    implied = not event["intervals"]
    intervals = [interval(number, **(own or {})) for number, own in enumerate(event["intervals"])]
    fields = {**event, "intervals": intervals}
    made = seen(**fields).implied_timeline if implied else timeline(**fields)
    assert made is not None
    try:
        return ReportSchedule(timeline=made, implied=implied, **numbers)
    except ValueError:
        return None


TENS: dict[str, Any] = {
    "intervalPeriod": {"start": NOON, "duration": "PT10M"},
    "intervals": [None],
    "duration": "P9999Y",
}
ROLLING = {"start_interval": 0, "frequency": 1, "repeat": -1}


@given(events, numbers, st.integers(-30, 600))
@example({**TENS, "duration": "PT25M"}, {**ROLLING, "num_intervals": 9, "historical": True}, 25)
def test_it_is_the_same_plan_from_wherever_it_is_looked_at(
    event: dict[str, Any], numbers: dict[str, Any], minutes: int
) -> None:
    plan = plan_of(event, numbers)
    assume(plan is not None)
    assert plan is not None
    whole = list(islice(plan.after(0), MAX_REPORTS))
    instant = NOW + minutes * MINUTE

    assert all(one.key < next_.key for one, next_ in pairwise(whole))
    past = [report for report in whole if report.key <= to_us(instant)]
    assert plan.latest(instant) == (past[-1] if past else None)
    assert list(islice(plan.after(to_us(instant)), 3)) == whole[len(past) : len(past) + 3]
    assert plan.next_after(to_us(instant)) == next(iter(whole[len(past) :]), None)


@pytest.mark.parametrize(("historical", "first"), [(True, 10_000), (False, 20_000)])
def test_of_a_plan_that_has_gone_on_for_long_only_what_is_asked_for_is_laid_out(
    historical: bool, first: int
) -> None:
    plan = plan_of(TENS, {**ROLLING, "num_intervals": 10_000, "historical": historical})
    instant = NOW + 20_000 * 10 * MINUTE
    assert plan is not None

    latest = plan.latest(instant)

    assert latest is not None
    assert (latest.due, latest.intervals[0].number) == (instant, first)
    upcoming = plan.next_after(latest.key)
    assert upcoming is not None
    assert upcoming.due == instant + 10 * MINUTE
