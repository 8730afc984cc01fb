"""Storms: the fleet is killed, its broker is, the network is cut, events change, devices die.

Whatever happens, no device holds an order longer than the contract says, and in the end all are
released.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.mqtt.session import TAKEN_OVER_PAUSE_S
from app.platform import make_engine, to_us, utc_now
from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.e2e.conftest import Start
from tests.support.broker import Broker
from tests.support.cable import Cable
from tests.support.device import MqttDevice, Obeys, accepts, refuses
from tests.support.processes import Application
from tests.support.waiting import wait_until

SEEDS = int(os.environ.get("ORDER_STORM_SEEDS", "5"))
"""`make soak` has 200."""
VALID_FOR_S = 8
BOUND_S = 2 * VALID_FOR_S
STEPS = 10
DEVICES = 4
SOURCES = f"""
[[actuator]]
name = "homes"
type = "mqtt"
url = "mqtt://127.0.0.1:{{port}}"
valid_for = "PT{VALID_FOR_S}S"
ack_timeout = "PT1S"
"""
FLEET = "ven_name,resource_name,kind,power_max_kw,actuator\n" + "".join(
    f"Aarhus,d-{number},HEAT_PUMP,10,homes\n" for number in range(DEVICES)
)


class Owner:
    """Answers as its device's owner wants it: now and then not at all, twice, or with a veto."""

    def __init__(self, drawn: random.Random) -> None:
        self._drawn = drawn

    def __call__(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["release"] or self._drawn.random() < 0.7:
            return accepts(order)
        return self._drawn.choice([refuses, opts_out])(order)


def opts_out(_: dict[str, Any]) -> dict[str, Any]:
    return {"status": "OPTED_OUT", "reason": "the owner wants it"}


class Watch(threading.Thread):
    """Looks at what devices hold all the time, and remembers what was held too long."""

    def __init__(self, devices: Callable[[], list[MqttDevice]]) -> None:
        super().__init__(daemon=True)
        self._devices = devices
        self._over = threading.Event()
        self.too_long: list[tuple[float, dict[str, Any]]] = []

    def run(self) -> None:
        while not self._over.wait(0.05):
            for device in self._devices():
                held = device.held
                if held is None:
                    continue
                written = datetime.fromisoformat(held["issued_at"])
                age_s = (datetime.now(UTC) - written).total_seconds()
                if age_s > BOUND_S:
                    self.too_long.append((age_s, held))

    def end(self) -> None:
        self._over.set()
        self.join(5)


class Storm:
    """One fleet, its broker, its devices, and what a seed does to them."""

    def __init__(
        self, seed: int, start: Start, vtn: EmbeddedVtn, folder: Path, broker: Broker
    ) -> None:
        self._drawn = random.Random(seed)
        self._start = start
        self._vtn = vtn
        self._broker = broker
        self._folder = folder
        self._cable = Cable(broker.port)
        (folder / "sources.toml").write_text(SOURCES.format(port=self._cable.port))
        (folder / "fleet.csv").write_text(FLEET)
        self._settings = {
            "VTN__BASE_URL": vtn.base_url,
            "VTN__CLIENT_ID": "{ven_name}",
            "VTN__CLIENT_SECRET": EmbeddedCredentials.of(folder / "vtn").ven_secret,
            "OPS__ENABLED": "false",
            "FLEET__SEED_SAMPLE": "false",
            "TASKS__POLL_EVENTS__SECONDS": "0.5",
        }
        assert start("fleet", "import", "fleet.csv", **self._settings).join() == 0
        self._application = self._run()
        self._event_ids: list[str] = []
        self.devices = [self._device(number) for number in range(DEVICES)]
        self._steps = (
            *(self.send, self.send, self.cancel, self.kill, self.restart_broker),
            *(self.cut, self.be_silent, self.replace_device, self.opt_in),
        )
        self.orders_of_the_dead = 0

    def pass_over(self) -> None:
        """Ten things happen, a moment apart, after something is asked."""
        self._application.wait_for("schedule: ")  # an event may be over before it is polled
        self.send()
        wait_until(lambda: self.orders, otherwise=lambda: self.log)
        for _ in range(STEPS):
            self._drawn.choice(self._steps)()
            threading.Event().wait(self._drawn.uniform(0.2, 2.0))

    def send(self) -> None:
        (program,) = self._vtn.store.select("PROGRAM")
        payload = self._drawn.choice(
            [("DISPATCH_SETPOINT", self._drawn.uniform(0, 9)), ("SIMPLE", 2), ("SIMPLE", 3)]
        )
        event_id = uuid.uuid4().hex
        now = datetime.now(UTC).isoformat()
        event = {
            "id": event_id,
            "objectType": "EVENT",
            "createdDateTime": now,
            "modificationDateTime": now,
            "programID": program["id"],
            "intervalPeriod": {"start": now, "duration": f"PT{self._drawn.randint(5, 40)}S"},
            "intervals": [
                {"id": 0, "payloads": [{"type": payload[0], "values": [payload[1]]}]},
            ],
        }
        self._vtn.store.add("EVENT", event, parent=program["id"], object_id=event_id)
        self._event_ids.append(event_id)

    def cancel(self) -> None:
        if self._event_ids:
            self._vtn.store.remove("EVENT", self._event_ids.pop())

    def kill(self) -> None:
        self._application.kill()
        threading.Event().wait(self._drawn.uniform(0.0, 3.0))
        self._application = self._run()

    def restart_broker(self) -> None:
        self._broker.stop()
        threading.Event().wait(self._drawn.uniform(0.0, 2.0))
        self._broker.start()

    def cut(self) -> None:
        self._cable.cut()
        threading.Event().wait(self._drawn.uniform(0.0, 3.0))
        self._cable.mend()

    def be_silent(self) -> None:
        self._cable.be_silent()
        threading.Event().wait(self._drawn.uniform(0.0, 3.0))
        self._cable.mend()

    def replace_device(self) -> None:
        """It dies, and another one, which remembers nothing, stands in its place."""
        number = self._drawn.randrange(DEVICES)
        self.devices[number].close()
        self.orders_of_the_dead += len(self.devices[number].orders)
        self.devices[number] = self._device(number)

    def opt_in(self) -> None:
        """Somebody who may have opted out."""
        self._drawn.choice(self.devices).say(seq=0, status="OPTED_IN")

    def calm(self) -> None:
        """No event is left, and everything works."""
        self._cable.mend()
        while self._event_ids:
            self.cancel()

    def end(self) -> None:
        for device in self.devices:
            device.close()
        self._application.kill()
        self._cable.close()

    @property
    def orders(self) -> int:
        """That came to any device."""
        return self.orders_of_the_dead + sum(len(device.orders) for device in self.devices)

    def in_force(self) -> int:
        """Orders that the fleet has not seen the end of."""
        engine = make_engine(f"sqlite:///{self._folder}/data/fleet.db")
        with engine.connect() as connection:
            query = text(
                "SELECT count(*) FROM device_order WHERE status <> 'RELEASED'"
                " AND NOT (desired IS NULL AND until_us < :now_us)"
            )
            found = connection.execute(query, {"now_us": to_us(utc_now())}).scalar_one()
        engine.dispose()
        return int(found)

    @property
    def log(self) -> str:
        return self._application.log

    def _run(self) -> Application:
        return self._start("run", **self._settings)

    def _device(self, number: int) -> MqttDevice:
        answers: Obeys = Owner(random.Random(self._drawn.random()))
        rate = self._drawn.uniform(0.98, 1.02)  # its clock is its own
        began_s = time.monotonic()
        return MqttDevice(
            self._broker.port,
            "Aarhus",
            f"d-{number}",
            answers=answers,
            valid_for_s=VALID_FOR_S,
            keep_alive_s=1,
            monotonic=lambda: began_s + (time.monotonic() - began_s) * rate,
        )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker", anonymous=True)
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_device_is_held_beyond_the_bound_and_all_are_released(
    seed: int, start: Start, lasting_vtn: EmbeddedVtn, tmp_path: Path, broker: Broker
) -> None:
    storm = Storm(seed, start, lasting_vtn, tmp_path, broker)
    watch = Watch(lambda: list(storm.devices))
    watch.start()
    try:
        storm.pass_over()
        storm.calm()

        wait_until(
            lambda: all(device.held is None for device in storm.devices),
            timeout_s=BOUND_S,
            otherwise=lambda: storm.log,
        )
        wait_until(
            lambda: not storm.in_force(),
            timeout_s=TAKEN_OVER_PAUSE_S
            + BOUND_S,  # three cuts in a minute look like another fleet
            look_every_s=0.2,
            otherwise=lambda: storm.log,
        )
        assert watch.too_long == []
    finally:
        watch.end()
        storm.end()
