"""Devices that others make: Node-RED takes orders, and Home Assistant shows them.

Node-RED is tried with `check-device` first, then it is a device of the fleet. What the fleet tells
Home Assistant is read by Home Assistant's own schemas, and its templates by Home Assistant's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from interop.sources import node_red
from tests.support.broker import Broker
from tests.support.processes import Application
from tests.support.retained import Retained
from tests.support.servers import free_port
from tests.support.waiting import wait_until

HOME_ASSISTANT = ("homeassistant==2024.3.3", "paho-mqtt==1.6.1")
"""The last one for Python 3.11, and what its MQTT is written for."""
FLEET = """ven_name,resource_name,kind,power_max_kw,actuator
Aarhus,plug,HEAT_PUMP,10,homes
"""
SOURCES = """
[[actuator]]
name = "homes"
type = "mqtt"
url = "mqtt://127.0.0.1:{port}"
valid_for = "PT16S"
ack_timeout = "PT4S"
homeassistant = true
"""
ENTITIES = 6
DEVICE = """
let order;
try { order = JSON.parse(msg.payload.toString()); } catch (error) { return null; }
const needed = ["run", "seq", "valid_s", "release"];
if (order === null || !needed.every(name => name in Object(order))) { return null; }
const now = Number(process.hrtime.bigint()) / 1e9;
const held = context.get("held") || {run: null, seq: 0, ends: 0};
const isHeld = now < held.ends, isForgotten = held.run === null || now >= held.ends + 32;
const isNext = order.run === held.run ? order.seq >= held.seq : !isHeld;
if (!isForgotten && !isNext) { return null; }
context.set("held", {
    run: order.run, seq: order.seq, ends: order.release ? now : now + order.valid_s
});
msg.topic = msg.topic.replace("/desired", "/outcome");
msg.payload = {seq: order.seq, status: "ACCEPTED"};
return msg;
"""
"""A device of a function: valid_for is 16 s."""
READS = """
import asyncio, json, sys
from homeassistant.core import HomeAssistant
from homeassistant.components.mqtt import binary_sensor, sensor, switch
from homeassistant.components.mqtt.models import MqttValueTemplate
from homeassistant.helpers.template import Template

SCHEMAS = {"sensor": sensor, "binary_sensor": binary_sensor, "switch": switch}

async def main():
    told = json.load(sys.stdin)
    hass, found = HomeAssistant("/tmp"), {}
    for what, entity in told["entities"].items():
        component = entity.pop("component")
        read = SCHEMAS[component].DISCOVERY_SCHEMA(dict(entity))
        assert not entity.keys() - read.keys(), (what, entity.keys() - read.keys())
        template = entity.get("value_template")
        if template is not None:
            values = MqttValueTemplate(Template(template, hass), hass=hass)
            found[what] = [
                values.async_render_with_possible_json_value(body) for body in told["bodies"]
            ]
    print(json.dumps(found))
    await hass.async_stop(force=True)

asyncio.run(main())
"""


def install(root: Path) -> tuple[Path, Path]:
    """Node-RED, and a Python that has Home Assistant, where they are not there yet."""
    python = root / "homeassistant" / "bin" / "python"
    if not python.exists():
        venv.create(root / "homeassistant", with_pip=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *HOME_ASSISTANT], check=True
        )
    return node_red(root), python


def check(broker: Broker, root: Path, directory: Path, stack: ExitStack) -> None:
    """One after the other."""
    program, python = install(root)
    _keeps_the_contract(broker, program, directory, stack)
    _is_a_device(broker, program, python, directory, stack)


def _keeps_the_contract(broker: Broker, program: Path, directory: Path, stack: ExitStack) -> None:
    port = free_port()
    checked = Application(
        *("check-device", "Aarhus", "plug", "--valid-for", "PT16S"),
        *("--broker", broker.url, "--listen", f"127.0.0.1:{port}"),
        cwd=directory,
        settings={},
    )
    stack.callback(checked.kill)
    wait_until(lambda: "Waiting" in checked.output or checked.log)
    with ExitStack() as own:
        _run_node_red(program, port, directory / "checked", own)
        code = checked.join(timeout_s=300)
    assert code == 0, checked.output + checked.log
    print(f"  Node-RED as a device: {checked.output.splitlines()[-1]}")


def _is_a_device(
    broker: Broker, program: Path, python: Path, directory: Path, stack: ExitStack
) -> None:
    (directory / "sources.toml").write_text(SOURCES.format(port=broker.port))
    (directory / "fleet.csv").write_text(FLEET)
    ops_port = free_port()
    settings = {"VTN__EMBEDDED_PORT": str(free_port()), "OPS__PORT": str(ops_port)}
    imported = Application("fleet", "import", "fleet.csv", cwd=directory, settings=settings)
    assert imported.join() == 0, imported.log
    retained = Retained(broker.port)
    stack.callback(retained.close)
    run = Application("run", cwd=directory, settings=settings)
    stack.callback(run.kill)
    run.wait_for("actuator homes: connected")
    _run_node_red(program, broker.port, directory / "of-the-fleet", stack)
    sent = Application(
        *("event", "send", "--type", "SIMPLE", "--value", "2", "--duration", "PT10M"),
        cwd=directory,
        settings=settings,
    )
    assert sent.join() == 0, sent.log

    def accepted() -> float:
        text = requests.get(f"http://127.0.0.1:{ops_port}/metrics", timeout=10).text
        lines = [line for line in text.splitlines() if line.startswith("ven_orders{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if "accepted" in line)

    wait_until(lambda: accepted() == 1, timeout_s=60)
    wait_until(lambda: len(retained.entities("plug")) == ENTITIES)
    order = retained.of("ven-fleet/Aarhus/plug/desired")
    assert order is not None
    released = Application("fleet", "release", cwd=directory, settings=settings)
    assert released.join() == 0, released.log
    wait_until(lambda: accepted() == 0, timeout_s=60)
    assert run.stop() == 0, run.log
    print("  Node-RED accepted its order, and its release")
    _shown(python, retained.entities("plug"), order)


def _shown(python: Path, entities: dict[str, dict[str, Any]], order: bytes) -> None:
    """By Home Assistant: of an order, of a release, and of an empty message."""
    held = json.loads(order)
    release = json.dumps({**held, "release": True, "setpoint_kw": None})
    read = subprocess.run(
        [str(python), "-c", READS],
        input=json.dumps({"entities": entities, "bodies": [order.decode(), release, ""]}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd="/tmp",
    )
    found = json.loads(read.stdout)
    until, *ended = found.pop("until")
    assert until == held["until"], until
    assert all(datetime.fromisoformat(at) <= datetime.now(UTC) for at in ended), ended
    nothing = ["None"] * 3
    expected = {
        "setpoint_kw": [str(held["setpoint_kw"]), "None", "None"],
        "import_limit_kw": nothing,
        "export_limit_kw": nothing,
        "asked": ["ON", "OFF", "OFF"],
    }
    assert found == expected, found
    print(f"  Home Assistant reads {len(entities)} entities")


def _run_node_red(program: Path, port: int, folder: Path, stack: ExitStack) -> None:
    folder.mkdir()
    flows = folder / "flows.json"
    flows.write_text(json.dumps(_flows(port)))
    (folder / "settings.js").write_text(
        "module.exports = {functionGlobalContext: {}, functionExternalModules: true};\n"
    )
    device = subprocess.Popen(
        [str(program), "-u", str(folder), "-p", str(free_port()), str(flows)],
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    )
    stack.callback(device.wait)
    stack.callback(device.terminate)


def _flows(port: int) -> list[dict[str, object]]:
    """A plug that does what it is asked."""
    topic = "ven-fleet/Aarhus/plug/desired"
    return [
        {"id": "tab", "type": "tab", "label": "plug"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(port),
            "protocolVersion": "5",
            "keepalive": "2",
            "cleansession": True,
        },
        {
            "id": "in",
            "type": "mqtt in",
            "z": "tab",
            "topic": topic,
            "qos": "1",
            "datatype": "buffer",
            "broker": "broker",
            "wires": [["take"]],
        },
        {
            "id": "take",
            "type": "function",
            "z": "tab",
            "func": DEVICE,
            "libs": [{"var": "process", "module": "process"}],
            "wires": [["out"]],
        },
        {
            "id": "out",
            "type": "mqtt out",
            "z": "tab",
            "topic": "",
            "qos": "1",
            "retain": "false",
            "broker": "broker",
            "wires": [],
        },
    ]
