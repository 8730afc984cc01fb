"""Connections to a broker that confirms, refuses, and comes and goes."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from app.mqtt import BrokerLoop, Login, Session
from app.mqtt.broker import ASKS_REFUSED_AGAIN_AFTER_S
from app.mqtt.session import CONNECT_TIMEOUT_S, FILTERS_AT_ONCE
from app.openadr import BrokerAddress
from tests.support.small_broker import SmallBroker
from tests.support.waiting import wait_until


def test_a_broker_that_does_not_answer_holds_up_no_other(small: SmallBroker) -> None:
    """As many may be silent as there are connectors, less one."""
    loop = BrokerLoop(connectors=2)
    confirmed: list[frozenset[str]] = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        address = BrokerAddress.of(f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        with contextlib.ExitStack() as full:
            for _ in range(2):  # more it does not let in
                waiting = full.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(silent.getsockname())
            for each in (address, small.address):
                loop.add(session_at(each, {"a"}, on_subscribed=confirmed.append))

            wait_until(lambda: frozenset({"a"}) in confirmed, timeout_s=CONNECT_TIMEOUT_S / 2)
        loop.close()


def test_a_filter_that_was_refused_is_asked_for_again_after_a_minute() -> None:
    """Somebody gave us the right to it meanwhile."""
    ahead_s = 0.0
    granted = {"a"}
    broker = SmallBroker(takes=lambda topic: topic in granted)
    loop = BrokerLoop(monotonic=lambda: time.monotonic() + ahead_s)
    confirmed: list[frozenset[str]] = []
    loop.add(session_at(broker.address, {"a", "b"}, on_subscribed=confirmed.append))
    wait_until(lambda: confirmed[-1:] == [{"a"}])

    granted.add("b")
    ahead_s = ASKS_REFUSED_AGAIN_AFTER_S

    wait_until(lambda: confirmed[-1] == {"a", "b"})
    assert broker.subscribes == [["a", "b"], ["b"]]
    loop.close()
    broker.close()


def session_at(address: BrokerAddress, filters: Iterable[str], **told: Any) -> Session:
    """One that needs no login and drops what it hears, where nothing else is said."""
    how: dict[str, Any] = {
        "client_id": "ven",
        "login": Login,
        "on_message": lambda *_: None,
        "on_subscribed": lambda _: None,
        "on_disconnected": lambda _: None,
        **told,
    }
    session = Session(addresses=[address], tls=lambda _: None, refused=lambda _: None, **how)
    session.filters = frozenset(filters)
    return session


class TestOneConnectionForMany:
    """VENs that show the same to the broker share a connection."""

    @pytest.fixture
    def lines(self) -> Iterator[Callable[..., Session]]:
        loop = BrokerLoop(first_pause_s=0.01)

        def connect(broker: SmallBroker, filters: Iterable[str], **told: Any) -> Session:
            session = session_at(broker.address, filters, **told)
            loop.add(session)
            return session

        yield connect
        loop.close()

    def test_many_filters_are_asked_for_in_pieces(
        self, small: SmallBroker, lines: Callable[..., Session]
    ) -> None:
        filters = {f"vens/{number}/events" for number in range(2 * FILTERS_AT_ONCE + 1)}
        confirmed: list[frozenset[str]] = []

        lines(small, filters, on_subscribed=confirmed.append)

        wait_until(lambda: confirmed and confirmed[-1] == filters)
        assert sorted(map(len, small.subscribes)) == [1, FILTERS_AT_ONCE, FILTERS_AT_ONCE]

    def test_a_filter_that_is_refused_does_not_spoil_the_others(
        self, lines: Callable[..., Session]
    ) -> None:
        broker = SmallBroker(takes=lambda each: each != "refused")
        confirmed: list[frozenset[str]] = []

        lines(broker, {"taken", "refused"}, on_subscribed=confirmed.append)

        wait_until(lambda: len(confirmed) == 2)
        assert confirmed[-1] == {"taken"}
        broker.close()

    def test_with_a_new_token_all_begins_anew(
        self, small: SmallBroker, lines: Callable[..., Session]
    ) -> None:
        confirmed: list[frozenset[str]] = []
        logins = iter([Login(renew_at_s=0.0)])

        lines(small, {"a"}, on_subscribed=confirmed.append, login=lambda: next(logins, Login()))

        wait_until(lambda: len(confirmed) == 4)
        assert confirmed == [frozenset(), {"a"}] * 2

    def test_a_defect_of_one_does_not_end_the_others(
        self, small: SmallBroker, lines: Callable[..., Session]
    ) -> None:
        def defect(*given: object) -> None:
            if any(given):
                raise RuntimeError("a defect")

        heard: list[bytes] = []
        lines(small, {"a"}, on_subscribed=defect, client_id="defect-1")
        lines(small, {"a"}, on_message=defect, client_id="defect-2")
        lines(small, {"a"}, on_message=lambda message: heard.append(message.body))
        wait_until(lambda: {"ven", "defect-1", "defect-2"} <= set(small.client_ids))
        wait_until(lambda: len(small.subscribes) >= 3)

        small.publish("a", b"hello")
        small.publish("a", b"again")

        wait_until(lambda: heard == [b"hello", b"again"])
