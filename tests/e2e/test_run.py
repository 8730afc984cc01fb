"""The main job, as a user sees it: start, enrol, meter, report, stop, start again."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from containers import Container
from tests.e2e.conftest import Start
from tests.support.servers import Answer, ReceivedRequest, Script, ScriptedVtn, free_port

EVERY_SECOND = {
    "TASKS__SIMULATE_METERDATA__SECONDS": "1",
    "TASKS__GENERATE_REPORTS__SECONDS": "1",
}
SMALL = {"FLEET__VENS": "2", "FLEET__RESOURCES_PER_VEN": "3"}


def at_vtn(directory: Path, kind: str) -> list[dict[str, Any]]:
    """What the embedded VTN holds."""
    with closing(sqlite3.connect(directory / "data" / "vtn" / "vtn.db")) as connection:
        rows = connection.execute("SELECT body FROM object WHERE kind = ?", (kind,)).fetchall()
    return [json.loads(body) for (body,) in rows]


def in_flight(directory: Path) -> int:
    """How many streams have a report whose outcome was not seen."""
    with closing(sqlite3.connect(directory / "data" / "fleet.db")) as connection:
        query = "SELECT count(*) FROM stream WHERE in_flight IS NOT NULL"
        return int(connection.execute(query).fetchone()[0])


def readings(reports: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    """By resource, how often each instant was reported."""
    found: dict[str, Counter[str]] = {}
    for report in reports:
        for resource in report["resources"]:
            counts = found.setdefault(resource["resourceName"], Counter())
            counts.update(each["intervalPeriod"]["start"] for each in resource["intervals"])
    return found


@pytest.mark.first
def test_the_first_run_in_an_empty_directory(start: Start, tmp_path: Path, port: int) -> None:
    application = start("run")
    application.wait_for(r"INFO +schedule: heartbeat every 5 min")

    assert application.stop() == 0

    log = application.log
    assert f"VTN http://127.0.0.1:{port}; database data/fleet.db; settings from the env" in log
    assert "sample fleet: 10 VENs with 200 resources" in log
    assert "enrolled: 10 of 10 VENs" in log
    assert log.index("delivered 200 readings in 10 reports") < log.index("schedule: ")
    assert log.endswith("stopped")
    assert "Traceback" not in log
    assert application.output == ""
    assert len(at_vtn(tmp_path, "VEN")) == 10
    assert len(at_vtn(tmp_path, "RESOURCE")) == 200
    assert len(at_vtn(tmp_path, "REPORT")) == 10


def test_a_second_run_finds_its_fleet_and_creates_nothing_twice(
    start: Start, tmp_path: Path
) -> None:
    for _ in range(2):
        application = start("run", **SMALL)
        application.wait_for("schedule: ")
        assert application.stop() == 0

    assert "sample fleet" not in application.log
    assert len(at_vtn(tmp_path, "VEN")) == 2
    assert len(at_vtn(tmp_path, "RESOURCE")) == 6
    assert len(at_vtn(tmp_path, "EVENT")) == 1


def test_every_resource_has_one_reading_for_every_tick(start: Start, tmp_path: Path) -> None:
    for _ in range(2):
        application = start("run", **SMALL, **EVERY_SECOND)
        application.wait_for("delivered", times=3)
        assert application.stop(signal.SIGINT) == 0

    by_resource = readings(at_vtn(tmp_path, "REPORT"))
    assert len(by_resource) == 6
    instants = {frozenset(counts) for counts in by_resource.values()}
    assert len(instants) == 1, "every resource has the same ticks"
    assert len(instants.pop()) >= 6
    assert {count for counts in by_resource.values() for count in counts.values()} == {1}


def test_a_second_run_on_the_same_data_is_refused(start: Start) -> None:
    first = start("run", **SMALL)
    first.wait_for("schedule: ")

    second = start("run", **SMALL, VTN__EMBEDDED_PORT=str(free_port()))

    assert second.join() == 1
    assert "another run is going on in data; stop it" in second.log
    assert start("fleet", "list").join() == 0
    first.kill()
    third = start("run", "--once", **SMALL)
    assert third.join() == 0, "a crash leaves nothing to clean up"


@pytest.mark.first
def test_once_runs_every_task_once_and_ends(start: Start, tmp_path: Path) -> None:
    application = start("--once", **SMALL, LOG__LEVEL="DEBUG")

    assert application.join() == 0

    for name in Container.scheduled_tasks.kwargs:
        assert application.log.count(f"task {name}: starts with") == 1
    assert "schedule: " not in application.log
    assert len(at_vtn(tmp_path, "REPORT")) == 2


def test_json_logs(start: Start) -> None:
    application = start("run", "--once", **SMALL, LOG__FORMAT="json")

    assert application.join() == 0

    lines = [json.loads(line) for line in application.log.splitlines()]
    assert {"time", "level", "logger", "thread", "message"} <= lines[0].keys()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"VTN__TIMEOUT_S": "soon"}, "settings: VTN__TIMEOUT_S"),
        ({"DATA_DIR": "/proc/nowhere"}, "error: /proc/nowhere"),
    ],
)
def test_json_logs_when_there_is_no_start(
    start: Start, settings: dict[str, str], words: str
) -> None:
    application = start("run", "--once", **SMALL, LOG__FORMAT="json", **settings)

    assert application.join() != 0

    lines = [json.loads(line) for line in application.log.splitlines()]
    (line,) = [each for each in lines if each["level"] == "ERROR"]
    assert line["message"].startswith(words)


MakeVtn = Callable[[Script], ScriptedVtn]


class Vtn:
    """A VTN without accounts that keeps what it is given, and can hang on reports."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.hanging = threading.Event()
        self.let_go = threading.Event()
        self.objects: dict[str, list[dict[str, Any]]] = {
            "/programs": [{"id": "p", "programName": "telemetry"}],
            "/events": [
                {"id": "e", "programID": "p", "reportDescriptors": [{"payloadType": "READING"}]}
            ],
            "/vens": [],
            "/resources": [],
            "/reports": [],
        }

    def __call__(self, asked: ReceivedRequest) -> Answer:
        if asked.path.startswith("/vens/"):
            (ven,) = [each for each in self.objects["/vens"] if asked.path.endswith(each["id"])]
            return Answer(200, ven)
        if asked.method == "GET":
            skip = int(asked.query.get("skip", ["0"])[0])
            found = [
                each
                for each in self.objects[asked.path]
                if all(
                    each.get(name) == asked.query[name][0]
                    for name in ("venID", "eventID", "clientName")
                    if name in asked.query
                )
            ]
            return Answer(200, found[skip : skip + 50])
        if asked.path == "/reports" and self.hangs.is_set():
            self.hanging.set()
            self.let_go.wait(30)
            return Answer(broken=True)
        made = {**json.loads(asked.body), "id": f"o{sum(map(len, self.objects.values()))}"}
        self.objects[asked.path].append(made)
        return Answer(201, made)


@pytest.mark.parametrize("hangs_at_start", [True, False])
def test_it_stops_while_the_vtn_hangs_and_what_waits_stays_owed(
    start: Start, scripted_vtn: MakeVtn, tmp_path: Path, hangs_at_start: bool
) -> None:
    vtn = Vtn()
    server = scripted_vtn(vtn)
    settings = {
        **SMALL,
        **EVERY_SECOND,
        "VTN__BASE_URL": server.base_url,
        "FLEET__SEED_SAMPLE": "true",
        "VTN__TIMEOUT_S": "60",
    }
    if hangs_at_start:
        vtn.hangs.set()
    application = start("run", **settings)
    if not hangs_at_start:
        application.wait_for("delivered")
        vtn.hangs.set()
    assert vtn.hanging.wait(20)

    assert application.stop() == 0

    assert "a task still waits for the VTN" in application.log
    vtn.let_go.set()
    assert in_flight(tmp_path) == 2, "both reports are looked for when it starts again"


def test_a_vtn_that_is_unreachable_at_start_is_enrolled_with_when_it_answers(
    start: Start, port: int, tmp_path: Path
) -> None:
    remote = {
        **SMALL,
        **EVERY_SECOND,
        "VTN__BASE_URL": f"http://127.0.0.1:{port}",
        "VTN__CLIENT_ID": "{ven_name}",
        "VTN__CLIENT_SECRET": "not known yet",
        "FLEET__SEED_SAMPLE": "true",
        "DATA_DIR": "fleet",
    }
    started_alone = start("vtn", DATA_DIR="data")
    started_alone.wait_for("VTN http")
    started_alone.stop()
    secret = json.loads((tmp_path / "data" / "vtn" / "credentials.json").read_text())["ven_secret"]
    application = start("run", **{**remote, "VTN__CLIENT_SECRET": secret})
    application.wait_for("enrolment continues when the VTN answers")
    application.wait_for("schedule: ")

    vtn = start("vtn", DATA_DIR="data")
    application.wait_for(r"delivered \d+ readings")

    assert application.stop() == 0
    assert vtn.stop() == 0
    assert "Traceback" not in application.log
    assert "connection refused" in application.log
