"""Readings delivered per second: from `increase_time()` to the VTN's 201, durable store on.

    make bench

Beside it, in the same run and against the same sink: the same without a store, and the same bodies,
pre-built, over plain `http.client` with as many connections. The rows are measured in turn, and
the median is shown.
"""

from __future__ import annotations

import argparse
import http.client
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from dependency_injector import providers

from app.fleet import sample_fleet
from app.reporting import Outbox, StreamLedger, Tally
from app.settings import Settings
from bench.no_store import NoDatabase, NoFrames
from containers import Container

RESULTS = Path(__file__).with_name("results.txt")


class Sink:
    """The sink's process, and what it has counted."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.base_url = f"http://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/counts")
        counts: dict[str, Any] = orjson.loads(connection.getresponse().read())
        connection.close()
        return counts

    def close(self) -> None:
        self._process.communicate("")


@dataclass(frozen=True)
class Shape:
    """The fleet and the length of the benchmark."""

    vens: int
    resources_per_ven: int
    ticks: int
    rounds: int
    connections: int


def enrol(container: Container, *, vens: int, resources_per_ven: int) -> None:
    """A sample fleet that counts as enrolled, and knows what it is asked."""
    sample = sample_fleet(vens=vens, resources_per_ven=resources_per_ven)
    container.repository().save(sample)
    for name, resources in sample.items():
        ids = {each.resource_name: "r" for each in resources}
        container.repository().approve(name, vtn_ven_id="v", vtn_resource_ids=ids)
    container.ven_manager().poll_events()


@contextmanager
def fleet(
    shape: Shape,
    sink: Sink,
    directory: Path,
    prepare: Callable[[Container], None] = lambda _: None,
) -> Iterator[Container]:
    """The application's real components, enrolled, with the sink as their VTN."""
    container = Container()
    container.settings.override(
        Settings(
            data_dir=directory,
            vtn={
                "base_url": sink.base_url,
                "bearer_token": "bench",
                "max_connections": shape.connections,
            },
        )
    )
    prepare(container)
    enrol(container, vens=shape.vens, resources_per_ven=shape.resources_per_ven)
    yield container
    container.vtn_http().close()
    container.database().close()


class Keeping:
    """A session that keeps the bodies of the reports that it sends, for the other row."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session
        self.bodies: list[bytes] = []

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        if method == "POST":
            self.bodies.append(options["data"])
        return self._session.request(method, url, **options)

    def close(self) -> None:
        self._session.close()


def delivered_per_s(container: Container, ticks: int) -> float:
    """Readings acknowledged per second, by the application."""
    simulator, manager = container.simulator(), container.ven_manager()
    readings = 0
    began_s = time.perf_counter()
    for _ in range(ticks):
        simulator.increase_time()
        readings += manager.generate_reports()
    return readings / (time.perf_counter() - began_s)


def prebuilt_per_s(
    bodies: Sequence[bytes], readings: int, base_url: str, connections: int
) -> float:
    """Readings acknowledged per second, when bodies are only sent."""
    host = urlsplit(base_url).netloc
    shares = [bodies[number::connections] for number in range(connections)]

    def send(share: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection(host)
        for body in share:
            connection.request("POST", "/reports", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
        connection.close()

    threads = [threading.Thread(target=send, args=(share,)) for share in shares if share]
    began_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return readings / (time.perf_counter() - began_s)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Readings per second of each round, by row."""

    stored: list[float]
    unstored: list[float]
    prebuilt: list[float]


def without_store(container: Container) -> None:
    """Let it keep frames, and what is owed, in memory only."""
    container.frames.override(providers.Object(NoFrames()))
    nothing = NoDatabase()
    for provider, name in (
        (container.ledger, StreamLedger),
        (container.tally, Tally),
        (container.outbox, Outbox),
    ):
        provider.override(name(nothing))  # type: ignore[arg-type]
    container.second_looks.add_kwargs(database=nothing)


def measure(shape: Shape) -> Figures:
    """All rows, in turn; fails if the sink counted anything else than was acknowledged."""
    figures = Figures(stored=[], unstored=[], prebuilt=[])
    sink = Sink()
    per_round = shape.vens * shape.resources_per_ven * shape.ticks
    try:
        with (
            tempfile.TemporaryDirectory() as directory,
            fleet(shape, sink, Path(directory) / "stored") as stored,
            fleet(shape, sink, Path(directory) / "not", prepare=without_store) as unstored,
        ):
            keeping = Keeping(stored.http_session())
            stored.http_session.override(keeping)
            for provider in (stored.vtn_http, stored.report_desk, stored.ven_manager):
                provider.reset()
            for container in (stored, unstored):
                delivered_per_s(container, 1)  # warm
            for _ in range(shape.rounds):
                keeping.bodies.clear()
                before = sink.counts()["readings"]
                figures.stored.append(delivered_per_s(stored, shape.ticks))
                figures.unstored.append(delivered_per_s(unstored, shape.ticks))
                assert sink.counts()["readings"] - before == 2 * per_round
                figures.prebuilt.append(
                    prebuilt_per_s(keeping.bodies, per_round, sink.base_url, shape.connections)
                )
                assert sink.counts()["readings"] - before == 3 * per_round
    finally:
        sink.close()
    return figures


def table(shape: Shape, figures: Figures) -> str:
    def row(name: str, values: Sequence[float]) -> str:
        middle, low, high = statistics.median(values), min(values), max(values)
        return f"{name:44} {middle:10,.0f} {low:10,.0f} {high:10,.0f}"

    def ratio(to: Sequence[float]) -> float:
        return statistics.median(a / b for a, b in zip(figures.stored, to, strict=True))

    return "\n".join(
        [
            f"{shape.vens} VENs x {shape.resources_per_ven} resources, {shape.ticks} ticks a round,"
            f" {shape.rounds} rounds, {shape.connections} connections",
            f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            f"{'readings per second':44} {'median':>10} {'min':>10} {'max':>10}",
            row("increase_time() to 201, durable store", figures.stored),
            row("the same without a store", figures.unstored),
            row("the same bodies, pre-built, http.client", figures.prebuilt),
            f"ratio to no store {ratio(figures.unstored):.2f}, to pre-built bodies"
            f" {ratio(figures.prebuilt):.2f} (medians of the rounds)",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vens", type=int, default=287)
    parser.add_argument("--resources-per-ven", type=int, default=46)
    parser.add_argument("--ticks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = vars(parser.parse_args())
    output = given.pop("output")
    shape = Shape(**given)
    text = table(shape, measure(shape))
    print(text)
    output.write_text(text + "\n")


if __name__ == "__main__":
    main()
