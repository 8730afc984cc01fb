"""Killed at random while thousands of messages a second come in: what the broker has is told to the
VTN, once."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import orjson
import pytest

from app.vtn import EmbeddedVtn
from tests.e2e.conftest import Start
from tests.support.broker import Broker
from tests.support.faulty_vtn import FaultyVtn
from tests.support.killed import at_faulty_vtn, is_asked, readings_at, told_through
from tests.support.mqtt import RawPublisher, sources_at
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("MQTT_KILLS", "3"))
"""`make soak` kills 200 times."""
METERS = 100
A_SECOND = 5_000
BATCH = 250
A_ROUND = 5_000
"""Messages between two kills: on a busy machine, too, where an application takes long to start."""
FLEET = "ven_name,resource_name,kind,power_max_kw,source,device\n" + "".join(
    f"Aarhus,m-{number},HEAT_PUMP,10,homes,m-{number}\n" for number in range(METERS)
)


class Devices(threading.Thread):
    """Publish a round when they are told to, each in turn, so many messages a second."""

    def __init__(self, port: int, begin: datetime) -> None:
        super().__init__(daemon=True)
        self._publisher = RawPublisher(port)
        self._begin = begin
        self._over = threading.Event()
        self.published = 0
        """The broker has them."""
        self._wanted = 0

    def run(self) -> None:
        pause_s = BATCH / A_SECOND
        while not self._over.wait(pause_s):
            if self.published >= self._wanted:
                continue
            numbers = range(self.published, self.published + BATCH)
            self._publisher.publish((f"meters/m-{n % METERS}", self._body(n)) for n in numbers)
            self.published += BATCH
        self._publisher.close()

    def begin_a_round(self) -> None:
        self._wanted = self.published + A_ROUND

    def close(self) -> None:
        self._over.set()
        self.join(30)

    def _body(self, number: int) -> bytes:
        return orjson.dumps({"power_kw": number % 9, "ts": self.at(number).isoformat()})

    def at(self, number: int) -> datetime:
        """Each device measures once in a round."""
        return self._begin + number // METERS * timedelta(seconds=METERS / A_SECOND)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker", anonymous=True, keeps=True)
    made.start()
    yield made
    made.stop()


def test_what_the_broker_has_is_told_once(
    start: Start,
    lasting_vtn: EmbeddedVtn,
    faulty: FaultyVtn,
    database_url: str,
    tmp_path: Path,
    broker: Broker,
) -> None:
    (tmp_path / "sources.toml").write_text(sources_at(broker.port))
    (tmp_path / "fleet.csv").write_text(FLEET)
    settings = {
        "DATABASE__URL": database_url,
        **at_faulty_vtn(faulty, tmp_path),
        "OPS__ENABLED": "false",
        "REPORTING__MAX_READINGS_PER_REPORT": "500",  # a VTN on a busy machine answers in time
        "FLEET__SEED_SAMPLE": "false",
    }
    assert start("fleet", "import", "fleet.csv", **settings).join() == 0
    first = start("run", **settings)
    first.wait_for("listening at")
    wait_until(partial(is_asked, database_url), timeout_s=30)
    assert first.stop() == 0
    devices = Devices(broker.port, datetime.now(UTC))
    devices.start()
    drawn = random.Random(7)
    for _ in range(KILLS):
        faulty.share = drawn.choice([0.0, 0.3, 0.6])
        application = start("run", **settings)
        devices.begin_a_round()
        application.wait_for("listening at")
        threading.Event().wait(drawn.uniform(0.2, 1.0))
        application.kill()
        faulty.catch_up()
    devices.close()
    faulty.share = 0.0
    faulty.catch_up(all_of_it=True)
    retry = start("rejected", "retry", "--all", **settings)
    assert retry.join() == 0, retry.log
    last = start("run", **settings)
    last.wait_for("listening at")

    def has_all() -> bool:
        is_told = told_through(database_url)
        return is_told and len(readings_at(lasting_vtn)) >= devices.published

    # What is owed grows with the kills; the VTN of this process need not wait for who looks.
    wait_until(has_all, timeout_s=90 + 5 * KILLS, look_every_s=0.2, otherwise=lambda: last.log)
    assert last.stop() == 0

    told = {
        (name, datetime.fromisoformat(start)): count
        for (name, start), count in readings_at(lasting_vtn).items()
    }
    published = {
        (f"m-{number % METERS}", devices.at(number)) for number in range(devices.published)
    }
    assert set(told) == published, "a value is lost, or was never published"
    assert set(told.values()) == {1}, "a value is at the VTN twice"
