"""Killed between taking and answering, at a VTN that fails, with a client that repeats: nothing is
lost or doubled, here or at the VTN."""

from __future__ import annotations

import csv
import io
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import requests

from app.vtn import EmbeddedVtn
from tests.e2e.conftest import Start
from tests.support.faulty_vtn import FaultyVtn
from tests.support.intake import TOKEN
from tests.support.killed import at_faulty_vtn, is_asked, readings_at, told_through
from tests.support.servers import free_port
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("INTAKE_KILLS", "12"))
"""On each database; `make soak` kills 200 times."""
SOURCES = '[[source]]\nname = "plant"\ntype = "http"\ntoken_file = "plant.token"\n'
FLEET = "ven_name,resource_name,kind,power_max_kw,source,device\n" + "".join(
    f"Aarhus,hall-{number},HEAT_PUMP,10,plant,d-{number}\n" for number in range(20)
)
STEP = timedelta(milliseconds=20)
"""Between the instants of one device: they come about as fast as they are dated."""


class Client(threading.Thread):
    """Posts one batch after the other, each again until it is answered with 200.

    Batches overlap by a half: what was told is told once more.
    """

    def __init__(self, port: int, begin: datetime) -> None:
        super().__init__(daemon=True)
        self._begin = begin
        self._url = f"http://127.0.0.1:{port}/readings"
        self._over = threading.Event()
        self.told: set[tuple[str, datetime]] = set()
        self.repeats = 0

    def run(self) -> None:
        number = 0
        with requests.Session() as session:
            session.trust_env = False
            while not self._over.is_set():
                batch = [
                    (f"d-{place}", step) for place in range(20) for step in (number, number + 1)
                ]
                rows = "".join(
                    f"{device},{self.at(step).isoformat()},POWER,KW,{value(device, step)}\n"
                    for device, step in batch
                )
                self._until_taken(session, "device,start,quantity,unit,value\n" + rows)
                self.told |= {(device, self.at(step)) for device, step in batch}
                number += 1
                self._over.wait(STEP.total_seconds())

    def at(self, step: int) -> datetime:
        return self._begin + step * STEP

    def _until_taken(self, session: requests.Session, body: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/csv"}
        while True:
            try:
                answer = session.post(self._url, data=body, headers=headers, timeout=5)
                if answer.status_code == 200:
                    return
            except requests.RequestException:
                self._over.wait(0.02)
            self.repeats += 1

    def has_told_more(self, before: int) -> bool:
        return len(self.told) > before

    def close(self) -> None:
        self._over.set()
        self.join(30)


def value(device: str, step: int) -> float:
    """Another one for each device and instant."""
    return int(device.removeprefix("d-")) + step / 10_000


@pytest.fixture
def make_client() -> Iterator[Callable[[int, datetime], Client]]:
    made: list[Client] = []

    def make(port: int, begin: datetime) -> Client:
        made.append(Client(port, begin))
        made[-1].start()
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_what_was_answered_is_there_and_told_once(
    start: Start,
    lasting_vtn: EmbeddedVtn,
    faulty: FaultyVtn,
    database_url: str,
    tmp_path: Path,
    make_client: Callable[[int, datetime], Client],
) -> None:
    """Given a client that repeats until it has a 200, and a VTN that fails; when the application is
    killed again and again; then every value that was answered is there, once, and as it was sent,
    and once all is calm the VTN has it, once."""
    port = free_port()
    (tmp_path / "sources.toml").write_text(SOURCES)
    (tmp_path / "plant.token").write_text(TOKEN)
    (tmp_path / "plant.token").chmod(0o600)
    (tmp_path / "fleet.csv").write_text(FLEET)
    settings = {
        "DATABASE__URL": database_url,
        **at_faulty_vtn(faulty, tmp_path),
        "INTAKE__PORT": str(port),
        "OPS__ENABLED": "false",
        "FLEET__SEED_SAMPLE": "false",
    }
    assert start("fleet", "import", "fleet.csv", **settings).join() == 0
    first = start("run", **settings)
    wait_until(partial(is_asked, database_url), timeout_s=30)
    assert first.stop() == 0
    begin = datetime.now(UTC)
    client = make_client(port, begin)
    drawn = random.Random(3)
    for _ in range(KILLS):
        before = len(client.told)
        faulty.share = drawn.choice([0.0, 0.3, 0.6])
        application = start("run", **settings)
        wait_until(partial(client.has_told_more, before), timeout_s=30)
        threading.Event().wait(drawn.uniform(0, 0.5))
        application.kill()
        faulty.catch_up()
    faulty.share = 0.0
    faulty.catch_up(all_of_it=True)
    retry = start("rejected", "retry", "--all", **settings)
    assert retry.join() == 0, retry.log
    last = start("run", **settings)
    before = len(client.told)
    wait_until(partial(client.has_told_more, before), timeout_s=30)
    client.close()
    wait_until(partial(told_through, database_url), timeout_s=60, otherwise=lambda: last.log)
    assert last.stop() == 0

    export = start("readings", "export", "--from", begin.isoformat(), **settings)
    assert export.join() == 0
    rows = list(csv.DictReader(io.StringIO(export.output)))
    found = Counter(
        (row["resource_name"].replace("hall", "d"), datetime.fromisoformat(row["start"]))
        for row in rows
    )
    assert set(found.values()) == {1}, "a value is there twice"
    assert client.told <= set(found), "a value that was answered is lost"
    assert all(
        float(row["value"])
        == value(
            row["resource_name"].replace("hall", "d"),
            round((datetime.fromisoformat(row["start"]) - begin) / STEP),
        )
        for row in rows
    )
    assert client.repeats >= KILLS
    told = {
        (name.replace("hall", "d"), datetime.fromisoformat(start)): count
        for (name, start), count in readings_at(lasting_vtn).items()
    }
    assert set(told.values()) == {1}, "a value is at the VTN twice"
    assert set(told) == set(found), "a value is not at the VTN"
    assert sum(faulty.met.values()) > 0, "the VTN never failed"
