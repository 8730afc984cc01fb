"""A fleet in several processes, and its gateway."""

from __future__ import annotations

import csv
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from app.platform import shard_of
from app.vtn import EmbeddedVtn
from tests.support.intake import SOURCES, TOKEN
from tests.support.processes import Application
from tests.support.servers import free_port
from tests.support.waiting import wait_until

COLUMNS = "ven_name,resource_name,kind,power_min_kw,power_max_kw,source,device"


class CutFleet:
    """Its processes in one directory; each VEN has a simulated resource and one with a meter.

    `secret`: of all VENs at the VTN; `settings`: of all processes.
    """

    def __init__(
        self,
        directory: Path,
        vtn: EmbeddedVtn,
        secret: str,
        *,
        shards: int = 2,
        vens: Sequence[str],
        settings: Mapping[str, str],
    ) -> None:
        self.shards = shards
        self.vens = vens
        self._directory = directory
        self.intake_port, ops_port = free_port(), free_port()
        self.base_url = f"http://127.0.0.1:{ops_port}"
        self._settings = {
            "VTN__BASE_URL": vtn.base_url,
            "VTN__CLIENT_ID": "{ven_name}",
            "VTN__CLIENT_SECRET": secret,
            "FLEET__SHARDS": str(shards),
            "OPS__PORT": str(ops_port),
            "INTAKE__PORT": str(self.intake_port),
            "TASKS__SIMULATE_METERDATA__SECONDS": "1",
            "TASKS__GENERATE_REPORTS__SECONDS": "1",
            "TASKS__HEARTBEAT__SECONDS": "1",
            **settings,
        }
        self._started: list[Application] = []
        self._import()
        self.gateway = self.start("gateway")  # before the VTN asks for callbacks
        self.gateway.wait_for("readings are taken at")
        self.processes = [self.run(number) for number in range(shards)]
        for each in self.processes:
            each.wait_for("schedule:")

    def _import(self) -> None:
        (self._directory / "sources.toml").write_text(SOURCES)
        token = self._directory / "plant.token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        rows = [COLUMNS]
        for ven in self.vens:
            rows.append(f"{ven},model,HEAT_PUMP,0,10,simulator,")
            rows.append(f"{ven},hall,BASE_LOAD,0,10,plant,of {ven}")
        (self._directory / "fleet.csv").write_text("\n".join(rows) + "\n")
        command = self.start("fleet", "import", "fleet.csv")
        assert command.join() == 0, command.log

    def start(self, *arguments: str, **settings: str) -> Application:
        """One more process, of this command."""
        self._started.append(
            Application(*arguments, cwd=self._directory, settings={**self._settings, **settings})
        )
        return self._started[-1]

    def run(self, number: int, **settings: str) -> Application:
        """An owner of this shard, or its standby."""
        return self.start("run", FLEET__SHARD=str(number), **settings)

    def kill(self, number: int) -> None:
        """The owner of this shard."""
        process = self.processes[number]
        process.tell(signal.SIGKILL)
        assert process.join() == -signal.SIGKILL

    def revive(self, number: int) -> None:
        """Another owner."""
        self.processes[number] = self.run(number)
        self.processes[number].wait_for("schedule:")

    @property
    def log(self) -> str:
        """Of all of them."""
        return "\n".join(each.log for each in (*self.processes, self.gateway))

    def close(self) -> None:
        for each in self._started:
            each.kill()

    def ven_in(self, number: int) -> str:
        """The name of a VEN in this shard."""
        return next(name for name in self.vens if shard_of(name, self.shards) == number)

    def post(self, *vens: str, at: datetime, kw: float = 1.5) -> requests.Response:
        """What the meters of these VENs say."""
        readings = [
            {
                "device": f"of {ven}",
                "quantity": "POWER",
                "unit": "kW",
                "start": at.isoformat(),
                "value": kw,
            }
            for ven in vens
        ]
        return requests.post(
            f"http://127.0.0.1:{self.intake_port}/readings",
            json={"readings": readings},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )

    def gaps(self, start: datetime, end: datetime) -> list[dict[str, str]]:
        answer = requests.get(
            f"http://127.0.0.1:{self.intake_port}/readings/gaps",
            params={"from": start.isoformat(), "to": end.isoformat()},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )
        answer.raise_for_status()
        found: list[dict[str, str]] = answer.json()["gaps"]
        return found

    def readyz(self) -> dict[str, Any]:
        """What is not well, of each shard."""
        found: dict[str, Any] = requests.get(f"{self.base_url}/readyz", timeout=10).json()
        return found

    def wait_for_pages(self) -> None:
        """Each comes when its shard has reported once."""
        pages = [f"{self.base_url}/shards/{number}/" for number in range(self.shards)]
        wait_until(lambda: all(requests.get(page, timeout=10).ok for page in pages))

    def metric(self, name: str) -> dict[str, float]:
        """The sum of it, by shard, as Prometheus reads it."""
        text = requests.get(f"{self.base_url}/metrics", timeout=10).text
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name:
                    shard = sample.labels["shard"]
                    found[shard] = found.get(shard, 0.0) + sample.value
        return found

    def exported(self) -> list[tuple[str, float]]:
        """VEN and value of every measurement of the last day that is stored."""
        command = self.start("readings", "export")
        assert command.join() == 0, command.log
        rows = csv.DictReader(command.output.splitlines())
        return [(row["ven_name"], float(row["value"])) for row in rows]
