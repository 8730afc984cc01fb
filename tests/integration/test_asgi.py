"""Servers that strangers ask: connections that ask for nothing, heads without end, odd upgrades."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.platform.asgi import FOR_PROBES, MAX_HANDSHAKES, AsgiServer
from tests.support.certificates import Certificate
from tests.support.servers import free_port
from tests.support.waiting import wait_until

MAX_REQUESTS = 3
MakePort = Callable[..., int]


class Busy:
    """Requests that last until they are let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.let_go = threading.Event()

    def work(self, _: Request) -> PlainTextResponse:
        self.begun += 1
        assert self.let_go.wait(20)
        return PlainTextResponse("done")


@pytest.fixture
def busy() -> Iterator[Busy]:
    made = Busy()
    yield made
    made.let_go.set()


@pytest.fixture
def serve(busy: Busy) -> Iterator[MakePort]:
    """Servers of three requests at a time, beside their probe; each by its port."""
    made: list[AsgiServer] = []

    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    def make(**settings: Any) -> int:
        port = free_port()
        server = AsgiServer(
            host="127.0.0.1",
            port=port,
            name="test",
            max_requests=MAX_REQUESTS,
            always=("/probe",),
            **settings,
        )
        server.listen()
        routes = [
            Route("/", lambda _: PlainTextResponse("here")),
            Route("/probe", lambda _: PlainTextResponse("alive")),
            Route("/busy", busy.work),
            Route("/echo", echo, methods=["POST"]),
        ]
        server.serve(Starlette(routes=routes))
        made.append(server)
        wait_until(lambda: status(port, "/probe", settings.get("certificate")) == 200)
        return port

    yield make
    for server in made:
        server.close()


def status(port: int, path: str = "/", certificate: Path | None = None) -> int:
    url = f"http{'' if certificate is None else 's'}://127.0.0.1:{port}{path}"
    return requests.get(
        url, timeout=5, verify=True if certificate is None else str(certificate)
    ).status_code


def ended(connection: socket.socket) -> bool:
    """Whether the server has ended it."""
    connection.settimeout(5)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def send(port: int, data: bytes) -> bytes:
    """What the server answers before it ends the connection, or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(data)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            pass
        return answer


class TestConnectionsThatAskForNothing:
    @pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n"], ids=["nothing", "half a head"])
    def test_any_number_of_them_keeps_nobody_out(self, serve: MakePort, sent: bytes) -> None:
        port = serve()
        with ExitStack() as opened:
            oldest, *_ = connections = [
                opened.enter_context(socket.create_connection(("127.0.0.1", port)))
                for _ in range(5 * (MAX_REQUESTS + FOR_PROBES))
            ]
            for connection in connections:
                with suppress(ConnectionError):  # it was ended
                    connection.sendall(sent)

            assert status(port, "/probe") == 200
            assert status(port) == 200
            assert ended(oldest)

    def test_nor_do_those_that_have_asked_and_stay(self, serve: MakePort) -> None:
        port = serve()
        with ExitStack() as opened:
            connections = []
            for _ in range(2 * (MAX_REQUESTS + FOR_PROBES)):
                connection = socket.create_connection(("127.0.0.1", port), timeout=5)
                connections.append(opened.enter_context(connection))
                connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert b" 200 " in connection.recv(1 << 16)

            assert status(port) == 200
            assert ended(connections[0])

    def test_a_body_may_take_longer_than_a_head(self, serve: MakePort) -> None:
        port = serve(head_s=0.2)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
            socket.create_connection(("127.0.0.1", port), timeout=5) as silent,
        ):
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nlo")
            assert ended(silent)  # so that the time for a head has passed
            connection.sendall(b"ng")

            assert b" 200 " in connection.recv(1 << 16)

    @pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n"])
    def test_they_end_soon(self, serve: MakePort, sent: bytes) -> None:
        port = serve(head_s=0.2)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(sent)

            assert ended(connection)

    def test_the_second_head_of_a_connection_has_its_deadline_too(self, serve: MakePort) -> None:
        port = serve(head_s=0.2)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HT")
            connection.settimeout(5)
            assert b"here" in connection.recv(1 << 16) + connection.recv(1 << 16)

            assert ended(connection)

    def test_tls_handshakes_that_never_end_keep_nobody_out(
        self, serve: MakePort, certificate: Certificate
    ) -> None:
        port = serve(certificate=certificate.certificate, key=certificate.key)
        with ExitStack() as opened:
            oldest, *_ = [
                opened.enter_context(socket.create_connection(("127.0.0.1", port)))
                for _ in range(MAX_HANDSHAKES + 10)
            ]

            assert status(port, "/probe", certificate.certificate) == 200
            assert ended(oldest)

    def test_a_connection_may_be_bound_to_end(self, serve: MakePort) -> None:
        port = serve(lasts_s=0.2)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")

            assert ended(connection)


def test_more_requests_than_may_be_are_told_to_come_again_and_probes_are_not(
    serve: MakePort, busy: Busy
) -> None:
    port = serve()
    asking = [threading.Thread(target=status, args=(port, "/busy")) for _ in range(MAX_REQUESTS)]
    for thread in asking:
        thread.start()
    wait_until(lambda: busy.begun == MAX_REQUESTS)

    assert status(port) == 503
    assert status(port, "/probe") == 200

    busy.let_go.set()
    for thread in asking:
        thread.join()
    assert status(port) == 200


def test_a_request_that_waits_while_the_server_stops_is_told_so() -> None:
    begun = threading.Event()

    async def wait(_: Request) -> PlainTextResponse:
        begun.set()
        await asyncio.sleep(60)
        return PlainTextResponse("done")

    server = AsgiServer(host="127.0.0.1", port=(port := free_port()), name="test", max_requests=1)
    server.listen()
    server.serve(Starlette(routes=[Route("/", wait)]))
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(status, port)
        assert begun.wait(5)
        server.close(timeout_s=5)

        assert asked.result(5) == 503


def test_a_head_that_is_too_large_is_refused_and_not_kept(serve: MakePort) -> None:
    port = serve()

    answer = send(port, b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * (70 << 10))

    assert answer.startswith(b"HTTP/1.1 431 ")


def test_what_is_no_http_is_refused(serve: MakePort) -> None:
    assert send(serve(), b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


class TestUpgrade:
    """RFC 9110, 7.8: a server may ignore it, and then the request is as any other."""

    def test_the_body_of_a_request_that_offers_http_2_is_read(self, serve: MakePort) -> None:
        port = serve()
        head = (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\nContent-Length: 5\r\n\r\n"
        )

        answer = send(port, head + b"hello")

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"hello")

    def test_of_curl_http_2(self, serve: MakePort) -> None:
        url = f"http://127.0.0.1:{serve()}/echo"
        body = json.dumps({"readings": list(range(1000))})

        told = subprocess.run(
            ["curl", "--silent", "--http2", "--noproxy", "*", "--data-binary", "@-", url],
            input=body,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )

        assert told.stdout == body


def test_a_certificate_is_served(serve: MakePort, certificate: Certificate) -> None:
    port = serve(certificate=certificate.certificate, key=certificate.key)
    context = ssl.create_default_context(cafile=str(certificate.certificate))

    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
