"""Which requests the page takes: by the name they ask for, and the site that they come from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.ops.access import Access
from app.ops.gate import Gatekeeper


class Inside:
    """What stands behind; says whether it was reached."""

    reached = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del scope, receive, send
        self.reached = True


def ask(kind: str, **headers: str) -> tuple[bool, list[Any]]:
    """Whether a request got through, and what was sent instead."""
    inside = Inside()
    access = Access(inside, names=["ops.example.org"])
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": f"{kind}.connect"}

    raw = [(name.encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": kind, "path": "/", "headers": raw}
    asyncio.run(access(scope, receive, send))
    return inside.reached, sent


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8080", "localhost:8080", "[::1]:8080", "10.0.0.7"),
        *("ops.example.org", "OPS.example.org:8443"),
    ],
)
def test_an_address_and_a_known_name_are_let_in(host: str) -> None:
    assert ask("http", host=host)[0]
    assert ask("websocket", host=host)[0]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "a b", "evil@127.0.0.1", "127.0.0.1:x"]
)
def test_another_name_is_not(host: str) -> None:
    reached, sent = ask("http", host=host)

    assert not reached
    assert sent[0]["status"] == 421
    assert b"OPS__NAMES" in sent[1]["body"]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1:9999", "null", "http://127.0.0.1"]
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_request_of_another_site_is_refused(kind: str, origin: str) -> None:
    reached, sent = ask(kind, host="127.0.0.1:8080", origin=origin)

    assert not reached
    assert sent[0].get("status", 403) == 403
    assert sent[0].get("code", 1008) == 1008


def test_a_request_of_our_own_site_is_let_in() -> None:
    assert ask("websocket", host="127.0.0.1:8080", origin="http://127.0.0.1:8080")[0]


@pytest.mark.parametrize(
    ("token", "is_local", "asks", "lets_nobody"),
    [
        (None, True, False, False),
        ("hunter2", True, True, False),
        ("hunter2", False, True, False),
        (None, False, True, True),
    ],
)
def test_who_is_asked_for_the_token(
    token: str | None, is_local: bool, asks: bool, lets_nobody: bool
) -> None:
    gatekeeper = Gatekeeper(token=token, is_local=is_local)

    assert gatekeeper.asks is asks
    assert gatekeeper.lets_nobody is lets_nobody
    assert gatekeeper.admits("hunter2") is (token is not None)
    assert not gatekeeper.admits("hunter1")
    assert not gatekeeper.admits("")
