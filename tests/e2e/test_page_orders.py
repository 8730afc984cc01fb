"""The page's view of orders, in a real browser, with devices that take them over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import requests
from playwright.sync_api import expect

from tests.e2e.conftest import Open
from tests.support.browser import DESKTOP, PHONE
from tests.support.device import ContractDevice
from tests.support.processes import Application
from tests.support.servers import Answer, ReceivedRequest, ScriptedVtn, free_port
from tests.support.site import Site
from tests.support.waiting import wait_until

FLEET = """ven_name,resource_name,kind,power_max_kw,source,device,actuator
Aarhus,pump,HEAT_PUMP,9,plant,pump,homes
Aarhus,car,EV_CHARGER,11,plant,car,homes
"""
SOURCES = """
[[source]]
name = "plant"
type = "http"
token_file = "plant.token"
[[actuator]]
name = "homes"
type = "http"
url = "{url}/{{ven}}/{{resource}}"
"""
TOKEN = "a-token-of-the-plant"
USUAL_KW = 4.0


class Devices:
    """They do what they are asked, and their meter says so every second."""

    def __init__(self, intake_port: int) -> None:
        self._devices = {name: ContractDevice() for name in ("pump", "car")}
        self._url = f"http://127.0.0.1:{intake_port}/readings"
        self._over = threading.Event()
        self._meters = threading.Thread(target=self._measure, daemon=True)
        self.server = ScriptedVtn(self._take)

    def start_measuring(self) -> None:
        self._meters.start()

    def stop_measuring(self) -> None:
        """While somebody still takes what they measured."""
        self._over.set()
        self._meters.join(15)

    def held(self, name: str) -> object:
        return self._devices[name].held

    def close(self) -> None:
        self._over.set()
        self.server.close()

    def _take(self, asked: ReceivedRequest) -> Answer:
        told = self._devices[asked.path.rpartition("/")[2]].take(asked.body)
        return Answer(status=200, body="" if told is None else orjson.dumps(told).decode())

    def _measure(self) -> None:
        while not self._over.wait(1.0):
            rows = [
                {
                    "device": name,
                    "start": datetime.now(UTC).isoformat(),
                    "quantity": "POWER",
                    "unit": "KW",
                    "value": USUAL_KW if device.held is None else device.held["setpoint_kw"],
                }
                for name, device in self._devices.items()
            ]
            requests.post(
                self._url,
                json={"readings": rows},
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=10,
            )


@pytest.fixture
def intake_port() -> int:
    return free_port()


@pytest.fixture
def devices(intake_port: int) -> Iterator[Devices]:
    made = Devices(intake_port)
    yield made
    made.close()


@pytest.fixture
def asked(tmp_path: Path, devices: Devices, intake_port: int) -> Iterator[Site]:
    """A fleet that is asked for less."""
    (tmp_path / "sources.toml").write_text(SOURCES.format(url=devices.server.base_url))
    (tmp_path / "plant.token").write_text(TOKEN)
    (tmp_path / "plant.token").chmod(0o600)
    (tmp_path / "fleet.csv").write_text(FLEET)
    imported = Application("fleet", "import", "fleet.csv", cwd=tmp_path, settings={})
    assert imported.join() == 0, imported.log
    site = Site(tmp_path, INTAKE__PORT=str(intake_port))
    devices.start_measuring()
    sent = Application(
        *("event", "send", "--type", "SIMPLE", "--value", "2", "--duration", "PT1H"),
        cwd=tmp_path,
        settings={"VTN__EMBEDDED_PORT": str(site.vtn_port)},
    )
    assert sent.join() == 0, sent.log
    wait_until(lambda: devices.held("pump") and devices.held("car"), timeout_s=40)
    yield site
    devices.stop_measuring()
    site.application.kill()


def test_what_is_asked_and_measured_is_seen_and_an_operator_opts_out(
    asked: Site, devices: Devices, window: Open
) -> None:
    seen = window(asked, size=DESKTOP)
    seen.look_at("/orders")
    expect(seen.row("pump")).to_contain_text("acknowledged")
    wait_until(lambda: seen.figure("acknowledged") == "2")
    wait_until(lambda: seen.cell("pump", "measured") == seen.cell("pump", "asked"))
    wait_until(lambda: len(seen.lines()) == 3 and len(seen.lines()["asked"]) > 2)
    lines = seen.lines()
    assert lines["measured"][-1] == pytest.approx(lines["asked"][-1], abs=0.01)
    assert lines["usual"][-1] > lines["asked"][-1]
    seen.shoot("orders-asked-light")

    seen.press("Opt out pump")

    expect(seen.page.locator("table", has_text="Who has opted out")).to_contain_text("on the page")
    wait_until(lambda: devices.held("pump") is None)
    assert devices.held("car") is not None
    seen.look_at("/vens/Aarhus")
    seen.press("Opt in pump")
    wait_until(lambda: devices.held("pump"))
    assert seen.complaints == []


def test_all_are_released_until_they_are_resumed(
    asked: Site, devices: Devices, window: Open
) -> None:
    seen = window(asked, size=PHONE, dark=True)
    seen.look_at("/orders")
    seen.shoot("orders-asked-phone")
    assert seen.barriers() == []

    seen.press("Release all")
    seen.press("Yes")
    wait_until(lambda: devices.held("pump") is None and devices.held("car") is None)
    seen.press("Resume")

    wait_until(lambda: devices.held("pump") and devices.held("car"))
    assert seen.complaints == []
    assert ("release orders", "done") in asked.changes()
