"""Which requests the page takes: by the name they ask for, and the site that they come from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.ops.access import Access
from app.ops.token_guard import TokenGuard
from tests.support.fakes import FakeClock


class Inside:
    """What stands behind; says whether it was reached."""

    reached = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        self.reached = True
        await send({"type": "http.response.start", "status": 200, "headers": []})


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
        *("ops.example.org", "OPS.example.org:8443", "localhost.:8080", "ops.example.org."),
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


def test_a_probe_that_names_no_host_is_let_in() -> None:
    assert ask("http")[0]


def test_a_site_that_names_no_host_is_not() -> None:
    reached, sent = ask("http", origin="http://evil.example")

    assert not reached
    assert sent[0]["status"] == 403


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "https://127.0.0.1:9999", "null", "http://127.0.0.1", ""),
        *("http://127.0.0.1:x", "http://me@127.0.0.1:8080", "//127.0.0.1:"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_request_of_another_site_is_refused(kind: str, origin: str) -> None:
    reached, sent = ask(kind, host="127.0.0.1:8080", origin=origin)

    assert not reached
    assert sent[0].get("status", 403) == 403
    assert sent[0].get("code", 1008) == 1008


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("127.0.0.1:80", "http://127.0.0.1"),
        ("ops.example.org:443", "https://OPS.example.org"),
        ("ops.example.org", "https://ops.example.org.:443"),
        ("[::1]", "http://[::1]:80"),
    ],
)
def test_a_request_of_our_own_site_is_let_in(host: str, origin: str) -> None:
    assert ask("websocket", host=host, origin=origin)[0]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_frame_of_another_site_is_refused(site: str) -> None:
    came = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}

    reached, sent = ask("http", host="127.0.0.1:8080", **came)

    assert not reached
    assert sent[0]["status"] == 403


def test_a_link_of_another_site_may_lead_here() -> None:
    came = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }

    assert ask("http", host="127.0.0.1:8080", **came)[0]


def test_nothing_is_shown_inside_another_page() -> None:
    _, sent = ask("http", host="127.0.0.1:8080")

    headers = dict(sent[0]["headers"])
    assert headers[b"x-frame-options"] == b"DENY"
    assert headers[b"content-security-policy"] == b"frame-ancestors 'none'"


class TestGatekeeper:
    """Who is asked for the token, and who knows it."""

    @staticmethod
    def made(token: str | None, *, is_local: bool, clock: FakeClock | None = None) -> TokenGuard:
        return TokenGuard(
            token=token, is_local=is_local, monotonic=(clock or FakeClock()).monotonic
        )

    @pytest.mark.parametrize(
        ("token", "is_local", "through_proxy", "asks"),
        [
            (None, True, False, False),
            (None, True, True, True),
            (None, False, False, True),
            ("hunter2", True, False, True),
            ("hunter2", False, True, True),
        ],
    )
    def test_who_is_asked(
        self, token: str | None, is_local: bool, through_proxy: bool, asks: bool
    ) -> None:
        token_guard = self.made(token, is_local=is_local)

        assert token_guard.asks(through_proxy=through_proxy) is asks

    def test_only_the_token_is_let_in(self) -> None:
        assert self.made("hunter2", is_local=False).accepts("hunter2")
        assert self.made("größer", is_local=False).accepts("größer")
        assert not self.made("hunter2", is_local=False).accepts("hunter1")
        assert not self.made("hunter2", is_local=False).accepts("")

    def test_without_a_token_nobody_is(self) -> None:
        assert not self.made(None, is_local=False).accepts("")

    def test_each_wrong_one_lets_its_address_wait_longer_for_the_answer(self) -> None:
        clock = FakeClock()
        token_guard = self.made("hunter2", is_local=False, clock=clock)

        waits_s = [token_guard.refuse("192.0.2.1") for _ in range(3)]

        assert waits_s == [1, 2, 3]
        clock.advance(seconds=60)
        assert token_guard.refuse("192.0.2.1") == 1

    def test_wrong_ones_hold_up_neither_other_addresses_nor_the_right_one(self) -> None:
        token_guard = self.made("hunter2", is_local=False)
        for _ in range(100):
            token_guard.refuse("192.0.2.1")

        assert token_guard.refuse("192.0.2.2") == 1
        assert token_guard.accepts("hunter2")

    def test_no_answer_waits_longer_than_half_a_minute(self) -> None:
        token_guard = self.made("hunter2", is_local=False)

        assert max(token_guard.refuse("192.0.2.1") for _ in range(100)) == 30
