"""Messages per second from a broker's queue into the log of measurements.

    python -m bench.mqtt

A Mosquitto that is set up as the documentation says holds messages that were published while nobody
listened; a process of its own subscribes, stores and acknowledges them. Beside it, one as it is
installed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.fleet import Resource, ResourceKind
from bench import child
from bench.fleet import container_of
from bench.rows import Row, table
from tests.support.broker import Broker
from tests.support.mqtt import RawPublisher, sources_at
from tests.support.waiting import wait_until

DEVICES = 1_000
SMALL, LARGE = 300_000, 1_000_000
"""Messages. With the smaller one memory is what it stays: batches are sorted every ten seconds."""
AT_ONCE = 1_000
GIVES_UP_S = 300.0
QUIET_S = 3.0
"""When nothing came for so long, nothing more comes."""


@contextmanager
def subscribed(directory: Path) -> Iterator[Any]:
    """A fleet that listens, until the block ends."""
    container = container_of(
        "http://127.0.0.1:9", directory, sources_file=directory / "sources.toml"
    )
    container.platform.database().open()
    service = container.intake.service()
    service.start()
    try:
        yield container.intake.stats()
    finally:
        container.platform.shutdown().set()
        service.close()
        container.platform.database().close()


def listen(directory: Path, messages: int) -> dict[str, float]:
    """In a process of its own: until all have come, or nothing more does."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    taken, last_s = 0, began_s
    with subscribed(directory) as stats:
        while taken < messages and time.perf_counter() - began_s < GIVES_UP_S:
            time.sleep(0.05)
            now = stats.of("homes").taken
            if now > taken:
                taken, last_s = now, time.perf_counter()
            elif taken and time.perf_counter() - last_s > QUIET_S:
                break
    used_s = time.process_time() - cpu_s
    return {
        "taken": taken,
        "per_s": taken / (last_s - began_s),
        "cpu_us": used_s / max(taken, 1) * 1e6,
        "peak_mb": child.peak_mb(),
    }


def drained(messages: int, *, keeps: bool = True) -> dict[str, float]:
    """What comes of so many that were published while nobody listened."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        broker = Broker(directory / "broker", anonymous=True, keeps=keeps, as_installed=not keeps)
        broker.start()
        try:
            (directory / "sources.toml").write_text(sources_at(broker.port, more='late = "P30D"\n'))
            container = container_of("http://127.0.0.1:9", directory)
            container.platform.database().open()
            container.fleet.repository().save(
                {
                    "Aarhus": [
                        Resource(
                            resource_name=f"m-{number}",
                            kind=ResourceKind.HEAT_PUMP,
                            power_max_kw=10.0,
                            source="homes",
                            device=f"m-{number}",
                        )
                        for number in range(DEVICES)
                    ]
                }
            )
            container.platform.database().close()
            with subscribed(directory) as stats:
                wait_until(lambda: stats.of("homes").away is None)
            publish(broker.port, messages)
            found: dict[str, float] = child.call(
                "bench.mqtt", directory=str(directory), messages=messages
            )
            return found
        finally:
            broker.stop()


def publish(port: int, messages: int) -> None:
    """Each device in turn, a value a second."""
    publisher = RawPublisher(port)
    begin = datetime.now(UTC) - timedelta(seconds=messages // DEVICES + 60)
    for first in range(0, messages, AT_ONCE):
        publisher.publish(
            (
                f"meters/m-{number % DEVICES}",
                b'{"power_kw": %d, "ts": "%s"}'
                % (
                    number % 9,
                    (begin + timedelta(seconds=number // DEVICES)).isoformat().encode(),
                ),
            )
            for number in range(first, min(first + AT_ONCE, messages))
        )
    publisher.close()


def rows(*, messages: Sequence[int] = (SMALL, LARGE), rounds: int = 3) -> list[Row]:
    """From a queue of some, and of many more; and what a broker as installed keeps."""
    small = [drained(messages[0]) for _ in range(rounds)]
    large = drained(messages[1])
    default = drained(min(20_000, messages[0]), keeps=False)
    section = "measurements, MQTT"
    return [
        Row(
            section=section,
            name=f"{messages[0]:,} messages in the queue",
            values=[each["per_s"] for each in small],
            unit="messages/s",
            goal=">= 5,000",
        ),
        Row(
            section=section,
            name=f"{messages[1]:,} messages in the queue",
            values=[large["per_s"]],
            unit="messages/s",
            goal=">= 5,000",
        ),
        Row(
            section=section,
            name="CPU per message",
            values=[each["cpu_us"] for each in small],
            unit="us",
        ),
        Row(
            section=section,
            name=f"peak memory, {messages[1]:,} to {messages[0]:,}",
            values=[large["peak_mb"] / small[0]["peak_mb"]],
            unit="",
            goal="<= 1.1",
        ),
        Row(
            section=section,
            name="taken of what was published",
            values=[large["taken"] / messages[1]],
            unit="",
            goal="1",
        ),
        Row(
            section=section,
            name="the same of 20,000, with Mosquitto as it is installed",
            values=[default["taken"] / min(20_000, messages[0])],
            unit="",
        ),
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        told = child.given()
        child.answer(listen(Path(told["directory"]), told["messages"]))
    else:
        print(table(rows()))
