"""An embedded VTN that is reached without a socket: the same application, called as a function."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

from app.openadr import Answer
from app.vtn import EmbeddedVtn

ANSWERS_WITHIN_S = 10.0
"""As the real transport of a bench; a VTN that does not fails the test."""


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """The loop that every VTN of this process runs on, as a server's would; it ends with it."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="in-process", daemon=True).start()
    return loop


class InProcessServer:
    """Stands in for the server of an ASGI application, and for the transport with it."""

    def __init__(self) -> None:
        self._application: Any = None

    @property
    def is_serving(self) -> bool:
        return self._application is not None

    def listen(self) -> None:
        """There is no address to take."""

    def serve(self, application: Any) -> None:
        """Answer what is sent from now on."""
        self._application = application

    def close(self) -> None:
        """Answer no more."""
        self._application = None

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """As `HttpTransport.send`."""
        if self._application is None:
            raise NewConnectionError(HTTPConnection("127.0.0.1"), "nothing listens")
        answered = self._answered(method, url, headers, body or b"")
        status, found, content = asyncio.run_coroutine_threadsafe(answered, event_loop()).result(
            ANSWERS_WITHIN_S
        )
        return Answer(
            status=status,
            headers=CaseInsensitiveDict(found),
            content=content,
            authorization=headers.get("Authorization"),
        )

    async def _answered(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        sent = {"host": parts.netloc, "content-length": str(len(body)), **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": parts.scheme,
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(n.lower().encode(), v.encode("latin-1")) for n, v in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": (parts.hostname, parts.port),
        }
        status, found, pieces = 0, dict[str, str](), list[bytes]()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                found.update((n.decode(), v.decode("latin-1")) for n, v in message["headers"])
            else:
                pieces.append(message.get("body", b""))

        await self._application(scope, receive, send)
        return status, found, b"".join(pieces)


class InProcessVtn(EmbeddedVtn):
    """The embedded VTN without a socket; `transport` reaches it."""

    def __init__(self, **settings: Any) -> None:
        self.transport = InProcessServer()
        super().__init__(server=self.transport, **settings)
