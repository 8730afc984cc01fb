"""Serves an ASGI application from a thread of this process."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any


class AsgiServer:
    """Listens on one address. Building it does no I/O; OSError from `listen` when it is taken.

    `most_at_once`: connections; those above get 503, and each ends after `lasts_s`, whatever it
    does. None: any number, for any time.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        name: str,
        certificate: Path | None = None,
        key: Path | None = None,
        most_at_once: int | None = None,
        lasts_s: float | None = None,
    ) -> None:
        self._address = host, port
        self._certificate = certificate
        self._key = key
        self._name = name
        self._most_at_once = most_at_once
        self._lasts_s = lasts_s
        self._socket: socket.socket | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def is_serving(self) -> bool:
        return self._thread is not None

    def listen(self) -> None:
        """Take the address; requests that come before `serve` wait."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer on a
        # kept connection waits 40 ms for an acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(self._address)
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
        self._socket = listener

    def serve(self, application: Any) -> None:
        """Answer what comes in, after `listen`."""
        # Here and not above: a process that serves nothing does not pay for it.
        import uvicorn

        config = uvicorn.Config(
            application,
            log_config=None,
            log_level="error",  # what a stranger sends does not fill the log
            access_log=False,
            lifespan="off",
            timeout_keep_alive=75,
            forwarded_allow_ips="127.0.0.1",  # or uvicorn reads the environment
            timeout_graceful_shutdown=1,
            ssl_certfile=self._certificate,
            ssl_keyfile=self._key,
            limit_concurrency=self._most_at_once,
            http="auto" if self._lasts_s is None else _ending_after(self._lasts_s),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name=self._name,
            daemon=True,
        )
        self._thread.start()

    def close(self, timeout_s: float = 1.2) -> None:
        """Stop listening. May be called again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.should_exit = True
            thread.join(timeout_s)
            self._server = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _ending_after(lasts_s: float) -> Any:
    """uvicorn's protocol, but for connections that end: it waits for a request without end."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Ending(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(lasts_s, transport.abort)

    return Ending
