"""What operators rely on: health of a process, recovery, systemd, a stop, files of its own."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from pathlib import Path
from typing import Any

import requests

from tests.e2e.conftest import Start
from tests.support.waiting import wait_until

SMALL = {"FLEET__VENS": "2", "FLEET__RESOURCES_PER_VEN": "3"}
RETURN_S = 10.0


def readyz(port: int) -> tuple[int, dict[str, Any]]:
    try:
        answer = requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2)
    except requests.ConnectionError:
        return 0, {}
    return answer.status_code, answer.json()


def test_it_becomes_ready_and_says_so_to_systemd(
    start: Start, ops_port: int, tmp_path: Path
) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(20)
    application = start(
        "run", **SMALL, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000"
    )
    told = {listener.recv(100) for _ in range(2)}
    wait_until(lambda: readyz(ops_port)[0] == 200)

    assert told == {b"WATCHDOG=1", b"READY=1"}
    assert application.stop() == 0
    listener.settimeout(5)
    while b"STOPPING=1" not in told:
        told.add(listener.recv(100))
    listener.close()


def test_reports_begin_within_10_s_of_the_return_of_the_vtn(
    start: Start, port: int, ops_port: int, tmp_path: Path
) -> None:
    """The schedule alone would bring the next report in an hour."""
    first = start("vtn", DATA_DIR="elsewhere")
    first.wait_for("VTN http")
    secret = json.loads((tmp_path / "elsewhere" / "vtn" / "credentials.json").read_text())
    application = start(
        "run",
        **SMALL,
        VTN__BASE_URL=f"http://127.0.0.1:{port}",
        VTN__CLIENT_ID="{ven_name}",
        VTN__CLIENT_SECRET=secret["ven_secret"],
        FLEET__SEED_SAMPLE="true",
        TASKS__SIMULATE_METERDATA__SECONDS="1",
        TASKS__GENERATE_REPORTS__HOURS="1",
        TASKS__POLL_EVENTS__SECONDS="1",
    )
    application.wait_for("delivered")
    first.stop()
    wait_until(lambda: "does not answer" in str(readyz(ops_port)[1].get("reasons")))
    time_away = time.monotonic()
    wait_until(lambda: time.monotonic() - time_away > 3)

    second = start("vtn", DATA_DIR="elsewhere")
    second.wait_for("VTN http")
    returned_s = time.monotonic()
    application.wait_for("delivered", times=2)

    assert time.monotonic() - returned_s < RETURN_S
    assert "the VTN answers again" in application.log
    wait_until(lambda: readyz(ops_port)[0] == 200)
    assert application.stop() == 0
    assert "Traceback" not in application.log


def test_its_files_are_private_to_its_user(start: Start, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        assert start("run", "--once", **SMALL).join() == 0
    finally:
        os.umask(old)

    modes = {
        path.relative_to(tmp_path): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "data", *(tmp_path / "data").rglob("*"))
    }
    assert len(modes) > 4
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
