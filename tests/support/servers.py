"""Servers for tests: free ports, and a VTN that answers as it is told."""

from __future__ import annotations

import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

FIRST_PORT, LAST_PORT = 20_000, 32_000
"""Below those that systems give to outgoing connections, which would take one meanwhile."""
_ports = count(random.SystemRandom().randrange(LAST_PORT - FIRST_PORT))


def free_port() -> int:
    """A port that nobody listens on, and that this process does not give again soon."""
    for number in _ports:
        port = FIRST_PORT + number % (LAST_PORT - FIRST_PORT)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("ports never end")


@dataclass
class ReceivedRequest:
    """A request as the server saw it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What the server answers; `broken`: it closes the connection instead; `drips`: slowly."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    broken: bool = False
    drips: bool = False


Script = Callable[[ReceivedRequest], Answer]


def in_turn(*answers: Answer) -> Script:
    """These answers, one after the other; the last one stays."""
    numbers = count()
    return lambda _: answers[min(next(numbers), len(answers) - 1)]


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Silent: clients that give up are part of the tests."""


class ScriptedVtn:
    """An HTTP server on loopback whose answers a test writes; it keeps what it was asked."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.asked: list[ReceivedRequest] = []
        vtn = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                parts = urlsplit(self.path)
                asked = ReceivedRequest(
                    self.command,
                    parts.path,
                    parse_qs(parts.query),
                    dict(self.headers.items()),
                    self.rfile.read(length),
                )
                vtn.asked.append(asked)
                answer = vtn.script(asked)
                if answer.broken:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                text = answer.body
                body = text.encode() if isinstance(text, str) else json.dumps(text).encode()
                self.send_response_only(answer.status)
                self.send_header("Date", answer.headers.get("Date", self.date_time_string()))
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(body)))
                for name, value in answer.headers.items():
                    if name != "Date":
                        self.send_header(name, value)
                self.end_headers()
                for place in range(len(body)) if answer.drips else ():
                    self.wfile.write(body[place : place + 1])
                    self.wfile.flush()
                    time.sleep(0.1)
                self.wfile.write(b"" if answer.drips else body)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names
            do_CONNECT = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Silent."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        scheme = "http"
        if tls is not None:
            scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.base_url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def of(self, method: str, path: str) -> list[ReceivedRequest]:
        """What was asked of this path."""
        return [asked for asked in self.asked if (asked.method, asked.path) == (method, path)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
