"""Local times without an offset, in the nights in which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.files.local_time import resolve

MADRID, LORD_HOWE, DUBLIN = (
    ZoneInfo(key) for key in ("Europe/Madrid", "Australia/Lord_Howe", "Europe/Dublin")
)
AUTUMN = datetime(2024, 10, 27)  # noqa: DTZ001 - as a clock shows it
"""In Madrid, 03:00 became 02:00."""


def walls(*times: datetime) -> np.ndarray:
    """In microseconds, as a clock shows them."""
    return np.array([int(each.replace(tzinfo=UTC).timestamp()) * 1_000_000 for each in times])


def utc(*hours: float) -> list[int]:
    """Hours after the midnight, UTC, that begins AUTUMN."""
    begin = AUTUMN.replace(tzinfo=UTC)
    return [int((begin + timedelta(hours=each)).timestamp()) * 1_000_000 for each in hours]


def at(*hours: float) -> np.ndarray:
    return walls(*(AUTUMN + timedelta(hours=each) for each in hours))


def test_an_hour_that_came_twice_is_first_the_one_and_then_the_other() -> None:
    found = resolve(at(1, 2, 2, 3), MADRID)

    assert found.utc_us.tolist() == utc(-1, 0, 1, 2)
    assert not found.is_undecided.any()


def test_quarters_of_it_are_decided_by_where_they_begin_again() -> None:
    found = resolve(at(1.75, 2, 2.25, 2.5, 2.75, 2, 2.25, 2.5, 2.75, 3), MADRID)

    assert found.utc_us.tolist() == utc(-0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2)


def test_the_newest_may_come_first() -> None:
    found = resolve(at(3, 2, 2, 1), MADRID, is_falling=True)

    assert found.utc_us.tolist() == utc(2, 1, 0, -1)


def test_an_hour_that_came_once_is_undecided() -> None:
    found = resolve(at(1, 2, 3), MADRID)

    assert found.is_undecided.tolist() == [False, True, False]


def test_a_gap_in_it_decides_where_the_clock_goes_back() -> None:
    found = resolve(at(2.5, 2.75, 2, 2.25), MADRID)

    assert found.utc_us.tolist() == utc(0.5, 0.75, 1, 1.25)


def test_a_time_that_no_clock_showed_is_impossible() -> None:
    spring = datetime(2024, 3, 31)  # noqa: DTZ001 - as a clock shows it

    found = resolve(walls(*(spring + timedelta(hours=each) for each in (1, 2, 2.5, 3))), MADRID)

    assert found.is_impossible.tolist() == [False, True, True, False]


@pytest.mark.parametrize("zone", [MADRID, LORD_HOWE, DUBLIN], ids=str)
@given(
    days=st.integers(0, 17_000),
    minutes=st.sampled_from([5, 15, 30, 60]),
    falls=st.booleans(),
)
def test_a_series_without_gaps_comes_back_as_it_was(
    zone: ZoneInfo, days: int, minutes: int, falls: bool
) -> None:
    """Whatever the zone (Lord Howe's clocks change by half an hour) and the step."""
    begin = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=days)
    instants = [begin + timedelta(minutes=minutes * number) for number in range(3 * 24)]
    if falls:
        instants.reverse()
    shown = [each.astimezone(zone).replace(tzinfo=None) for each in instants]

    found = resolve(walls(*shown), zone, is_falling=falls)

    told = [int(each.timestamp()) * 1_000_000 for each in instants]
    decided = ~found.is_undecided
    assert not found.is_impossible.any()
    assert found.utc_us[decided].tolist() == np.array(told)[decided].tolist()
