"""Killed at random instants, with a VTN that fails in between: nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.vtn import EmbeddedVtn
from tests.e2e.conftest import Start
from tests.support.faulty_vtn import FaultyVtn
from tests.support.killed import Stored, at_faulty_vtn, readings_at
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("KILLS", "3"))
"""On each database; `make soak` kills 100 times."""
VENS, RESOURCES = 3, 4


@pytest.fixture
def stored(database_url: str) -> Iterator[Stored]:
    made = Stored(database_url)
    yield made
    made.close()


def test_killed_at_random_instants(
    start: Start,
    lasting_vtn: EmbeddedVtn,
    faulty: FaultyVtn,
    database_url: str,
    stored: Stored,
    tmp_path: Path,
) -> None:
    """Given ticks and reports in quick succession; when the process is killed again and again;
    then, once all is calm, every tick that the store had accepted has arrived exactly once."""
    settings = {
        "DATABASE__URL": database_url,
        **at_faulty_vtn(faulty, tmp_path),
        "FLEET__SEED_SAMPLE": "true",
        "FLEET__VENS": str(VENS),
        "FLEET__RESOURCES_PER_VEN": str(RESOURCES),
        "TASKS__SIMULATE_METERDATA__SECONDS": "0.05",
        "OPS__ENABLED": "false",
    }
    first = start("run", **settings)
    stored.begin()
    first.stop()
    drawn = random.Random(2)
    for number in range(KILLS):
        before = stored.newest()
        faulty.share = drawn.choice([0.0, 0.3, 0.6])
        faulty.down = drawn.random() < 0.1
        application = start("run", **settings)
        if number % 10:
            wait_until(partial(stored.has_more, before), timeout_s=30)
        threading.Event().wait(drawn.uniform(0, 1.0))
        application.kill()
        faulty.catch_up()

    faulty.share, faulty.down = 0.0, False
    faulty.catch_up(all_of_it=True)
    retry = start("rejected", "retry", "--all", **settings)
    assert retry.join() == 0, retry.log
    last = start("run", **settings, TASKS__SIMULATE_METERDATA__ENABLED="false")
    wait_until(
        lambda: not any(stored.owed()),
        timeout_s=60,
        otherwise=lambda: f"still owed: {stored.owed()}\n{last.log}",
    )
    assert last.stop() == 0

    found = readings_at(lasting_vtn)
    assert set(found.values()) == {1}
    assert len(found) == stored.ticks() * VENS * RESOURCES
    assert sum(faulty.met.values()) > 0, "the VTN never failed"
