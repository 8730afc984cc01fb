"""The sample fleet at a counting VTN, with time in our hands, and what the process takes."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from urllib3.exceptions import ConnectTimeoutError

from app.openadr import Answer, HttpTransport
from app.settings.model import Settings
from bench.fleet import Shape, Sink, seed
from containers import Container
from tests.support.wiring import provider

VENS, RESOURCES = 10, 20
TICK = VENS * RESOURCES
TICK_S, REPORTS_S = 30, 15
NEVER_H = 9_999


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, tzinfo=UTC)
        self._passed_s = 0.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self._passed_s

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._passed_s += seconds


class Line:
    """The transport to the VTN; nothing gets through while it is cut."""

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport
        self.cut = False

    def send(self, method: str, url: str, **request: Any) -> Answer:
        if self.cut:
            raise ConnectTimeoutError("the line is cut")
        return self._transport.send(method, url, **request)

    def close(self) -> None:
        self._transport.close()


@dataclass(frozen=True)
class Footprint:
    """What the process takes now."""

    memory_mib: float
    threads: int
    vtn_sockets: int
    """And those that listen; the VTN is given as many connections as it answers."""
    database_files: int
    """Two for each pooled connection, and what connections beyond the pool have left open."""
    other_files: int
    database_kib: int

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:,.1f}" for name, value in asdict(self).items())


class Fleet:
    """The whole application at work; its tasks run when the time of the test says so."""

    def __init__(
        self, container: Container, sink: Sink, clock: Clock, line: Line, directory: Path
    ) -> None:
        self.container = container
        self._sink = sink
        self._scheduler = container.scheduler()
        self.clock = clock
        self.line = line
        self._directory = directory
        self.ticks = 0

    def run(self, seconds: int, each: Callable[[], None] = lambda: None) -> int:
        """Let so many seconds pass; the readings that the VTN got meanwhile."""
        before = self._sink.counts()["readings"]
        for passed_s in range(0, seconds, REPORTS_S):
            if passed_s % TICK_S == 0:
                self.tick()
                self._run("poll_events")
            self._run("generate_reports")
            if passed_s % 300 == 0:
                self._run("heartbeat")
                self._run("resource_status_checker")
            self.clock.advance(REPORTS_S)
            each()
        return int(self._sink.counts()["readings"] - before)

    def tick(self) -> None:
        """Meter once."""
        self._run("simulate_meterdata")
        self.ticks += 1

    def begin(self, task: str) -> Future[bool]:
        """Run a task beside us."""
        return self._scheduler.run_now(task)

    def _run(self, task: str) -> None:
        self.begin(task).result()

    def footprint(self) -> Footprint:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = ("fleet.db", "fleet.db-wal")
        open_files = list(_open_files())
        return Footprint(
            memory_mib=pages * os.sysconf("SC_PAGESIZE") / (1 << 20),
            threads=threading.active_count(),
            vtn_sockets=sum(file.startswith("socket:") for file in open_files),
            database_files=sum("/fleet.db" in file for file in open_files),
            other_files=sum(
                not file.startswith("socket:") and "/fleet.db" not in file for file in open_files
            ),
            database_kib=sum((self._directory / name).stat().st_size for name in files) >> 10,
        )


def _open_files() -> Iterator[str]:
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one of the listing itself
            yield os.readlink(f"/proc/self/fd/{number}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(sink: Sink, directory: Path) -> Iterator[Fleet]:
    """The application with the sample fleet, enrolled, and with the sink as its VTN."""
    clock = Clock()
    container = Container()
    container.settings.override(
        Settings(
            data_dir=directory,
            vtn={"base_url": sink.base_url, "bearer_token": "soak"},
            ops={"port": free_port()},
            tasks={name: {"hours": NEVER_H} for name in Container.scheduled_tasks.kwargs},
        )
    )
    container.platform.clock.override(clock)
    container.platform.monotonic.override(clock.monotonic)
    line = Line(container.openadr.transport())
    container.openadr.transport.override(line)
    provider(container, "openadr.http").add_kwargs(backoff_s=0.0)
    seed(container, Shape(VENS, RESOURCES))
    application = container.application()
    application.start()
    fleet = Fleet(container, sink, clock, line, directory)
    fleet.ticks = 1  # the first one is taken at the start
    clock.advance(TICK_S)
    yield fleet
    application.stop()
