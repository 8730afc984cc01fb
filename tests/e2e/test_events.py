"""Be the grid: an event from the command line moves the fleet, and the reports show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Start
from tests.e2e.test_run import EVERY_SECOND, at_vtn
from tests.support.waiting import wait_until

NOBODY = "9"
"""A port on which nothing listens; a free one may be another test's by now."""
QUICK = {
    **EVERY_SECOND,
    "TASKS__POLL_EVENTS__SECONDS": "1",
    "FLEET__VENS": "2",
    "FLEET__RESOURCES_PER_VEN": "8",
}


def power_kw(start: Start) -> dict[str, float]:
    """As `fleet list` shows it."""
    command = start("fleet", "list", "--json", **QUICK)
    assert command.join() == 0
    return {load["ven_name"]: load["power_kw"] for load in json.loads(command.output)}


def latest_kw(directory: Path, ven_name: str) -> float:
    """As the newest report shows it."""
    newest: dict[str, Any] = {}
    for report in at_vtn(directory, "REPORT"):
        if report["clientName"] == ven_name:
            newest = report
    return float(
        sum(each["intervals"][-1]["payloads"][0]["values"][0] for each in newest["resources"])
    )


def test_an_event_moves_one_ven_and_cancelling_it_moves_it_back(
    start: Start, tmp_path: Path
) -> None:
    application = start("run", **QUICK)
    application.wait_for("schedule: ")
    sent = start(*("event", "send", "--type", "SIMPLE", "--value", "3", "--ven", "Aarhus"), **QUICK)
    assert sent.join() == 0
    event_id = sent.output.split()[1].rstrip(":")
    application.wait_for("active: SIMPLE for 8 resources")

    wait_until(lambda: latest_kw(tmp_path, "Aarhus") < latest_kw(tmp_path, "Aalborg") - 3)
    shed = power_kw(start)
    assert shed["Aarhus"] < shed["Aalborg"] - 3

    assert start("event", "cancel", event_id, **QUICK).join() == 0
    application.wait_for("active: nothing")
    wait_until(lambda: latest_kw(tmp_path, "Aarhus") > shed["Aarhus"] + 3)
    assert application.stop() == 0


def test_wrong_use_is_one_line(start: Start) -> None:
    for arguments, code, line in (
        (("send", "--type", "SIMPLE", "--value", "two"), 2, "SIMPLE needs a whole number"),
        (("send", "--type", "PRICE", "--value", "1", "--duration", "1h"), 2, "duration '1h'"),
        (
            ("send", "--type", "PRICE", "--value", "1", "--start", "2026-01-01T12:00:00+01:00"),
            2,
            "it would be over: it ends at 2026-01-01 11:10:00 UTC",
        ),
        (("cancel", "e1"), 1, "cannot be reached"),
    ):
        command = start("event", *arguments, **{**QUICK, "VTN__EMBEDDED_PORT": NOBODY})
        assert command.join() == code
        assert line in command.log
        assert "Traceback" not in command.log
