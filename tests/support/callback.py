"""A webhook on loopback, with TLS, that answers as a test says."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.certificates import Certificate
from tests.support.servers import Answer, ReceivedRequest, ScriptedVtn


class Callback:
    """Says back what it is asked, and keeps what it is told. `status`: its answer to a POST.

    `may_answer`: while it is clear, it hangs; `drips`: it answers a byte at a time.
    """

    def __init__(self, certificate: Certificate) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self.status = 200
        self.said: str | None = None
        """What it answers to a challenge; None: what it is asked."""
        self.drips = False
        self.challenged = 0
        self.received: list[dict[str, Any]] = []
        self.asked = 0
        """How many notifications have come, also while it hangs."""
        self.tokens: list[str | None] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._server = ScriptedVtn(self._answer, tls=context)

    @property
    def url(self) -> str:
        return f"{self._server.base_url}/callback"

    def _answer(self, asked: ReceivedRequest) -> Answer:
        if asked.method == "GET":
            self.challenged += 1
            echo = asked.query.get("echo", [""])[0]
            said = echo if self.said is None else self.said
            self.may_answer.wait(10)
            return Answer(200, said, content_type="text/plain", drips=self.drips)
        self.asked += 1
        self.may_answer.wait(10)
        self.tokens.append(asked.headers.get("Authorization"))
        if self.status == 200:
            self.received.append(json.loads(asked.body))
        location = {"Location": f"{self.url}/elsewhere"} if self.status == 302 else {}
        return Answer(self.status, {}, headers=location, drips=self.drips)

    def paths(self) -> set[str]:
        """The paths that were asked for."""
        return {asked.path for asked in self._server.asked}

    def calls_at(self, path: str) -> int:
        """How often this path was told something."""
        return len(self._server.of("POST", path))

    def each(self) -> list[tuple[str, dict[str, Any]]]:
        """All that it was told, with the path."""
        posts = [asked for asked in self._server.asked if asked.method == "POST"]
        return [(asked.path, json.loads(asked.body)) for asked in posts]

    def close(self) -> None:
        self.may_answer.set()
        self._server.close()


@contextmanager
def callback(certificate: Certificate) -> Iterator[Callback]:
    made = Callback(certificate)
    try:
        yield made
    finally:
        made.close()
