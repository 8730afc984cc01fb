"""From an event at the VTN to the devices, and what the orders of a large fleet cost.

    python -m bench.orders

VTN, fleet and Mosquitto on one machine; the devices are a process of its own that answers each
order that is new. They are connected to the broker as one client: what is measured is the fleet.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from app.fleet import Resource, ResourceKind
from app.openadr import read_event
from bench import child, push
from bench.fleet import Shape, container_of, save_enrolled
from bench.rows import Row, table
from containers import Container
from tests.support.broker import Broker

SOURCES = """
[[actuator]]
name = "homes"
type = "mqtt"
url = "mqtt://127.0.0.1:{port}"
"""
LATENCY = Shape(10, 100)
LARGE = Shape(100, 1_000)
EVENTS = 20
STEADY_S = 60.0
"""Each order is written again once in this time, or nearly so."""
QUIET_S = 10.0
GIVES_UP_S = 300.0
LIST = "list"


def members(shape: Shape) -> dict[str, list[Resource]]:
    """Heat pumps that are given orders."""
    return {
        f"ven-{ven}": [
            Resource(
                resource_name=f"pump-{number}",
                kind=ResourceKind.HEAT_PUMP,
                power_max_kw=9.0,
                actuator="homes",
            )
            for number in range(shape.resources_per_ven)
        ]
        for ven in range(shape.vens)
    }


class Devices:
    """Their process: what they hold, and when they heard it, by the clock of the machine."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.orders", orjson.dumps({"port": port}).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def heard(self) -> dict[str, Any]:
        """`asked`, `released`: so many devices; `came_s`: when each heard of an event, by its id;
        since this was asked last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{LIST}\n")
        self._process.stdin.flush()
        found: dict[str, Any] = orjson.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        self._process.communicate("")


def be_devices(port: int) -> None:
    """In a process of its own, until nothing more is to be read."""
    holds: dict[str, bool] = {}
    came_s: dict[str, list[float]] = {}
    seqs: dict[str, int] = {}
    lock, is_ready = threading.Lock(), threading.Event()

    def hear(client: Client, _: Any, message: MQTTMessage) -> None:
        now_s = time.time()
        if not message.payload:
            return
        order = orjson.loads(message.payload)
        with lock:
            if seqs.get(message.topic) != order["seq"]:
                seqs[message.topic] = order["seq"]
                holds[message.topic] = not order["release"]
                if order["event_id"]:
                    came_s.setdefault(order["event_id"], []).append(now_s)
        outcome = f"{message.topic.removesuffix('desired')}outcome"
        client.publish(outcome, b'{"seq": %d, "status": "ACCEPTED"}' % order["seq"], qos=1)

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.max_inflight_messages_set(1_000)
    client.on_connect = lambda client, *_: client.subscribe("ven-fleet/+/+/desired", 1)
    client.on_subscribe = lambda *_: is_ready.set()
    client.on_message = hear
    client.connect("127.0.0.1", port)
    client.loop_start()
    is_ready.wait()
    print("ready", flush=True)
    for _ in sys.stdin:
        with lock:
            asked = sum(holds.values())
            told = {"asked": asked, "released": len(holds) - asked, "came_s": came_s}
            print(orjson.dumps(told).decode(), flush=True)
            came_s = {}
    client.disconnect()
    client.loop_stop()


def latencies_s(shape: Shape, events: int) -> list[float]:
    """Of each event and device: from the VTN's answer to its creation until the order is there."""
    found: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-orders-") as name,
        push.fleet("MQTT", members(shape), Path(name), actuators=SOURCES) as container,
    ):
        devices = Devices(broker_port(container))
        service = container.actuation.service()
        service.start()
        try:
            business = container.openadr.business_logic()
            _until(lambda: container.orders.stats().all()["homes"].away is None)
            for _ in range(events):
                event = business.send(
                    kind="SIMPLE", value="2", start=datetime.now(UTC), duration="PT10M"
                )
                created_s = time.time()
                came_s = _came_s(devices, event["id"], shape.resources)
                found += [each_s - created_s for each_s in came_s]
                business.delete(event["id"])
                _until(lambda: devices.heard()["asked"] == 0)
                _until(lambda: all(order.is_over for order in container.orders.book().orders()))
                threading.Event().wait(push.QUIET_S)
        finally:
            service.close()
            devices.close()
    return found


def broker_port(container: Container) -> int:
    """Where the devices connect, too."""
    port: int | None = container.orders.actuators().all()["homes"].address.port
    assert port is not None
    return port


def _came_s(devices: Devices, event_id: str, count: int) -> list[float]:
    came_s: list[float] = []

    def all_have_it() -> bool:
        came_s.extend(devices.heard()["came_s"].get(event_id, []))
        return len(came_s) >= count

    _until(all_have_it)
    return came_s


@contextmanager
def dispatching(shape: Shape, directory: Path) -> Iterator[tuple[Container, Devices]]:
    """A fleet that gives orders, of which nothing is asked yet."""
    broker = Broker(directory / "broker", anonymous=True, keeps=True)
    broker.start()
    (directory / "sources.toml").write_text(SOURCES.format(port=broker.port))
    container = container_of(
        "http://127.0.0.1:9", directory, sources_file=directory / "sources.toml"
    )
    save_enrolled(container, members(shape))
    devices = Devices(broker.port)
    service = container.actuation.service()
    service.start()
    try:
        _until(lambda: container.orders.stats().all()["homes"].away is None)
        yield container, devices
    finally:
        container.platform.shutdown().set()
        service.close()
        devices.close()
        container.platform.database().close()
        broker.stop()


def large(shape: Shape, *, quiet_s: float = QUIET_S, steady_s: float = STEADY_S) -> dict[str, Any]:
    """What a large fleet's orders cost, from the first event to its end."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-orders-") as name,
        dispatching(shape, Path(name)) as (container, devices),
    ):
        found: dict[str, Any] = {"plan_idle_s": _plans_s(container)}
        found["idle_cpu"] = _cpu_share(quiet_s)
        book, signal = container.orders.book(), container.orders.signal()
        event = read_event(_event("e-1"))
        container.ven_manager().take_events([(name, event) for name in members(shape)])
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        signal.changed()
        _until(lambda: book.counts.issued == shape.resources)
        found["issued_s"] = time.perf_counter() - began_s
        _until(lambda: devices.heard()["asked"] == shape.resources)
        found["heard_s"] = time.perf_counter() - began_s
        _until(lambda: book.counts.accepted == shape.resources)
        found["accepted_s"] = time.perf_counter() - began_s
        found["order_cpu_us"] = (time.process_time() - began_cpu_s) / shape.resources * 1e6
        found["steady_cpu"] = _cpu_share(steady_s)
        found["plan_asked_s"] = _plans_s(container)
        container.ven_manager().take_events(
            [(name, read_event(_event("e-1", intervals=[]))) for name in members(shape)]
        )
        began_s = time.perf_counter()
        signal.changed()
        _until(lambda: devices.heard()["released"] == shape.resources)
        found["released_s"] = time.perf_counter() - began_s
        _until(lambda: book.counts.accepted == 2 * shape.resources)
        found["release_known_s"] = time.perf_counter() - began_s
        found["peak_mb"] = child.peak_mb()
        return found


def _event(event_id: str, **fields: Any) -> dict[str, Any]:
    wire = [{"id": 0, "payloads": [{"type": "SIMPLE", "values": [2]}]}]
    return {
        "id": event_id,
        "programID": "p",
        "modificationDateTime": datetime.now(UTC).isoformat(),
        "intervalPeriod": {"start": datetime.now(UTC).isoformat(), "duration": "PT4H"},
        "intervals": wire,
        **fields,
    }


def _plans_s(container: Container, *, times: int = 5) -> list[float]:
    """Of a plan that changes nothing; the dispatcher's own thread sleeps meanwhile."""
    planner, book = container.actuation.planner(), container.orders.book()
    found = []
    for _ in range(times):
        began_s = time.perf_counter()
        plan = planner.plan({order.key: order for order in book.orders()}, datetime.now(UTC))
        book.change(plan.wanted)
        found.append(time.perf_counter() - began_s)
    return found


def _cpu_share(for_s: float) -> float:
    """Of one core."""
    began_s = time.process_time()
    threading.Event().wait(for_s)
    return (time.process_time() - began_s) / for_s


def _until(holds: Callable[[], bool]) -> None:
    pause, ends_s = threading.Event(), time.monotonic() + GIVES_UP_S
    while not holds():
        if time.monotonic() > ends_s:
            raise TimeoutError("it does not come to an end")
        pause.wait(0.05)


def rows(
    small: Shape = LATENCY,
    shape: Shape = LARGE,
    *,
    events: int = EVENTS,
    quiet_s: float = QUIET_S,
    steady_s: float = STEADY_S,
) -> list[Row]:
    """From the event to the device; and a large fleet."""
    found_s = latencies_s(small, events)
    cost = large(shape, quiet_s=quiet_s, steady_s=steady_s)
    p99_s = statistics.quantiles(found_s, n=100)[-1]

    def row(name: str, value: Any, unit: str, goal: str = "") -> Row:
        values = value if isinstance(value, list) else [value]
        return Row(section="orders", name=name, values=values, unit=unit, goal=goal)

    return [
        row(f"event to device, {small.resources:,} resources", found_s, "s"),
        row("the same, p99", p99_s, "s", "<= 1"),
        row(f"plan of {shape.resources:,}, nothing asked", cost["plan_idle_s"], "s"),
        row("CPU with nothing asked", cost["idle_cpu"] * 100, "% of a core", "~ 0"),
        row("an event: all orders stored", cost["issued_s"], "s"),
        row("an event: all at the devices", cost["heard_s"], "s"),
        row("an event: all acknowledged", cost["accepted_s"], "s"),
        row("CPU for an order and its answer", cost["order_cpu_us"], "us"),
        row("CPU while orders are renewed", cost["steady_cpu"] * 100, "% of a core"),
        row("a plan that changes nothing", cost["plan_asked_s"], "s"),
        row("its end: all devices released", cost["released_s"], "s"),
        row("its end: all acknowledged", cost["release_known_s"], "s"),
        row("peak memory", cost["peak_mb"], "MB"),
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        be_devices(**child.given())
    else:
        print(table(rows()))
