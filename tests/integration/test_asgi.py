"""Servers on the open internet: connections that ask for nothing come to an end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import requests
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.asgi import AsgiServer
from tests.support.servers import free_port
from tests.support.waiting import wait_until


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that takes three connections at once, each for a short time."""
    made = free_port()
    server = AsgiServer(host="127.0.0.1", port=made, name="test", most_at_once=3, lasts_s=0.3)
    server.listen()
    server.serve(Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))]))
    yield made
    server.close()


def test_connections_that_ask_for_nothing_do_not_keep_others_out_for_long(port: int) -> None:
    def status() -> int:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code

    wait_until(lambda: status() == 200)
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    wait_until(lambda: status() == 503)

    wait_until(lambda: status() == 200)
    for each in idle:
        each.close()
