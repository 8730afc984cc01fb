"""A VTN for benchmarks, in a process of its own: it parses every report and counts its readings.

It speaks the little HTTP/1.1 that the client under test speaks: kept connections, Content-Length.
It enrols whoever comes, and asks everybody for telemetry. It answers a report as the official file
says: with the report itself, and what a VTN adds; `--short`: with an id only.

    python -m bench.sink [--delay-ms 5] [--short] [--shows 100000 1 0]
                         [--certificate FILE --key FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import ssl
import sys
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import orjson

EVENT_ID = "bench-event"
EVENTS = [
    {
        "id": EVENT_ID,
        "programID": "bench-program",
        "reportDescriptors": [
            {"payloadType": "READING", "frequency": 0, "reportIntervals": "OPEN_INTERVALS"}
        ],
    }
]


DATES = {
    "createdDateTime": "2026-06-01T12:00:00Z",
    "modificationDateTime": "2026-06-01T12:00:00Z",
}


HEADERS = (
    b"Server: nginx/1.22.1\r\nDate: %b\r\nContent-Type: application/json\r\n"
    b"Connection: keep-alive\r\nVary: Accept-Encoding\r\n"
    b"Strict-Transport-Security: max-age=31536000\r\n"
)
"""Of every answer, as of a VTN behind a proxy."""


@lru_cache(maxsize=1)
def headers_at(second: int) -> bytes:
    """Made once a second, as servers do."""
    return HEADERS % formatdate(second, usegmt=True).encode()


class Counts:
    """What was accepted."""

    def __init__(self) -> None:
        self.requests = 0
        self.reports = 0
        self.readings = 0
        self.total_kw = 0.0
        self.objects = 0
        """Vens and resources."""
        self.headers: dict[str, str] = {}
        """Of the last report, but for the host and its length."""

    def take(self, body: bytes) -> None:
        """Parse a report and count its readings; raises if it is none."""
        report: dict[str, Any] = orjson.loads(body)
        for resource in report["resources"]:
            for interval in resource["intervals"]:
                self.total_kw += interval["payloads"][0]["values"][0]
                self.readings += 1
        self.reports += 1


class Enrolled:
    """The vens and resources that were created."""

    def __init__(self) -> None:
        self._lists: dict[str, list[dict[str, Any]]] = {"/vens": []}
        """By path, of resources with the ven's id behind it."""

    def add(self, path: str, body: bytes) -> dict[str, Any]:
        made: dict[str, Any] = orjson.loads(body)
        of = path + str(made.get("venID", ""))
        own = self._lists.setdefault(of, [])
        made["id"] = f"{made.get('venID', 'v')}-{len(own)}"
        own.append(made)
        return made

    def page(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        skip, limit = int(query.get("skip", 0)), int(query.get("limit", 50))
        return self._lists.get(path + query.get("venID", ""), [])[skip : skip + limit]


class Shown:
    """Vens that are there from the beginning, with one resource each, or what a number says.

    Each has one of so many targets, or none. What events ask of whom is as the specification says:
    without targets in the query, those that have none.
    """

    def __init__(self, vens: int, resources_per_ven: int, sets: int) -> None:
        self._vens = vens
        self._of_ven = resources_per_ven
        self._sets = sets
        self.events = list(EVENTS)
        self._pages: dict[str, bytes] = {}

    def answer(self, path: str, query: str) -> bytes:
        """A list or an object; those that do not change are written once."""
        if path == "/events":
            return orjson.dumps(self._events(parse_qs(query)))
        target = f"{path}?{query}"
        if target not in self._pages:
            self._pages[target] = orjson.dumps(self._object(path, parse_qs(query)))
        return self._pages[target]

    def _object(self, path: str, query: dict[str, list[str]]) -> Any:
        first, count = int(query.get("skip", ["0"])[0]), int(query.get("limit", ["50"])[0])
        if path == "/vens":
            return [self._ven(each) for each in range(self._vens)[first : first + count]]
        if path.startswith("/vens/"):
            return self._ven(int(path.rpartition("v")[2]))
        if path == "/programs":
            return [{"id": "bench-program", "programName": "bench"}][first:]
        numbers = range(self._vens * self._of_ven)
        if "venID" in query:
            begin = int(query["venID"][0][1:]) * self._of_ven
            numbers = numbers[begin : begin + self._of_ven]
        return [self._resource(each) for each in numbers[first : first + count]]

    def _events(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        targets = set(query.get("targets", ()))
        found = [
            event
            for event in self.events
            if (targets & set(event.get("targets", ())) if targets else not event.get("targets"))
        ]
        return found[int(query.get("skip", ["0"])[0]) :]

    def _targets(self, ven: int) -> dict[str, list[str]]:
        return {"targets": [f"set-{ven % self._sets}"]} if self._sets else {}

    def _ven(self, number: int) -> dict[str, Any]:
        own = {"id": f"v{number}", "venName": f"VEN {number}", "clientID": "bench"}
        return {**own, **DATES, **self._targets(number)}

    def _resource(self, number: int) -> dict[str, Any]:
        ven, place = divmod(number, self._of_ven)
        own = {"id": f"r{number}", "resourceName": f"resource {place}", "venID": f"v{ven}"}
        return {**own, "clientID": "bench", **DATES, **self._targets(ven)}


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(
        self,
        counts: Counts,
        enrolled: Enrolled,
        *,
        delay_s: float,
        is_short: bool,
        shown: Shown | None,
    ) -> None:
        self._shown = shown
        self._is_short = is_short
        self._counts = counts
        self._enrolled = enrolled
        self._delay_s = delay_s
        self._buffer = bytearray()
        self._needs = 0
        """How many bytes the request has that is coming; 0: not known yet."""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            if self._needs > len(self._buffer):
                return
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end])
            length = _content_length(head)
            self._needs = end + 4 + length
            if len(self._buffer) < self._needs:
                return
            self._needs = 0
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        method, target, _ = head.split(b" ", 2)
        parts = urlsplit(target.decode())
        status, answer = b"200 OK", b"[]"
        self._counts.requests += 1
        if self._shown is not None and parts.path != "/counts":
            if method == b"POST":
                self._shown.events.append(orjson.loads(body))
            answer = self._shown.answer(parts.path, parts.query)
        elif method == b"POST":
            status = b"201 Created"
            if parts.path == "/reports":
                self._counts.take(body)
                self._counts.headers = _headers(head)
                answer = b'{"id":"r"}' if self._is_short else as_stored(body)
            else:
                answer = orjson.dumps(self._enrolled.add(parts.path, body))
                self._counts.objects += 1
        elif parts.path == "/events":
            answer = orjson.dumps(EVENTS if "skip=0" in parts.query else [])
        elif parts.path.startswith("/vens/"):
            answer = b'{"id":"v","venName":"v"}'
        elif parts.path in ("/vens", "/resources"):
            answer = orjson.dumps(self._enrolled.page(parts.path, dict(parse_qsl(parts.query))))
        elif parts.path == "/counts":
            answer = orjson.dumps(vars(self._counts))
        assert self._transport is not None
        length = b"Content-Length: %d\r\n\r\n" % len(answer)
        headers = headers_at(int(time.time()))
        whole = b"".join((b"HTTP/1.1 ", status, b"\r\n", headers, length, answer))
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, whole)
        else:
            self._transport.write(whole)


def as_stored(body: bytes) -> bytes:
    """A report with what a VTN adds (3.1.0, `report` with `objectMetadata`)."""
    return body.rstrip()[:-1] + (
        b',"id":"3bb08998b67f4befaa7be14906ae8494","objectType":"REPORT","clientID":"bench",'
        b'"createdDateTime":"2026-06-01T12:00:00Z","modificationDateTime":"2026-06-01T12:00:00Z"}'
    )


def _headers(head: bytes) -> dict[str, str]:
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    found = {name.decode(): value.strip().decode("latin-1") for name, _, value in lines}
    return {
        name: value
        for name, value in found.items()
        if name.lower() not in ("host", "content-length")
    }


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(
    *,
    delay_s: float,
    certificate: str | None,
    key: str | None,
    is_short: bool,
    shown: Shown | None,
) -> None:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    counts, enrolled = Counts(), Enrolled()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(counts, enrolled, delay_s=delay_s, is_short=is_short, shown=shown),
        sock=listener,
        ssl=context,
    )
    print(listener.getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until our parent ends
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--short", action="store_true")
    parser.add_argument(
        "--shows", nargs=3, type=int, metavar=("VENS", "RESOURCES_PER_VEN", "SETS_OF_TARGETS")
    )
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    asked = parser.parse_args()
    asyncio.run(
        serve(
            delay_s=asked.delay_ms / 1000,
            certificate=asked.certificate,
            key=asked.key,
            is_short=asked.short,
            shown=Shown(*asked.shows) if asked.shows else None,
        )
    )
