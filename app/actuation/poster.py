"""Posts that are over in time: what was not sent by then never is."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError

MAX_CONNECT_TIMEOUT_S = 5.0
RESET_WHEN_CLOSED = socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
"""What the kernel has not sent yet is dropped, and not sent by and by."""


class OrderPoster:
    """Posts over kept connections. For one thread. `monotonic`: seconds that never go back."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._connection: Any = None
        """Over which a post is on its way."""
        self._is_cut = False
        self._session = requests.Session()
        adapter = _Adapter(monotonic=monotonic, uses=self._use)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        verify: bool | str,
        timeout_s: float,
        max_bytes: int,
    ) -> tuple[int, bytes]:
        """Status and body of the answer. requests.RequestException, OSError: there is none.

        Names, addresses and TLS have half of `timeout_s`, each silence of the device `timeout_s`,
        and all of it twice that. Redirects are not followed; of the answer, so many bytes are read.
        """
        self._connection, self._is_cut = None, False
        # One that answers in drops is never silent for long.
        deadline = threading.Timer(2 * timeout_s, self._cut)
        deadline.daemon = True
        deadline.start()
        try:
            answer = self._session.post(
                url,
                data=body,
                headers=headers,
                timeout=(min(timeout_s / 2, MAX_CONNECT_TIMEOUT_S), timeout_s),
                verify=verify,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                content = answer.raw.read(max_bytes, decode_content=True)
        finally:
            deadline.cancel()
        if self._is_cut:  # what came until then may look whole
            raise requests.Timeout("the answer did not end in time")
        return answer.status_code, content

    def _use(self, connection: Any) -> None:
        self._connection = connection

    def _cut(self) -> None:
        """End what the other thread waits for."""
        self._is_cut = True
        sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError):  # it is over already
                sock.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    def __init__(self, *, monotonic: Callable[[], float], uses: Callable[[Any], None]) -> None:
        self._of_connections = {"monotonic": staticmethod(monotonic), "uses": staticmethod(uses)}
        super().__init__()

    def init_poolmanager(self, *args: Any, **how: Any) -> None:
        options = [*HTTPConnection.default_socket_options, RESET_WHEN_CLOSED]
        super().init_poolmanager(*args, **how, socket_options=options)
        self.poolmanager.pool_classes_by_scheme = {
            scheme: type(
                pool.__name__,
                (pool,),
                {
                    "ConnectionCls": type(
                        made.__name__, (_TimedConnection, made), self._of_connections
                    )
                },
            )
            for scheme, pool, made in (
                ("http", HTTPConnectionPool, HTTPConnection),
                ("https", HTTPSConnectionPool, HTTPSConnection),
            )
        }


class _TimedConnection:
    """One of urllib3's whose time-out is for all of the connecting: theirs is for each address, and
    the look-up of the name has none. What an order says of its time counts from before."""

    monotonic: Callable[[], float]
    uses: Callable[[Any], None]

    def connect(self: Any) -> None:
        began_s = self.monotonic()
        super().connect()  # type: ignore[misc]  # urllib3's, which is mixed in
        if self.monotonic() - began_s > self.timeout:
            self.close()
            raise ConnectTimeoutError(self, "it took too long")

    def request(self: Any, *args: Any, **how: Any) -> None:
        self.uses(self)
        super().request(*args, **how)  # type: ignore[misc]  # urllib3's, which is mixed in
