"""Readings delivered per second: from `increase_time()` to the VTN's 201, durable store on.

    python -m bench.delivery

Beside it, in turn and against the same sink: (a) a request per reading, with aiohttp and gather;
(b) a report per VEN, built as Python dicts, with `requests`; (c) the same bodies, pre-built, over
plain `http.client`; (d) the same, as prepared requests of `requests`. All with as many connections;
(c) and (d) with the headers that we send.
"""

from __future__ import annotations

import asyncio
import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from dependency_injector import providers

from app.openadr import VtnHttp, make_session, write_instant
from app.openadr.http import VenAuth
from app.platform.timestamps import utc_now
from app.reporting.delivery import RejectedReports
from app.reporting.streams import LossCounters, StreamStore
from bench.fleet import Shape, Sink, fleet, sink
from bench.no_store import NoDatabase, NoFrames
from bench.rows import Row, ratio, table
from bench.sink import EVENT_ID
from containers import Container
from tests.support.certificates import make_certificate

SHAPES = (Shape(287, 46), Shape(1_000, 1_000))
MAX_SINGLE_REQUESTS = 10_000
"""Readings of (a), which takes minutes for a large fleet."""
CONNECTIONS = 4
DELAY_MS = 5.0
"""Of a VTN that takes its time."""
DESCRIPTOR = {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": "READING"}
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GOALS = {
    SHAPES[0]: {"(a)": ">= 12", "(c)": ">= 0.4", "(d)": ">= 1.3", "": ""},
    SHAPES[1]: {"(a)": ">= 50", "(c)": ">= 0.8", "(d)": "", "": ">= 300,000"},
}


class KeepingHttp(VtnHttp):
    """Keeps the bodies of reports, for the other rows; not while it is measured."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.bodies: list[bytes] = []
        self.keeps = True

    def post_for_id(self, path: str, *, auth: VenAuth, body: bytes) -> object:
        if self.keeps:
            self.bodies.append(body)
        return super().post_for_id(path, auth=auth, body=body)


def keeping(container: Container) -> None:
    http: Any = container.openadr.http
    container.openadr.http.override(providers.ThreadSafeSingleton(KeepingHttp, **http.kwargs))


def delivered_per_s(container: Container, ticks: int) -> float:
    """Readings acknowledged per second, by the application."""
    simulator, manager = container.simulator(), container.ven_manager()
    readings = 0
    began_s = time.perf_counter()
    for _ in range(ticks):
        simulator.increase_time()
        readings += manager.generate_reports()
    return readings / (time.perf_counter() - began_s)


def in_threads(shares: Sequence[Any], send: Callable[[Any], None]) -> float:
    """How many seconds it takes to send these shares, each on a thread of its own."""
    threads = [threading.Thread(target=send, args=(share,)) for share in shares if share]
    began_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began_s


def shared(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[number::CONNECTIONS] for number in range(CONNECTIONS)]


def over_http_client(bodies: Sequence[bytes], base_url: str, headers: Mapping[str, str]) -> float:
    host = urlsplit(base_url).netloc

    def send(share: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection(host)
        for body in share:
            connection.request("POST", "/reports", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
        connection.close()

    return in_threads(shared(bodies), send)


def over_requests(bodies: Sequence[bytes], base_url: str, headers: Mapping[str, str]) -> float:
    """Prepared beforehand."""
    with make_session(base_url=base_url, max_connections=CONNECTIONS) as session:
        session.headers.clear()
        prepared = [
            session.prepare_request(
                requests.Request("POST", f"{base_url}/reports", data=body, headers=headers)
            )
            for body in bodies
        ]

        def send(share: Sequence[requests.PreparedRequest]) -> None:
            for each in share:
                assert session.send(each).status_code == 201

        return in_threads(shared(prepared), send)


def as_dicts(powers: Sequence[Sequence[tuple[str, float]]], base_url: str) -> float:
    """A report per VEN, built and sent one after the other on each connection."""
    with make_session(base_url=base_url, max_connections=CONNECTIONS) as session:

        def send(share: Sequence[Sequence[tuple[str, float]]]) -> None:
            for own in share:
                answer = session.post(f"{base_url}/reports", json=report(own))
                assert answer.status_code == 201

        return in_threads(shared(powers), send)


def one_by_one(powers: Sequence[tuple[str, float]], base_url: str) -> float:
    """A request per reading, all at once, as designs with a task per resource do it."""
    import aiohttp

    async def send_all() -> float:
        async with aiohttp.ClientSession() as session:

            async def send(reading: tuple[str, float]) -> None:
                async with session.post(f"{base_url}/reports", json=report([reading])) as answer:
                    await answer.read()
                    assert answer.status == 201

            began_s = time.perf_counter()
            await asyncio.gather(*map(send, powers))
            return time.perf_counter() - began_s

    return asyncio.run(send_all())


def report(powers: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """A report of one instant as a Python dict."""
    period = {"start": write_instant(NOW), "duration": "PT0S"}
    return {
        "eventID": EVENT_ID,
        "clientName": "bench",
        "reportName": "bench",
        "payloadDescriptors": [DESCRIPTOR],
        "resources": [
            {
                "resourceName": name,
                "intervals": [
                    {
                        "id": 0,
                        "intervalPeriod": period,
                        "payloads": [{"type": "READING", "values": [power_kw]}],
                    }
                ],
            }
            for name, power_kw in powers
        ],
    }


def without_store(container: Container) -> None:
    """Let it keep frames, and what is owed, in memory only."""
    container.readings.log.override(providers.Object(NoFrames()))
    nothing: Any = NoDatabase()
    container.streams.store.override(
        StreamStore(database=nothing, clock=utc_now, backlog=container.streams.backlog())
    )
    container.streams.losses.override(LossCounters(nothing))
    container.streams.rejected.override(RejectedReports(nothing))
    duplicates: Any = container.delivery.duplicates
    duplicates.add_kwargs(database=nothing)


def measure(shape: Shape, *, rounds: int, ticks: int) -> list[Row]:
    """All rows, in turn; fails if the sink counted anything else than was sent."""
    figures: dict[str, list[float]] = {name: [] for name in ROWS}
    settings = {"vtn": {"max_connections": CONNECTIONS}}
    with (
        sink() as vtn,
        tempfile.TemporaryDirectory() as directory,
        fleet(
            shape, vtn.base_url, Path(directory) / "stored", prepare=keeping, **settings
        ) as stored,
        fleet(
            shape, vtn.base_url, Path(directory) / "not", prepare=without_store, **settings
        ) as unstored,
    ):
        http = stored.openadr.http()
        delivered_per_s(stored, 1)  # warm
        http.keeps, bodies = False, http.bodies
        headers = vtn.counts()["headers"]
        delivered_per_s(unstored, 1)
        per_tick = shape.resources
        for _ in range(rounds):
            counted = Counted(vtn)
            figures["stored"].append(delivered_per_s(stored, ticks))
            counted.since(ticks * per_tick)
            figures["unstored"].append(delivered_per_s(unstored, ticks))
            counted.since(ticks * per_tick)
            frame = stored.readings.log().last()
            assert frame is not None
            powers = [frame.powers(name) for name in frame.roster.ven_names]
            some = [each for own in powers for each in own][:MAX_SINGLE_REQUESTS]
            of_all = ticks * per_tick
            for name, count, seconds in (
                ("(a)", len(some), one_by_one(some, vtn.base_url)),
                ("(b)", of_all, as_dicts(ticks * powers, vtn.base_url)),
                ("(c)", of_all, over_http_client(ticks * bodies, vtn.base_url, headers)),
                ("(d)", of_all, over_requests(ticks * bodies, vtn.base_url, headers)),
            ):
                figures[name].append(count / seconds)
            counted.since(len(some) + 3 * of_all)
    rows = {
        name: Row(
            section=f"delivery, {shape}",
            name=words,
            values=figures[name],
            unit="readings/s",
            goal=GOALS.get(shape, {}).get("", "") if name == "stored" else "",
        )
        for name, words in ROWS.items()
    }
    return [
        *rows.values(),
        *(
            ratio(
                f"delivery, {shape}",
                f"ratio to {name}",
                rows["stored"],
                rows[name],
                goal=GOALS.get(shape, {}).get(name, ""),
            )
            for name in ("(a)", "(c)", "(d)")
        ),
    ]


ROWS = {
    "stored": "increase_time() to 201, durable store",
    "unstored": "the same without a store",
    "(a)": "(a) a request per reading, aiohttp and gather",
    "(b)": "(b) a report per VEN as dicts, requests",
    "(c)": "(c) the same bodies, pre-built, http.client",
    "(d)": "(d) the same bodies, pre-built, prepared requests",
}


class Counted:
    """What the sink counts, from now on."""

    def __init__(self, vtn: Sink) -> None:
        self._vtn = vtn
        self._readings = vtn.counts()["readings"]

    def since(self, expected: int) -> None:
        """As many readings as these came in since the last look."""
        before, self._readings = self._readings, self._vtn.counts()["readings"]
        counted = self._readings - before
        assert counted == expected, f"the sink counts {counted} readings, not {expected}"


def at_other_vtns(shape: Shape, *, rounds: int, ticks: int) -> list[Row]:
    """The first row again: over TLS, at a VTN that takes its time, and at one that answers with an
    id only, which no VTN does."""
    with tempfile.TemporaryDirectory() as directory:
        own = make_certificate(Path(directory))
        tls = own.certificate, own.key
        found = {
            "the same over TLS": delivered_to(shape, rounds, ticks, tls=tls),
            f"the same at a VTN that answers after {DELAY_MS:g} ms": delivered_to(
                shape, rounds, ticks, delay_ms=DELAY_MS
            ),
            "the same at a VTN that answers ten bytes": delivered_to(
                shape, rounds, ticks, is_short=True
            ),
        }
    section = f"delivery, {shape}"
    return [
        Row(section=section, name=name, values=values, unit="readings/s")
        for name, values in found.items()
    ]


def delivered_to(
    shape: Shape,
    rounds: int,
    ticks: int,
    *,
    delay_ms: float = 0.0,
    tls: tuple[Path, Path] | None = None,
    is_short: bool = False,
) -> list[float]:
    """Readings per second, at a sink like this."""
    settings = {
        "max_connections": CONNECTIONS,
        "verify_tls": True if tls is None else tls[0],
    }
    with (
        sink(delay_ms=delay_ms, tls=tls, is_short=is_short) as vtn,
        tempfile.TemporaryDirectory() as directory,
        fleet(shape, vtn.base_url, Path(directory), vtn=settings) as container,
    ):
        delivered_per_s(container, 1)  # warm
        counted = Counted(vtn)
        found = [delivered_per_s(container, ticks) for _ in range(rounds)]
        counted.since(rounds * ticks * shape.resources)
        return found


def rows(*, rounds: int = 5) -> list[Row]:
    """Both shapes."""
    large, small = SHAPES[1], SHAPES[0]
    return [
        *measure(small, rounds=rounds, ticks=4),
        *at_other_vtns(small, rounds=rounds, ticks=4),
        *measure(large, rounds=rounds, ticks=1),
    ]


if __name__ == "__main__":
    print(table(rows()))
