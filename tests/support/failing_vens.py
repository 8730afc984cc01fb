"""A transport to a VTN that fails some VENs, in every way that real ones do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import orjson
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ReadTimeoutError

from app.openadr import Answer
from app.vtn import EmbeddedVtn
from tests.support.transports import RecordingTransport

HTML = b"<html><body>no</body></html>"
FAULTS: Mapping[str, tuple[int, bytes, str]] = {
    "500": (500, b'{"title": "a fault"}', "application/json"),
    "401": (401, b'{"title": "a fault"}', "application/json"),
    "401 as HTML": (401, HTML, "text/html"),
    "403": (403, b'{"title": "a fault"}', "application/json"),
    "404": (404, b'{"title": "a fault"}', "application/json"),
    "429": (429, b'{"title": "a fault"}', "application/json"),
    "not JSON": (200, b"ok", "text/plain"),
    "HTML": (200, HTML, "text/html"),
}
TIME_OUT = "time-out"


class FailingVens(RecordingTransport):
    """The real transport; what `failing` VENs ask for meets their fault.

    Each VEN has the client id that is its name. A time-out lasts `timeout_s`.
    """

    def __init__(self, vtn: EmbeddedVtn, *, timeout_s: float) -> None:
        super().__init__(vtn)
        self._clients: dict[str, str] = {}
        """Whose each token is."""
        self.timeout_s = timeout_s
        self.failing: dict[str, str] = {}
        """By VEN: its fault."""
        self.waits = threading.Event()
        """Ends the time-outs that are under way when it is set."""
        self.answered: Counter[tuple[str, str, str]] = Counter()
        """(VEN, method, path) of what was answered as it should."""

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        path = urlsplit(url).path
        ven_name = self._clients.get(headers.get("Authorization", ""), "")
        fault = self.failing.get(ven_name)
        if fault is None:
            answer = super().send(method, url, headers=headers, body=body)
            if path == "/auth/token":
                token = orjson.loads(answer.content)["access_token"]
                (client_id,) = parse_qs((body or b"").decode())["client_id"]
                self._clients[f"Bearer {token}"] = client_id
            with self._lock:
                self.answered[ven_name, method, path] += 1
            return answer
        if fault == TIME_OUT:
            self.waits.wait(self.timeout_s)
            raise ReadTimeoutError(HTTPConnectionPool("127.0.0.1"), url, "no answer")
        status, content, kind = FAULTS[fault]
        return Answer(
            status=status,
            headers={"Content-Type": kind},
            content=content,
            authorization=headers.get("Authorization"),
        )
