"""Programs that others wrote as sources: Node-RED publishes over MQTT, InfluxDB's clients write."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
import venv
from contextlib import ExitStack
from pathlib import Path

from interop.checks import Missing
from tests.support.broker import Broker
from tests.support.mqtt import sources_at
from tests.support.processes import Application
from tests.support.servers import free_port
from tests.support.waiting import wait_until

NODE_RED = "node-red@4.1.15"
CLIENTS = ("influxdb-client==1.50.0", "influxdb==5.3.2")
TOKEN = "a-token-of-influx"
FLEET = """ven_name,resource_name,kind,power_max_kw,source,device
Aarhus,by Node-RED,HEAT_PUMP,10,homes,nr-1
Aarhus,by InfluxDB 2,HEAT_PUMP,10,influx,v2
Aarhus,by InfluxDB 1,HEAT_PUMP,10,influx,v1
"""
SOURCES = """
[[source]]
name = "influx"
type = "influx"
token_file = "influx.token"
[[source.measurements]]
measurement = "power"
device = "host"
field = "w"
quantity = "POWER"
unit = "W"
"""
WRITES_V2 = """
import sys
from datetime import UTC, datetime
from influxdb_client import InfluxDBClient, Point
from influxdb_client.client.write_api import SYNCHRONOUS
with InfluxDBClient(sys.argv[1], sys.argv[2], org="any") as client:
    point = Point("power").tag("host", "v2").field("w", 2000.0).time(datetime.now(UTC))
    client.write_api(SYNCHRONOUS).write("any", record=point)
"""
WRITES_V1 = """
import sys
from datetime import UTC, datetime
from urllib.parse import urlsplit
from influxdb import InfluxDBClient
parts = urlsplit(sys.argv[1])
client = InfluxDBClient(parts.hostname, parts.port, "any", sys.argv[2], "any")
client.create_database("any")
point = {"measurement": "power", "tags": {"host": "v1"}, "fields": {"w": 1000.0}}
client.write_points([{**point, "time": datetime.now(UTC).isoformat()}])
"""


def node_red(root: Path) -> Path:
    """Its program, installed where it is not there yet."""
    if shutil.which("npm") is None:
        raise Missing("npm is missing (apt install nodejs npm)")
    folder = root / "node-red"
    program = folder / "node_modules" / ".bin" / "node-red"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent", NODE_RED],
            cwd=folder,
            check=True,
        )
    return program


def install(root: Path) -> tuple[Path, Path]:
    """Node-RED, and a Python that has InfluxDB's clients, where they are not there yet."""
    python = root / "influx" / "bin" / "python"
    if not python.exists():
        venv.create(root / "influx", with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *CLIENTS], check=True)
    return node_red(root), python


def check(broker: Broker, root: Path, directory: Path, stack: ExitStack) -> None:
    """What each of them sends is known."""
    program, python = install(root)
    intake_port = free_port()
    (directory / "sources.toml").write_text(sources_at(broker.port) + SOURCES)
    (directory / "influx.token").write_text(TOKEN)
    (directory / "influx.token").chmod(0o600)
    (directory / "fleet.csv").write_text(FLEET)
    settings = {
        "VTN__EMBEDDED_PORT": str(free_port()),
        "OPS__ENABLED": "false",
        "INTAKE__PORT": str(intake_port),
    }
    imported = Application("fleet", "import", "fleet.csv", cwd=directory, settings=settings)
    assert imported.join() == 0, imported.log
    run = Application("run", cwd=directory, settings=settings)
    stack.callback(run.kill)
    run.wait_for("listening at")
    flows = directory / "flows.json"
    flows.write_text(json.dumps(_flows(broker.port)))
    publisher = subprocess.Popen(
        [str(program), "-u", str(directory / "node-red"), "-p", str(free_port()), str(flows)],
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    )
    stack.callback(publisher.wait)
    stack.callback(publisher.terminate)
    for writes in (WRITES_V2, WRITES_V1):
        url = f"http://127.0.0.1:{intake_port}"
        subprocess.run([str(python), "-c", writes, url, TOKEN], check=True)

    def known() -> dict[str, float]:
        export = Application("readings", "export", cwd=directory, settings=settings)
        assert export.join() == 0, export.log
        rows = csv.DictReader(io.StringIO(export.output))
        return {row["resource_name"]: float(row["value"]) for row in rows}

    expected = {"by Node-RED": 1.5, "by InfluxDB 2": 2.0, "by InfluxDB 1": 1.0}
    wait_until(lambda: known() == expected, timeout_s=60, otherwise=lambda: str(known()))
    assert run.stop() == 0, run.log
    print(f"  known: {', '.join(sorted(expected))}")


def _flows(port: int) -> list[dict[str, object]]:
    """A plug that measures each second."""
    measures = "msg.payload = {power_kw: 1.5, ts: new Date().toISOString()}; return msg;"
    return [
        {"id": "tab", "type": "tab", "label": "plug"},
        {"id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(port)},
        {
            "id": "every",
            "type": "inject",
            "z": "tab",
            "props": [],
            "repeat": "1",
            "once": True,
            "onceDelay": "0.5",
            "wires": [["make"]],
        },
        {"id": "make", "type": "function", "z": "tab", "func": measures, "wires": [["out"]]},
        {
            "id": "out",
            "type": "mqtt out",
            "z": "tab",
            "topic": "meters/nr-1",
            "qos": "1",
            "retain": "false",
            "broker": "broker",
            "wires": [],
        },
    ]
