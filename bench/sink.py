"""A VTN for benchmarks, in a process of its own: it parses every report and counts its readings.

It speaks the little HTTP/1.1 that the client under test speaks: kept connections, Content-Length.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

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


class Counts:
    """What was accepted."""

    def __init__(self) -> None:
        self.reports = 0
        self.readings = 0
        self.total_kw = 0.0

    def take(self, body: bytes) -> None:
        """Parse a report and count its readings; raises if it is none."""
        report: dict[str, Any] = orjson.loads(body)
        for resource in report["resources"]:
            for interval in resource["intervals"]:
                self.total_kw += interval["payloads"][0]["values"][0]
                self.readings += 1
        self.reports += 1


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end])
            length = _content_length(head)
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b" ", 2)
        status, answer = b"200 OK", b"[]"
        if method == b"POST":
            self._counts.take(body)
            status, answer = b"201 Created", b'{"id":"r"}'
        elif path.startswith(b"/events"):
            answer = orjson.dumps(EVENTS if b"skip=0" in path else [])
        elif path.startswith(b"/vens/"):
            answer = b'{"id":"v","venName":"v"}'
        elif path == b"/counts":
            answer = orjson.dumps(vars(self._counts))
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(answer), answer)
        )


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve() -> None:
    counts = Counts()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(counts), sock=listener
    )
    print(listener.getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until our parent ends
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
