"""SendsRequests with a VTN that stand in for the real one by overriding its provider."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from urllib3.exceptions import ProtocolError

from app.openadr import Answer, HttpTransport, make_session
from app.openadr.http import SendsRequests
from app.vtn import EmbeddedVtn
from tests.support.in_process import InProcessVtn


def lost() -> ProtocolError:
    """A connection that breaks after the request was sent."""
    return ProtocolError("the connection broke")


@dataclass(frozen=True)
class Sent:
    """A request that was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def path_url(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


class RecordingTransport:
    """The real transport, or the one of a VTN in this process; keeps every request."""

    def __init__(self, vtn: EmbeddedVtn) -> None:
        self._transport: SendsRequests
        if isinstance(vtn, InProcessVtn):
            self._transport = vtn.transport
        else:
            session = make_session(base_url=vtn.base_url, max_connections=10)
            self._transport = HttpTransport(session, timeout_s=10.0, verify_tls=True)
        self._lock = threading.Lock()
        self.requests: list[Sent] = []

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        answer = self._transport.send(method, url, headers=headers, body=body)
        with self._lock:
            self.requests.append(Sent(method, url, headers, body))
        return answer

    def of(self, method: str, path: str) -> list[Sent]:
        return [
            sent
            for sent in self.requests
            if sent.method == method and urlsplit(sent.url).path == path
        ]

    def close(self) -> None:
        self._transport.close()


class FaultyTransport(RecordingTransport):
    """The real transport, with faults for the next reports that are posted.

    'ok': as it is; 'lost answer': the VTN does the work and its answer is lost; 'lost request':
    the connection breaks before the VTN sees it; 'defect': the VTN does the work, and we fail over
    its answer; a number: the VTN answers with this status and does nothing.
    """

    def __init__(self, vtn: EmbeddedVtn, faults: Iterable[str | int] = ()) -> None:
        super().__init__(vtn)
        self.faults: deque[str | int] = deque(faults)
        self.largest_body_bytes = 1 << 30
        """A larger body is answered with 413."""
        self.lookup_status = 0
        """What answers a look-up; 0: as it is. After 401 nothing is learned, and the VTN is not
        down."""
        self.delete_status = 0
        """What answers the removal of a report; 0: as it is."""
        self.unreadable = ""
        """The VEN that may not read its own reports."""
        self.problem = '{"title": "a fault of the test"}'
        """What a fault says."""
        self.html = False
        """Whether faults come from a proxy, as HTML."""
        self.instead: Callable[[str, str], Answer | None] = lambda _method, _path: None
        """What answers a request in the place of the VTN, by its method and path; None: the VTN."""
        self.on_report: Callable[[bytes], object] = lambda _: None
        """Called with the body of each report before it is posted."""
        self.refuses: Callable[[dict[str, Any]], bool] | None = None
        """Whether the VTN refuses a report for what is in it."""
        self.refusals = 0
        """How many reports were answered with a number."""
        self.refused: dict[str, int] = {}
        """By clientName: the status that answers every report of that VEN."""

    def _answer(self, status: int, headers: Mapping[str, str]) -> Answer:
        kind = "text/html" if self.html else "application/json"
        return Answer(
            status=status,
            headers={"Content-Type": kind},
            content=self.problem.encode(),
            authorization=headers.get("Authorization"),
        )

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        parts = urlsplit(url)
        instead = self.instead(method, parts.path)
        if instead is not None:
            return instead
        is_of_reports = parts.path.endswith("/reports")
        if method == "GET" and is_of_reports:
            (client_name,) = parse_qs(parts.query)["clientName"]
            if self.lookup_status:
                return self._answer(self.lookup_status, headers)
            if client_name == self.unreadable:
                return self._answer(403, headers)
        if method == "DELETE" and self.delete_status:
            return self._answer(self.delete_status, headers)
        if method != "POST" or not is_of_reports or body is None:
            return super().send(method, url, headers=headers, body=body)
        self.on_report(body)
        with self._lock:
            fault = self.faults.popleft() if self.faults else "ok"
        if len(body) > self.largest_body_bytes:
            fault = 413
        for ven_name, status in self.refused.items():
            if f'"clientName":"{ven_name}"'.encode() in body:
                fault = status
        if self.refuses is not None and self.refuses(orjson.loads(body)):
            fault = 422
        if fault == "lost request":
            raise lost()
        if isinstance(fault, int):
            self.refusals += 1
            return self._answer(fault, headers)
        answer = super().send(method, url, headers=headers, body=body)
        if fault == "lost answer":
            raise lost()
        if fault == "defect":
            raise RuntimeError("a defect of ours")
        return answer
