"""A task's schedule is checked when it is written down."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.scheduling import SchedulerConfig

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def nothing() -> None:
    """A task that does nothing."""


def fire_times(config: SchedulerConfig, count: int, start: datetime = MONDAY) -> list[datetime]:
    trigger = config.trigger(UTC)
    times: list[datetime] = []
    now = start
    for _ in range(count):
        now = trigger.get_next_fire_time(times[-1] if times else None, now)
        times.append(now)
    return times


@pytest.mark.parametrize(
    ("fields", "error", "named"),
    [
        ({"secondz": 1}, ValueError, "secondz"),
        ({"seconds": 0}, ValueError, "above 0"),
        ({"seconds": -1}, ValueError, "seconds"),
        ({"seconds": "30"}, TypeError, "seconds"),
        ({"seconds": True}, TypeError, "seconds"),
        ({"days": 1e30}, ValueError, "x"),
        ({}, ValueError, "seconds"),
        ({"trigger_type": "daily", "hours": 1}, ValueError, "daily"),
        ({"trigger_type": "cron"}, ValueError, "minute"),
        ({"trigger_type": "cron", "hour": "8-99"}, ValueError, "hour='8-99'"),
        ({"trigger_type": "cron", "hours": 3}, ValueError, "hours"),
        ({"trigger_type": "cron", "cron": "* * * *"}, ValueError, "five fields"),
        ({"trigger_type": "cron", "cron": "61 * * * *"}, ValueError, "minute"),
        ({"trigger_type": "cron", "cron": "* * * * 8"}, ValueError, "weekday '8'"),
        ({"trigger_type": "cron", "cron": "* * * * mon-"}, ValueError, "mon-"),
        ({"trigger_type": "cron", "cron": "0 0 * * *", "hour": 3}, ValueError, "further"),
        ({"seconds": 1, "jitter": "x"}, TypeError, "jitter"),
        ({"trigger_type": "cron", "cron": "0 0 30 2 *"}, ValueError, "no time"),
    ],
)
def test_a_wrong_schedule_is_refused_at_once_and_names_the_task(
    fields: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match="'x'") as caught:
        SchedulerConfig("x", nothing, **fields)

    assert named in str(caught.value)


def test_a_function_that_lacks_a_dependency_is_refused_with_its_name() -> None:
    def needs(ven_manager: object) -> None:
        del ven_manager

    unbound: Any = needs

    with pytest.raises(TypeError, match=r"'x'.*ven_manager.*functools\.partial"):
        SchedulerConfig("x", unbound, seconds=1)
    SchedulerConfig("x", functools.partial(needs, ven_manager=1), seconds=1)


def test_what_is_not_callable_is_refused() -> None:
    number: Any = 3
    with pytest.raises(TypeError, match="not callable"):
        SchedulerConfig("x", number, seconds=1)


def test_a_task_needs_a_name() -> None:
    with pytest.raises(ValueError, match="name"):
        SchedulerConfig("", nothing, seconds=1)


def test_a_builtin_without_a_signature_is_taken_as_it_is() -> None:
    SchedulerConfig("x", functools.partial(dict, a=1), seconds=1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"minutes": 5}, "every 5 min"),
        ({"hours": 1, "seconds": 0.5}, "every 1 h 0.5 s"),
        ({"trigger_type": "cron", "cron": "*/5 * * * *"}, "cron */5 * * * *"),
        ({"trigger_type": "cron", "hour": 3}, "cron hour=3"),
    ],
)
def test_a_schedule_in_words(fields: dict[str, Any], words: str) -> None:
    assert SchedulerConfig("x", nothing, **fields).words == words


def test_interval_fields_add_up() -> None:
    config = SchedulerConfig("x", nothing, minutes=1, seconds=30)

    assert config.trigger(UTC).interval == timedelta(seconds=90)


def test_cron_fields_mean_what_apscheduler_says() -> None:
    config = SchedulerConfig(
        "x", nothing, "cron", day_of_week="mon-fri", hour="8-17", minute="*/15"
    )

    assert fire_times(config, 2) == [MONDAY.replace(hour=8), MONDAY.replace(hour=8, minute=15)]


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", {6}),
        ("7", {6}),
        ("1-5", {0, 1, 2, 3, 4}),
        ("5-7", {4, 5, 6}),
        ("0-6", {0, 1, 2, 3, 4, 5, 6}),
        ("*/2", {6, 1, 3, 5}),
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("fri-sun", {4, 5, 6}),
        ("SAT,0", {5, 6}),
        ("*", {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_an_expression_counts_weekdays_as_cron_does(weekday: str, days: set[int]) -> None:
    config = SchedulerConfig("x", nothing, "cron", cron=f"0 12 * * {weekday}")

    assert {time.weekday() for time in fire_times(config, 14)} == days


def test_a_restricted_day_and_a_restricted_weekday_each_suffice() -> None:
    config = SchedulerConfig("x", nothing, "cron", cron="0 0 15 * 1")

    june = [time.day for time in fire_times(config, 6)]

    assert june == [1, 8, 15, 22, 29, 6]


@given(st.integers(0, 59), st.integers(0, 23), st.integers(0, 7))
def test_an_expression_fires_at_its_minute_hour_and_weekday(
    minute: int, hour: int, weekday: int
) -> None:
    config = SchedulerConfig("x", nothing, "cron", cron=f"{minute} {hour} * * {weekday}")

    (time,) = fire_times(config, 1)

    assert (time.minute, time.hour, (time.weekday() + 1) % 7) == (minute, hour, weekday % 7)
