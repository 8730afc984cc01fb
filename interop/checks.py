"""What is tried at a VTN that others wrote, one thing after the other."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import requests

from interop.vtn import Vtn
from tests.support.processes import Application
from tests.support.servers import free_port
from tests.support.waiting import wait_until

NAMES = ("Aalborg", "Aarhus", "Esbjerg")
RESOURCES_PER_VEN = 2
READING = {
    "payloadType": "READING",
    "units": "KW",
    "frequency": 0,
    "repeat": -1,
    "reportIntervals": "OPEN_INTERVALS",
}
FORECAST = {
    "payloadType": "USAGE_FORECAST",
    "units": "KWH",
    "historical": False,
    "startInterval": 0,
}


class Missing(Exception):
    """Something that has to be installed first; one line."""


class BusinessLogic:
    """Plain requests to the VTN, apart from the code that is tried here."""

    def __init__(self, vtn: Vtn) -> None:
        self._vtn = vtn
        self._signed = {"Authorization": f"Bearer {vtn.token('bl', 'bl-secret')}"}

    def post(self, path: str, body: Any) -> dict[str, Any]:
        url = self._vtn.base_url + path
        answer = requests.post(url, json=body, headers=self._signed, timeout=10)
        assert answer.status_code == 201, (path, answer.status_code, answer.text)
        return dict(answer.json())

    def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            params = {**query, "skip": len(found), "limit": 50}
            url = self._vtn.base_url + path
            page = requests.get(url, params=params, headers=self._signed, timeout=10).json()
            found += page
            if len(page) < 50:
                return found

    def event(self, program_id: str, name: str, **fields: Any) -> str:
        body = {"programID": program_id, "eventName": name, **fields}
        return str(self.post("/events", body)["id"])


def _application(
    vtn: Vtn, directory: Path, stack: ExitStack, more: Mapping[str, str], ops_port: int
) -> Application:
    """Three VENs that meter and report each second, and poll so seldom that only push counts."""
    settings = {
        **more,
        "DATA_DIR": str(directory / "data"),
        "VTN__BASE_URL": vtn.base_url,
        "VTN__CLIENT_ID": "ven-{ven_name}",
        "VTN__CLIENT_SECRET": "secret-{ven_name}",
        "FLEET__SEED_SAMPLE": "true",
        "FLEET__VENS": str(len(NAMES)),
        "FLEET__RESOURCES_PER_VEN": str(RESOURCES_PER_VEN),
        "TASKS__SIMULATE_METERDATA__SECONDS": "1",
        "TASKS__GENERATE_REPORTS__SECONDS": "1",
        "TASKS__POLL_EVENTS__HOURS": "1",
        "TASKS__HEARTBEAT__SECONDS": "2",
        "DELIVERY__SETTLE_S": "3",
        "OPS__PORT": str(ops_port),
    }
    application = Application("run", cwd=directory, settings=settings)
    stack.callback(application.kill)
    return application


def check(
    vtn: Vtn, directory: Path, stack: ExitStack, settings: Mapping[str, str] | None = None
) -> None:
    """A fleet's life in short: enrolment, telemetry, push, forecasts, restarts of both sides.

    `settings`: of the application, beside the usual ones.
    """
    application_with = partial(_application, vtn, directory, stack, settings or {})
    business = BusinessLogic(vtn)
    program_id = str(business.post("/programs", {"programName": "interop"})["id"])
    telemetry = business.event(program_id, "telemetry", reportDescriptors=[READING])
    ops_port = free_port()
    application = application_with(ops_port)

    def reports(event_id: str = telemetry) -> list[dict[str, Any]]:
        return business.all("/reports", eventID=event_id)

    def enrolled() -> bool:
        owners = {ven["venName"]: ven.get("clientID") for ven in business.all("/vens")}
        return owners == {name: f"ven-{name}" for name in NAMES}

    _holds("enrolment of 3 VENs, each with credentials of its own", enrolled)
    _holds("their resources", lambda: len(business.all("/resources")) == 3 * RESOURCES_PER_VEN)
    _holds("telemetry of every VEN", lambda: {r["clientName"] for r in reports()} == set(NAMES))
    _holds("push", lambda: "push works" in application.log)

    def answers(what: str, kind: str, value: int) -> None:
        """An event is taken as push brings it, and followed."""
        taken = _push(ops_port).get("taken", 0)
        began = datetime.now(UTC) - timedelta(seconds=1)
        business.event(program_id, what, **_event(began, "PT1H", kind, value))
        _holds(what, lambda: re.search(f"in force: .*{kind} for 6 resources", application.log))
        assert _push(ops_port)["taken"] >= taken + len(NAMES), "it came by a poll"

    answers("an event told by push, and answered with the next tick", "SIMPLE", 2)
    begins = datetime.now(UTC) + timedelta(seconds=3)
    forecast = business.event(
        program_id, "forecast", **_event(begins, "PT15M", "SIMPLE", 0), reportDescriptors=[FORECAST]
    )
    _holds("a forecast of every VEN", lambda: len(reports(forecast)) == len(NAMES))

    vtn.stop()
    _holds("the VTN stops; metering goes on", lambda: "does not answer" in application.log)
    vtn.start()
    before = len(reports())
    _holds("the VTN starts; reports go on", lambda: len(reports()) > before)
    answers("push after the VTN's restart", "IMPORT_CAPACITY_LIMIT", 5)

    application.kill()
    application = application_with(ops_port)
    application.wait_for("delivered")
    before = len(reports())
    _holds("the VENs start again after kill -9", lambda: len(reports()) > before)
    assert application.stop() == 0, application.log
    assert enrolled(), "the VENs are not the same as before"
    _each_reading_once(reports())


def _push(ops_port: int) -> dict[str, int]:
    """What came of what push brought, as /readyz counts it."""
    answer = requests.get(f"http://127.0.0.1:{ops_port}/readyz", timeout=5)
    return dict(answer.json()["push"])


def _event(begins: datetime, duration: str, kind: str, value: int) -> dict[str, Any]:
    return {
        "intervalPeriod": {"start": begins.strftime("%Y-%m-%dT%H:%M:%SZ"), "duration": duration},
        # openleadr wants at least one payload in each interval.
        "intervals": [{"id": 0, "payloads": [{"type": kind, "values": [value]}]}],
    }


def _each_reading_once(reports: list[dict[str, Any]]) -> None:
    readings = Counter(
        (report["clientName"], resource["resourceName"], interval["intervalPeriod"]["start"])
        for report in reports
        for resource in report["resources"]
        for interval in resource["intervals"]
    )
    doubled = [reading for reading, count in readings.items() if count > 1]
    assert not doubled, f"{len(doubled)} readings came twice: {doubled[:3]}"
    print(f"  ok          each of {len(readings)} readings is there once")


def _holds(what: str, condition: Callable[[], object]) -> None:
    began_s = time.perf_counter()
    wait_until(condition, timeout_s=60, otherwise=lambda: what)
    print(f"  ok {time.perf_counter() - began_s:6.1f} s {what}", flush=True)
