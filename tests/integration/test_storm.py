"""Every reading arrives exactly once, in storms that a seed decides."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.faulty_vtn import FaultyVtn
from tests.support.workbench import TICK, VENS, Bench

pytestmark = pytest.mark.rest

SEEDS = int(os.environ.get("STORM_SEEDS", "6"))
"""How many storms; `make soak` runs 200, each on both databases."""
TIMEOUT_S = 0.4
SETTLE_S = 30
BASELINE = {
    "payloadType": "BASELINE",
    "startInterval": 0,
    "numIntervals": 1,
    "frequency": 1,
    "repeat": -1,
}
"""On the intervals that the event implies, one report for each minute."""
USAGE = {"payloadType": "USAGE", "frequency": 0, "reportIntervals": "OPEN_INTERVALS"}
READING = {**USAGE, "payloadType": "READING"}

MakeStorm = Callable[[int], tuple[Bench, FaultyVtn]]


@pytest.fixture
def make_storm(
    vtn: EmbeddedVtn,
    make_container: MakeContainer,
    clock: FakeClock,
    database_url: str,
    tmp_path: Path,
) -> Iterator[MakeStorm]:
    """A fleet at a VTN that fails as the seed says; called again, the fleet is started anew."""
    made: list[FaultyVtn] = []

    def make(seed: int) -> tuple[Bench, FaultyVtn]:
        if not made:
            made.append(
                FaultyVtn(
                    behind=vtn.base_url,
                    seed=seed,
                    clock=clock,
                    unique_names=seed % 2 == 0,
                    latest_s=10 * SETTLE_S,
                    slow_s=TIMEOUT_S * 1.5,
                )
            )
        credentials = EmbeddedCredentials.of(tmp_path / "data" / "vtn")
        container = make_container(
            database={"url": database_url},
            vtn={
                "base_url": made[0].base_url,
                "client_id": "{ven_name}",
                "client_secret": credentials.ven_secret,
                "timeout_s": TIMEOUT_S,
            },
            delivery={"settle_s": SETTLE_S},
        )
        return Bench(container, vtn, clock, real_transport=True), made[0]

    yield make
    for server in made:
        server.close()


def follow_everywhere(bench: Bench, event_id: str) -> None:
    """Until every VEN has seen the event; on a busy machine a poll may meet the short timeout.
    What is measured before a VEN's first sight of its event is not owed."""
    for _ in range(20):
        bench.manager.enrol()
        bench.manager.poll_events()
        streams = bench.container.streams.store().streams()
        if sum(stream.request.event_id == event_id for stream in streams) == 3 * VENS:
            return
        bench.clock.advance(seconds=10)
    raise AssertionError("the event is not followed")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_reading_arrives_once_in_a_storm(make_storm: MakeStorm, seed: int) -> None:
    """Given a VTN that fails in every way, time that passes, and restarts; when it is well again,
    then every reading is there once."""
    drawn = random.Random(-seed)
    bench, vtn = make_storm(seed)
    bench.enrol()
    period = {"start": bench.clock.now.isoformat(), "duration": "PT1M"}
    follow_everywhere(bench, bench.ask(READING, USAGE, BASELINE, intervalPeriod=period))
    ticks = 0
    for _ in range(12):
        vtn.share = drawn.choice([0.0, 0.3, 0.6])
        vtn.down = drawn.random() < 0.1
        count = drawn.randint(0, 2)
        bench.tick(count)
        ticks += count
        bench.manager.generate_reports()
        bench.clock.advance(seconds=drawn.choice([1, 10, 40]))
        vtn.catch_up()
        if drawn.random() < 0.2:
            bench.retry()
        if drawn.random() < 0.2:
            bench.container.platform.database().close()
            bench, vtn = make_storm(seed)

    vtn.share, vtn.down = 0.0, False
    vtn.catch_up(all_of_it=True)
    bench.manager.poll_events()
    for _ in range(8):
        bench.retry()
        bench.clock.advance(seconds=10 * SETTLE_S)
        bench.manager.generate_reports()

    assert bench.waiting() == 0, bench.container.delivery.service().blocked
    assert bench.container.streams.rejected().reports() == []
    bench.assert_each_once(ticks * TICK)
    bench.assert_each_once(max(ticks - 1, 0) * TICK, "USAGE")
    assert_no_minute_is_missing(bench)


def assert_no_minute_is_missing(bench: Bench) -> None:
    """Of what was measured, each minute of the baseline is there once."""
    found = bench.readings("BASELINE")
    assert set(found.values()) <= {1}
    starts = sorted({datetime.fromisoformat(start) for _, start in found})
    assert len(found) == len(starts) * TICK
    assert all(later - earlier == timedelta(minutes=1) for earlier, later in pairwise(starts))
