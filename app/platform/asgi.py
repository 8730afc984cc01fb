"""Serves an ASGI application from a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterable, Container
from pathlib import Path
from typing import Any, Protocol

from app.platform.certificate import ServedCertificate, load_certificate

HEAD_S = 10.0
"""For the head of a request."""
FOR_PROBES = 20
"""Connections beyond the requests that are let in."""
MAX_HANDSHAKES = 300
"""TLS connections that were accepted last; older ones have done what they wanted, or never will."""
TRY_AGAIN_LATER, POLICY_VIOLATION = 1013, 1008
BUSY = 503
MAX_REASON = 60
"""Of a WebSocket's close, which has room for 123 bytes."""


class Listener(Protocol):
    """Where an ASGI application is served."""

    @property
    def is_serving(self) -> bool: ...

    def listen(self) -> None: ...

    def serve(self, application: Any) -> None: ...

    def close(self) -> None: ...


class AsgiServer:
    """Listens on one address. Building it does no I/O.

    `max_requests`: those above, WebSockets included, get 503, but for `always`: paths of probes,
    for which there is always room. `lasts_s`: after that each connection ends, whatever it does.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        name: str,
        certificate: Path | None = None,
        key: Path | None = None,
        max_requests: int,
        always: Container[str] = (),
        head_s: float = HEAD_S,
        lasts_s: float | None = None,
    ) -> None:
        self._address = host, port
        self._certificate = certificate
        self._key = key
        self._name = name
        self._max_requests = max_requests
        self._always = always
        self._head_s = head_s
        self._lasts_s = lasts_s
        self._socket: socket.socket | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def is_serving(self) -> bool:
        return self._thread is not None

    @property
    def port(self) -> int:
        """That was given when 0 was asked for; after `listen`."""
        return self._address[1] if self._socket is None else int(self._socket.getsockname()[1])

    def listen(self) -> None:
        """Take the address; requests that come before `serve` wait.

        OSError: it cannot be had. CertificateError: nor can the certificate be used.
        """
        if self._certificate is not None and self._key is not None:
            load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._certificate, self._key)
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer on a
        # kept connection waits 40 ms for an acknowledgement.
        make = socket.socket if self._certificate is None else _HandshakesBounded
        listener = make(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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

        from app.platform.asgi_protocol import MAX_HEAD_BYTES, make_protocol

        max_connections = self._max_requests + FOR_PROBES
        config = uvicorn.Config(
            _RequestsBounded(application, self._max_requests, self._always),
            log_config=None,
            log_level="error",  # what a stranger sends does not fill the log
            access_log=False,
            lifespan="off",
            timeout_keep_alive=75,
            forwarded_allow_ips="127.0.0.1",  # or uvicorn reads the environment
            timeout_graceful_shutdown=1,
            ssl_certfile=self._certificate,
            ssl_keyfile=self._key,
            loop="auto" if self._certificate is None else "asyncio",  # which calls our `accept`
            http=make_protocol(
                max_connections=max_connections, head_s=self._head_s, lasts_s=self._lasts_s
            ),
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )
        config.load()
        if isinstance(self._socket, _HandshakesBounded):
            self._socket.served = self._served(config.ssl)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name=self._name,
            daemon=True,
        )
        self._thread.start()

    def _served(self, context: ssl.SSLContext | None) -> ServedCertificate | None:
        if context is None or self._certificate is None or self._key is None:
            return None
        return ServedCertificate(context, certificate=self._certificate, key=self._key)

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


async def bounded_body(
    pieces: AsyncIterable[bytes], *, max_bytes: int, max_read_bytes: int
) -> bytes | None:
    """The body of a request; None: it has more than `max_bytes`.

    `max_read_bytes`: how much of that is read: who still sends does not see the answer.
    """
    body, size = bytearray(), 0
    async for piece in pieces:
        size += len(piece)
        if size <= max_bytes:
            body += piece
        elif size > max_read_bytes:
            break
    return bytes(body) if size <= max_bytes else None


class _RequestsBounded:
    """An application that has so many requests at a time; WebSockets count as long as they last."""

    def __init__(self, application: Any, max_requests: int, always: Container[str]) -> None:
        self._application = application
        self._max_requests = max_requests
        self._always = always
        self._requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in self._always:
            await self._answer(scope, receive, send)
        elif self._requests < self._max_requests:
            self._requests += 1
            try:
                await self._answer(scope, receive, send)
            finally:
                self._requests -= 1
        else:
            await refuse(scope, receive, send, BUSY, "too many requests at a time")

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        begun = False

        async def sent(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._application(scope, receive, sent)
        except asyncio.CancelledError:  # the server stops, and this waits for something
            if not begun:
                await refuse(scope, receive, send, BUSY, "the server stops")


async def refuse(scope: Any, receive: Any, send: Any, status: int, why: str) -> None:
    """Answer a request, or close a WebSocket, with a status and a line for people."""
    if scope["type"] == "websocket":
        await receive()
        code = TRY_AGAIN_LATER if status == BUSY else POLICY_VIOLATION
        await send({"type": "websocket.close", "code": code, "reason": why[:MAX_REASON]})
        return
    body = f"{why}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *([(b"retry-after", b"5")] if status == BUSY else ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _HandshakesBounded(socket.socket):
    """A listening socket: of connections that do not finish their TLS handshake, the oldest end,
    and before each one the certificate is looked at.

    Nobody else sees a connection before its handshake is done.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._accepted: deque[socket.socket] = deque()
        self.served: ServedCertificate | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        if self.served is not None:
            self.served.look()
        self._accepted.append(connection)
        while len(self._accepted) > MAX_HANDSHAKES:
            with contextlib.suppress(OSError):  # it has ended long ago
                self._accepted.popleft().shutdown(socket.SHUT_RDWR)
        return connection, address
