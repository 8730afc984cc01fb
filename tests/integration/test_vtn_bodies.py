"""One request does not hold the embedded VTN: bodies are bounded, and long ones read aside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from app.platform.asgi import AsgiServer
from app.vtn import EmbeddedVtn
from app.vtn.api import make_api
from app.vtn.objects import Objects
from app.vtn.store import MAX_PAGE_CHARACTERS, VtnStore
from tests.support.callers import Caller, make_event
from tests.support.servers import free_port

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MIB = 1 << 20


class TestForms:
    @staticmethod
    def post(vtn: EmbeddedVtn, form: str) -> requests.Response:
        return requests.post(f"{vtn.base_url}/auth/token", data=form, headers=FORM, timeout=5)

    def test_one_with_more_fields_than_anybody_sends_is_no_request(self, vtn: EmbeddedVtn) -> None:
        answer = self.post(vtn, "&".join(["grant_type=client_credentials"] * 21))

        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})

    def test_a_long_one_is_not_read(self, vtn: EmbeddedVtn) -> None:
        assert self.post(vtn, "a=1&" * (3 * MIB)).status_code == 413


class TestBodies:
    def test_a_vens_may_be_less_long_than_business_logics(self, ven: Caller, bl: Caller) -> None:
        event = make_event(bl)
        words = "x" * (5 * MIB)
        report = {"eventID": event["id"], "clientName": "A", "resources": [], "reportName": words}
        price = {"type": "PRICE", "values": [0.25] * (MIB // 2)}
        intervals = [{"id": 0, "payloads": [price]}]

        assert ven("POST", "/reports", report).status_code == 413
        make_event(bl, intervals=intervals)


def test_of_a_million_wrong_values_one_is_told(bl: Caller) -> None:
    """Each told in five ways, they took half a minute."""
    price = {"type": "PRICE", "values": [None] * MIB}

    answer = bl(
        "POST", "/events", {"programID": "p", "intervals": [{"id": 0, "payloads": [price]}]}
    )

    assert answer.status_code == 400
    assert "intervals.0.payloads.0.values.0" in answer.text


class TestPages:
    """A page may be shorter than what was asked for: its objects are bounded, however many."""

    @pytest.mark.parametrize("by_targets", [False, True])
    def test_long_objects_come_a_few_at_a_time(self, tmp_path: Path, *, by_targets: bool) -> None:
        store = VtnStore(tmp_path / "vtn.db")
        each_third = "x" * (MAX_PAGE_CHARACTERS // 3)
        for number in range(5):
            store.add("REPORT", {"number": number, "words": each_third})

        def page(skip: int) -> list[int]:
            accept = (lambda _: True) if by_targets else None
            return [each["number"] for each in store.select("REPORT", accept=accept, skip=skip)]

        assert [page(0), page(2), page(4), page(5)] == [[0, 1], [2, 3], [4], []]
        store.close()

    def test_one_that_is_longer_than_a_page_comes_alone(self, tmp_path: Path) -> None:
        store = VtnStore(tmp_path / "vtn.db")
        for number in range(2):
            store.add("REPORT", {"number": number, "words": "x" * MAX_PAGE_CHARACTERS})

        assert [each["number"] for each in store.select("REPORT")] == [0]
        store.close()


class SlowToRead:
    """A client; who reads its body on a thread waits there until the test lets it go on."""

    client_id = "c"
    scopes = frozenset(("read_all", "read_ven_objects", "write_vens"))

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.kind = "business logic"

    @property
    def is_ven(self) -> bool:
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            return self.kind == "VEN"
        self.begun.set()
        assert self.may_end.wait(10)
        return self.kind == "VEN"


class OneClient:
    """Tokens that are all this client's."""

    def __init__(self, client: SlowToRead) -> None:
        self._client = client

    def client(self, _: str | None) -> SlowToRead:
        return self._client


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[SlowToRead, str, VtnStore]]:
    """A client, where its VTN is, and what that keeps."""
    store = VtnStore(tmp_path / "vtn.db")
    objects = Objects(store, verify=lambda *_: None, changed=lambda _: None)
    client = SlowToRead()
    server = AsgiServer(host="127.0.0.1", port=(port := free_port()), name="vtn", max_requests=10)
    server.listen()
    tokens: Any = OneClient(client)
    server.serve(make_api(objects=objects, tokens=tokens, broker=None))
    yield client, f"http://127.0.0.1:{port}", store
    client.may_end.set()
    server.close()
    store.close()


def test_others_are_answered_while_a_long_body_is_read(
    slow: tuple[SlowToRead, str, VtnStore],
) -> None:
    client, url, _ = slow
    words = {"type": "WORDS", "values": ["x" * (65 << 10)]}
    ven = {
        "objectType": "BL_VEN_REQUEST",
        "clientID": "c",
        "venName": "long",
        "attributes": [words],
    }
    with ThreadPoolExecutor() as pool:
        posted = pool.submit(requests.post, f"{url}/vens", json=ven, timeout=15)
        assert client.begun.wait(10)

        answer = requests.get(f"{url}/vens", timeout=5)

        assert answer.json() == []
        client.may_end.set()
        assert posted.result(10).status_code == 201


def test_what_is_granted_while_a_vens_long_body_is_read_stays(
    slow: tuple[SlowToRead, str, VtnStore],
) -> None:
    client, url, store = slow
    client.kind = "VEN"
    own = {"venName": "long", "clientID": "c"}
    ven = store.add("VEN", own, client_id="c", name="long")
    words = {"type": "WORDS", "values": ["x" * (65 << 10)]}
    body = {"objectType": "VEN_VEN_REQUEST", "venName": "long", "attributes": [words]}
    with ThreadPoolExecutor() as pool:
        put = pool.submit(requests.put, f"{url}/vens/{ven['id']}", json=body, timeout=15)
        assert client.begun.wait(10)
        store.replace("VEN", ven, {**own, "targets": ["granted"]})
        client.may_end.set()

        assert put.result(10).status_code == 200
    now = store.get("VEN", ven["id"])
    assert now is not None
    assert (now["targets"], now["attributes"]) == (["granted"], [words])
