"""One request does not hold the embedded VTN: bodies are bounded, and long ones read aside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from app.asgi import AsgiServer
from app.vtn import EmbeddedVtn
from app.vtn.api import make_api
from app.vtn.objects import Objects
from app.vtn.store import VtnStore
from app.vtn.tokens import Client
from app.vtn.versions import Version
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


class Slow(Objects):
    """Takes as long to create something as the test likes."""

    def __init__(self, store: VtnStore) -> None:
        super().__init__(store, verify=lambda *_: None, changed=lambda _: None)
        self.begun, self.may_end = threading.Event(), threading.Event()

    def create(self, version: Version, kind: str, body: Any, client: Client) -> Any:
        self.begun.set()
        assert self.may_end.wait(10)
        return super().create(version, kind, body, client)


class Anybody:
    """Takes everybody for business logic."""

    def client(self, _: str | None) -> Client:
        scopes = ("read_all", "write_programs", "write_events")
        return Client(client_id="bl", is_ven=False, scopes=frozenset(scopes))


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Slow, str]]:
    """A VTN's objects, and where they are served."""
    store = VtnStore(tmp_path / "vtn.db")
    objects = Slow(store)
    server = AsgiServer(host="127.0.0.1", port=(port := free_port()), name="vtn", max_requests=10)
    server.listen()
    tokens: Any = Anybody()
    server.serve(make_api(objects=objects, tokens=tokens, broker=None))
    yield objects, f"http://127.0.0.1:{port}"
    objects.may_end.set()
    server.close()
    store.close()


def test_others_are_answered_while_a_long_body_is_read(slow: tuple[Slow, str]) -> None:
    objects, url = slow
    program = {"programName": "long", "programLongName": "x" * (65 << 10)}
    with ThreadPoolExecutor() as pool:
        posted = pool.submit(requests.post, f"{url}/programs", json=program, timeout=15)
        assert objects.begun.wait(10)

        answer = requests.get(f"{url}/programs", timeout=5)

        assert answer.json() == []
        objects.may_end.set()
        assert posted.result(10).status_code == 201
