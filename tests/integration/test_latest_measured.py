"""The latest power of real meters, as long as it is fresh."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest

from app.intake import Direction, Latest, Quantity
from app.readings import Roster
from containers import Container
from tests.support.fakes import FakeClock
from tests.support.intake import QUARTER, IntakeBench, measured
from tests.support.wiring import provider

ROSTER = Roster([("Aarhus", ("hall", "model", "roof"))])
NOW = datetime.fromisoformat("2026-06-01T12:00:00+00:00")
TICK = timedelta(seconds=30)


@pytest.fixture
def bench(make_container: Callable[..., Container], clock: FakeClock) -> IntakeBench:
    return IntakeBench(make_container, clock)


def power(bench: IntakeBench) -> list[float | None]:
    """Of hall, model and roof."""
    latest: Latest = bench.container.intake.latest().latest(ROSTER, bench.clock())
    return [None if np.isnan(each) else round(each, 6) for each in latest.power_kw.tolist()]


def test_it_is_the_newest_power(bench: IntakeBench) -> None:
    start = bench.clock() - 2 * TICK
    bench.take(measured(start, 3.0, 4.0, quantity=Quantity.POWER, step=TICK))

    assert power(bench) == [4.0, None, None]


def test_it_is_the_mean_power_of_the_newest_interval(bench: IntakeBench) -> None:
    bench.take(measured(bench.clock() - QUARTER, 0.5))

    assert power(bench) == [2.0, None, None]


def test_it_is_what_a_register_counted_last(bench: IntakeBench) -> None:
    start = bench.clock() - 2 * TICK
    bench.take(measured(start, 100.0, 100.05, quantity=Quantity.REGISTER, step=TICK))

    assert power(bench) == [6.0, None, None]


def test_what_is_fed_in_counts_against_it(bench: IntakeBench) -> None:
    start = bench.clock() - QUARTER
    bench.take(measured(start, 0.5))
    bench.take(measured(start, 1.5, direction=Direction.EXPORT))

    assert power(bench) == [-4.0, None, None]


def test_older_than_max_age_it_is_none(bench: IntakeBench) -> None:
    bench.take(measured(bench.clock() - QUARTER, 0.5))

    bench.clock.advance(minutes=15, seconds=1)

    assert power(bench) == [None, None, None]


def test_what_comes_late_is_not_the_latest(bench: IntakeBench) -> None:
    now = bench.clock()
    bench.take(measured(now - TICK, 4.0, quantity=Quantity.POWER))
    bench.take(measured(now - 3 * TICK, 9.0, quantity=Quantity.POWER))

    assert power(bench) == [4.0, None, None]


def test_after_a_restart_it_is_read_from_the_log(bench: IntakeBench) -> None:
    bench.take(measured(bench.clock() - 2 * TICK, 3.0, 4.0, quantity=Quantity.POWER, step=TICK))
    compaction = bench.container.intake.compaction()
    while compaction.compact():
        pass

    for name in ("session", "compaction", "log", "energy", "latest"):
        provider(bench.container, f"intake.{name}").reset()

    assert power(bench) == [4.0, None, None]
