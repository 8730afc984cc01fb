"""Killed between taking and answering, with a client that repeats: nothing is lost or doubled."""

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

from tests.e2e.conftest import Start
from tests.support.intake import TOKEN
from tests.support.servers import free_port
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("INTAKE_KILLS", "12"))
"""On each database; `make soak` kills 200 times."""
SOURCES = '[[source]]\nname = "plant"\ntype = "http"\ntoken_file = "plant.token"\n'
FLEET = "ven_name,resource_name,kind,power_max_kw,source,device\n" + "".join(
    f"Aarhus,hall-{number},HEAT_PUMP,10,plant,d-{number}\n" for number in range(20)
)
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=20)


class Client(threading.Thread):
    """Posts one batch after the other, each again until it is answered with 200.

    Batches overlap by a half: what was told is told once more.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
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
                    (f"d-{place}", second) for place in range(20) for second in (number, number + 1)
                ]
                rows = "".join(
                    f"{device},{at(second).isoformat()},POWER,KW,{value(device, second)}\n"
                    for device, second in batch
                )
                self._until_taken(session, "device,start,quantity,unit,value\n" + rows)
                self.told |= {(device, at(second)) for device, second in batch}
                number += 1

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


def at(second: int) -> datetime:
    return BEGIN + timedelta(seconds=second)


def value(device: str, second: int) -> float:
    """Another one for each device and second."""
    return int(device.removeprefix("d-")) + second / 1000


@pytest.fixture
def make_client() -> Iterator[Callable[[int], Client]]:
    made: list[Client] = []

    def make(port: int) -> Client:
        made.append(Client(port))
        made[-1].start()
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_what_was_answered_is_there_once(
    start: Start, database_url: str, tmp_path: Path, make_client: Callable[[int], Client]
) -> None:
    """Given a client that repeats until it has a 200; when the application is killed again and
    again; then every value that was answered is there, once, and as it was sent."""
    port = free_port()
    (tmp_path / "sources.toml").write_text(SOURCES)
    (tmp_path / "plant.token").write_text(TOKEN)
    (tmp_path / "plant.token").chmod(0o600)
    (tmp_path / "fleet.csv").write_text(FLEET)
    settings = {
        "DATABASE__URL": database_url,
        "INTAKE__PORT": str(port),
        "OPS__ENABLED": "false",
        "FLEET__SEED_SAMPLE": "false",
    }
    assert start("fleet", "import", "fleet.csv", **settings).join() == 0
    client = make_client(port)
    drawn = random.Random(3)
    for _ in range(KILLS):
        before = len(client.told)
        application = start("run", **settings)
        wait_until(partial(client.has_told_more, before), timeout_s=30)
        threading.Event().wait(drawn.uniform(0, 0.5))
        application.kill()
    last = start("run", **settings)
    before = len(client.told)
    wait_until(partial(client.has_told_more, before), timeout_s=30)
    client.close()
    assert last.stop() == 0

    export = start("readings", "export", "--from", BEGIN.isoformat(), **settings)
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
            round((datetime.fromisoformat(row["start"]) - BEGIN).total_seconds()),
        )
        for row in rows
    )
    assert client.repeats >= KILLS
