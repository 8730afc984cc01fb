"""Killed at random instants, with a VTN that fails in between: nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.platform.timestamps import utc_now
from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.e2e.conftest import Start
from tests.support.faulty_vtn import FaultyVtn
from tests.support.servers import free_port
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("KILLS", "3"))
"""`make soak` kills 100 times."""
VENS, RESOURCES = 3, 4
SETTLE_S = 0.25
TIMEOUT_S = 0.5


@pytest.fixture
def vtn(tmp_path: Path) -> Iterator[EmbeddedVtn]:
    server = EmbeddedVtn(directory=tmp_path / "vtn", port=free_port())
    server.start()
    yield server
    server.close()


@pytest.fixture
def faulty(vtn: EmbeddedVtn) -> Iterator[FaultyVtn]:
    """In front of it, in this process: it goes on while the application is killed."""
    server = FaultyVtn(
        behind=vtn.base_url,
        seed=1,
        clock=utc_now,
        unique_names=False,
        latest_s=4 * SETTLE_S,
        slow_s=1.5 * TIMEOUT_S,
    )
    yield server
    server.close()


def accepted(tmp_path: Path) -> int:
    """How many ticks the store ever took: their numbers rise and do not come back."""
    connection = sqlite3.connect(tmp_path / "data" / "fleet.db")
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'frame'").fetchone()
    connection.close()
    return 0 if found is None else int(found[0])


def has_more(tmp_path: Path, before: int) -> bool:
    return accepted(tmp_path) > before


def owed(tmp_path: Path) -> list[int]:
    """Frames that a stream has not passed, reports set aside, in doubt, and to be seen again."""
    connection = sqlite3.connect(tmp_path / "data" / "fleet.db")
    counts = [
        int(connection.execute(query).fetchone()[0])
        for query in (
            "SELECT count(*) FROM frame WHERE seq > (SELECT min(cursor_seq) FROM stream)",
            "SELECT count(*) FROM set_aside",
            "SELECT count(*) FROM stream WHERE in_flight IS NOT NULL",
            "SELECT count(*) FROM second_look",
        )
    ]
    connection.close()
    return counts


def readings(vtn: EmbeddedVtn) -> Counter[tuple[str, str]]:
    return Counter(
        (resource["resourceName"], interval["intervalPeriod"]["start"])
        for report in vtn.store.select("REPORT", limit=100_000)
        for resource in report["resources"]
        for interval in resource["intervals"]
    )


def test_killed_at_random_instants(
    start: Start, vtn: EmbeddedVtn, faulty: FaultyVtn, tmp_path: Path
) -> None:
    """Given ticks and reports in quick succession; when the process is killed again and again;
    then, once all is calm, every tick that the store had accepted has arrived exactly once."""
    settings = {
        "VTN__BASE_URL": faulty.base_url,
        "VTN__CLIENT_ID": "{ven_name}",
        "VTN__CLIENT_SECRET": EmbeddedCredentials.of(tmp_path / "vtn").ven_secret,
        "VTN__TIMEOUT_S": str(TIMEOUT_S),
        "DELIVERY__SETTLE_S": str(SETTLE_S),
        "FLEET__SEED_SAMPLE": "true",
        "FLEET__VENS": str(VENS),
        "FLEET__RESOURCES_PER_VEN": str(RESOURCES),
        "TASKS__SIMULATE_METERDATA__SECONDS": "0.05",
        "TASKS__GENERATE_REPORTS__SECONDS": "0.1",
        "OPS__ENABLED": "false",
    }
    first = start("run", **settings)
    first.wait_for("schedule: ")
    first.stop()
    drawn = random.Random(2)
    for number in range(KILLS):
        before = accepted(tmp_path)
        faulty.share = drawn.choice([0.0, 0.3, 0.6])
        faulty.down = drawn.random() < 0.1
        application = start("run", **settings)
        if number % 10:
            wait_until(partial(has_more, tmp_path, before), timeout_s=30)
        threading.Event().wait(drawn.uniform(0, 1.0))
        application.kill()
        faulty.catch_up()

    faulty.share, faulty.down = 0.0, False
    faulty.catch_up(all_of_it=True)
    assert start("outbox", "retry", "--all", **settings).join() == 0
    last = start("run", **settings, TASKS__SIMULATE_METERDATA__ENABLED="false")
    wait_until(
        lambda: not any(owed(tmp_path)),
        timeout_s=60,
        otherwise=lambda: f"still owed: {owed(tmp_path)}\n{last.log}",
    )
    assert last.stop() == 0

    found = readings(vtn)
    assert set(found.values()) == {1}
    assert len(found) == accepted(tmp_path) * VENS * RESOURCES
    assert sum(faulty.met.values()) > 0, "the VTN never failed"
