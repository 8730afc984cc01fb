"""What is wrong is told in one clear line, without a traceback, and loses nothing."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.support.servers import Answer, Script, ScriptedVtn

MakeVtn = Callable[[Script], ScriptedVtn]
SEEDED = {"FLEET__VENS": "1", "FLEET__RESOURCES_PER_VEN": "1", "FLEET__SEED_SAMPLE": "true"}


def the_line(log: str) -> str:
    """The only line that tells of a problem."""
    assert "Traceback" not in log
    lines = [
        line
        for line in log.splitlines()
        if line.startswith(("settings:", "error:")) or " WARNING " in line or " ERROR " in line
    ]
    assert len(lines) == 1, log
    return lines[0]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"VTN__BASE_ULR": "x"}, "VTN__BASE_ULR in the environment is no setting; was VTN__BASE_U"),
        ({"FLEET__VENS": "many"}, "FLEET__VENS: input should be a valid integer"),
        ({"TASKS__HEARTBEAT__CRON": "61 * * * *"}, "TASKS__HEARTBEAT__CRON: is not understood"),
        ({"SETTINGS_FILE": "nowhere.env"}, "SETTINGS_FILE names a file that is not there"),
    ],
)
def test_a_wrong_setting_is_exit_code_2(start: Start, settings: dict[str, str], told: str) -> None:
    application = start("run", **settings)

    assert application.join() == 2
    assert told in the_line(application.log)


def test_a_wrong_option_is_exit_code_2(start: Start) -> None:
    assert start("run", "--twice").join() == 2
    assert start("nonsense").join() == 2


def test_a_database_that_is_none(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "fleet.db"
    path.write_text("precious notes, " * 100)

    application = start("run")

    assert application.join() == 1
    assert "file is not a database" in the_line(application.log)
    assert path.read_text().startswith("precious notes")


def test_a_database_from_the_future(start: Start, tmp_path: Path) -> None:
    assert start("fleet", "list").join() == 0
    with closing(sqlite3.connect(tmp_path / "data" / "fleet.db")) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 99")

    application = start("run")

    assert application.join() == 1
    assert "install the newer version again" in the_line(application.log)


def test_a_data_dir_that_cannot_be_written(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    application = start("run", DATA_DIR="file/data")

    assert application.join() == 1
    assert "cannot be written" in the_line(application.log)


def test_a_port_in_use(start: Start, port: int) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()

        application = start("run", **SEEDED)

        assert application.join() == 1
    assert f"cannot listen on 127.0.0.1:{port}" in the_line(application.log)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(200, "<html>", content_type="text/html"), "is VTN__BASE_URL right?"),
        (Answer(401, {"title": "no"}), "401, no"),
        (Answer(403, {"title": "no"}), "403, no"),
    ],
)
def test_a_vtn_that_answers_something_else(
    start: Start, scripted_vtn: MakeVtn, answer: Answer, told: str
) -> None:
    vtn = scripted_vtn(lambda _: answer)
    application = start("run", **SEEDED, VTN__BASE_URL=vtn.base_url, VTN__BEARER_TOKEN="t")
    application.wait_for("schedule: ")

    assert application.stop() == 0

    assert told in application.log
    assert "Traceback" not in application.log


def test_a_vtn_that_does_not_let_a_ven_enrol(start: Start, scripted_vtn: MakeVtn) -> None:
    vtn = scripted_vtn(lambda asked: Answer(403) if asked.method == "POST" else Answer(200, []))
    application = start("run", **SEEDED, VTN__BASE_URL=vtn.base_url)
    application.wait_for("schedule: ")

    assert application.stop() == 0

    assert "its operator must provision it" in the_line(application.log)


def test_a_name_that_another_client_has(start: Start, scripted_vtn: MakeVtn) -> None:
    vtn = scripted_vtn(lambda asked: Answer(409) if asked.method == "POST" else Answer(200, []))
    application = start("run", **SEEDED, VTN__BASE_URL=vtn.base_url, VTN__BEARER_TOKEN="t")
    application.wait_for("schedule: ")

    assert application.stop() == 0

    assert "one VEN per client" in the_line(application.log)
