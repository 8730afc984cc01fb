"""HTTP sessions that stand in for the real one by overriding its provider."""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3 import HTTPResponse

from app.openadr import make_session


def lost() -> requests.ConnectionError:
    """A connection that breaks after the request was sent."""
    return requests.ConnectionError("the connection broke")


class RecordingSession:
    """The real session; keeps every request that was prepared."""

    def __init__(self, base_url: str) -> None:
        self._session = make_session(base_url=base_url, max_connections=10)
        self._lock = threading.Lock()
        self.requests: list[requests.PreparedRequest] = []

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        response = self._session.request(method, url, **options)
        with self._lock:
            self.requests.append(response.request)
        return response

    def of(self, method: str, path: str) -> list[requests.PreparedRequest]:
        return [
            request
            for request in self.requests
            if request.method == method and urlsplit(str(request.url)).path == path
        ]

    def close(self) -> None:
        self._session.close()


class FaultySession(RecordingSession):
    """The real session, with faults for the next reports that are posted.

    'ok': as it is; 'lost answer': the VTN does the work and its answer is lost; 'lost request':
    the connection breaks before the VTN sees it; a number: the VTN answers with this status and
    does nothing.
    """

    def __init__(self, base_url: str, faults: Iterable[str | int] = ()) -> None:
        super().__init__(base_url)
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
        self.html = False
        """Whether faults come from a proxy, as HTML."""
        self.refusals = 0
        """How many reports were answered with a number."""
        self.refused: dict[str, int] = {}
        """By clientName: the status that answers every report of that VEN."""

    def _answer(self, status: int, method: str, url: str) -> requests.Response:
        response = requests.Response()
        response.status_code = status
        body = io.BytesIO(b'{"title": "a fault of the test"}')
        response.raw = HTTPResponse(body, preload_content=False)
        response.headers["Content-Type"] = "text/html" if self.html else "application/json"
        response.request = requests.Request(method, url).prepare()
        return response

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        if method == "GET" and url.endswith("/reports"):
            client_name = options["params"]["clientName"]
            if self.lookup_status:
                return self._answer(self.lookup_status, method, url)
            if client_name == self.unreadable:
                return self._answer(403, method, url)
        if method == "DELETE" and self.delete_status:
            return self._answer(self.delete_status, method, url)
        if method != "POST" or not url.endswith("/reports"):
            return super().request(method, url, **options)
        with self._lock:
            fault = self.faults.popleft() if self.faults else "ok"
        if len(options["data"]) > self.largest_body_bytes:
            fault = 413
        for ven_name, status in self.refused.items():
            if f'"clientName":"{ven_name}"'.encode() in options["data"]:
                fault = status
        if fault == "lost request":
            raise lost()
        if isinstance(fault, int):
            self.refusals += 1
            return self._answer(fault, method, url)
        response = super().request(method, url, **options)
        if fault == "lost answer":
            response.close()
            raise lost()
        return response
