"""A database that is silent, and a user who does not want to wait: the stop has its deadline."""

from __future__ import annotations

import re
import signal

import pytest
import requests

from tests.e2e.conftest import Start
from tests.support.postgres import Postgres
from tests.support.waiting import wait_until

SETTINGS = {
    "FLEET__VENS": "2",
    "FLEET__RESOURCES_PER_VEN": "3",
    "TASKS__SIMULATE_METERDATA__SECONDS": "1",
    "TASKS__POLL_EVENTS__SECONDS": "1",
    "TASKS__GENERATE_REPORTS__SECONDS": "1",
}


def says_that_it_waits(ops_port: int) -> bool:
    try:
        answer = requests.get(f"http://127.0.0.1:{ops_port}/readyz", timeout=2)
    except requests.Timeout:
        return False
    return answer.status_code == 503 and any(
        re.match(r"database postgresql://\S+: has not answered for \d+ s", reason)
        for reason in answer.json()["reasons"]
    )


def test_it_is_said_and_the_stop_takes_no_longer(
    start: Start, postgres: Postgres, ops_port: int
) -> None:
    application = start("run", **SETTINGS, DATABASE__URL=postgres.make_database())
    application.wait_for("the page is at")
    with postgres.silent():
        wait_until(lambda: says_that_it_waits(ops_port), timeout_s=30)

        assert application.stop() == 0

    assert re.search(r"stopping: the database \S+ has not answered for \d+ s", application.log)
    assert application.log.endswith("stopped")
    assert "Traceback" not in application.log


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_it_at_once(
    start: Start, postgres: Postgres, first: signal.Signals
) -> None:
    application = start("run", **SETTINGS, DATABASE__URL=postgres.make_database())
    application.wait_for("schedule: ")
    with postgres.silent():
        application.tell(first)
        for _ in range(2):  # the first two may reach it as one, where it had no time between them
            application.tell(signal.SIGINT)

        assert application.join(3) == 128 + signal.SIGINT

    assert application.log.endswith("stopped at once: what was under way stays owed")
