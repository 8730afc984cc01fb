"""HTTP/1.1 for strangers' clients: heads with a deadline, and no more connections than may be.

With h11 and not httptools, which takes what follows a head with `Upgrade: h2c` for another
protocol: Java's HttpClient and `curl --http2` ask so, and a server may ignore it (RFC 9110, 7.8).
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

BODY_S = 60.0
"""For the rest of a request."""
MAX_HEAD_BYTES = 64 << 10


def make_protocol(
    *, max_connections: int, head_s: float, lasts_s: float | None
) -> type[H11Protocol]:
    """The protocol of one server: at most so many connections, each for at most so long.

    One connection more ends that one which has waited longest for a request of its client; where
    all are at work, itself. `head_s`: for the head of a request, from its first byte; of the first
    request, from the connection. `lasts_s`: after that a connection ends, whatever it does.
    """
    connections: set[BoundedProtocol] = set()
    waiting: OrderedDict[BoundedProtocol, None] = OrderedDict()

    class BoundedProtocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            connections.add(self)
            waiting[self] = None
            self._ends_after(head_s)
            if lasts_s is not None:
                self.loop.call_later(lasts_s, transport.abort)
            if len(connections) > max_connections:
                next(iter(waiting)).transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._leave()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            state = self.conn.their_state
            if self not in connections or self.transport.is_closing():
                return
            if state is h11.IDLE:
                if self._deadline is None:
                    self._ends_after(head_s)
            elif self in waiting:
                del waiting[self]
                self._ends_after(BODY_S if state is h11.SEND_BODY else None)
            elif state is not h11.SEND_BODY:
                self._ends_after(None)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self in connections and self.conn.their_state is h11.IDLE:
                waiting[self] = None
                begun = bool(self.conn.trailing_data[0])
                self._ends_after(head_s if begun else None)  # the keep-alive has its own

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._leave()
            super().handle_websocket_upgrade(event)

        def send_400_response(self, msg: str) -> None:
            error = sys.exc_info()[1]
            if getattr(error, "error_status_hint", 400) != 431:
                super().send_400_response(msg)
                return
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                b"connection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()

        def _ends_after(self, seconds: float | None) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            self._deadline = (
                None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
            )

        def _leave(self) -> None:
            connections.discard(self)
            waiting.pop(self, None)
            self._ends_after(None)

    return BoundedProtocol
