"""Reports that go as gzip, and what becomes of them where that is not understood."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from app.openadr import NoCredentials, OutcomeUnknown, VtnHttp, VtnRejected
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer, MakeHttp
from tests.support.callers import Caller, make_event
from tests.support.fakes import FakeClock
from tests.support.servers import Answer, ReceivedRequest, Script, ScriptedVtn
from tests.support.workbench import Bench

MakeVtn = Callable[[Script], ScriptedVtn]
REPORT = json.dumps({"reportName": "x" * 2000}).encode()


def is_packed(asked: ReceivedRequest) -> bool:
    return asked.headers.get("Content-Encoding") == "gzip"


def read(asked: ReceivedRequest) -> bytes:
    """The body as it was before it was packed."""
    return gzip.decompress(asked.body) if is_packed(asked) else asked.body


def post(http: VtnHttp, body: bytes = REPORT) -> object:
    return http.post("/reports", auth=NoCredentials(), body=body)


class TestTheVen:
    """`VTN__COMPRESS`."""

    def test_sends_larger_bodies_as_gzip(self, scripted_vtn: MakeVtn, make_http: MakeHttp) -> None:
        vtn = scripted_vtn(lambda _: Answer(201))

        post(make_http(vtn.base_url, compresses=True))

        (asked,) = vtn.asked
        assert is_packed(asked)
        assert read(asked) == REPORT
        assert len(asked.body) < len(REPORT)

    def test_sends_small_ones_as_they_are(self, scripted_vtn: MakeVtn, make_http: MakeHttp) -> None:
        vtn = scripted_vtn(lambda _: Answer(201))

        post(make_http(vtn.base_url, compresses=True), b"{}")

        assert not is_packed(vtn.asked[0])

    @pytest.mark.parametrize("status", [400, 415, 422])
    def test_stops_where_only_the_coding_is_refused(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp, status: int
    ) -> None:
        vtn = scripted_vtn(lambda asked: Answer(status if is_packed(asked) else 201))
        http = make_http(vtn.base_url, compresses=True)

        post(http)
        post(http)

        assert [is_packed(each) for each in vtn.asked] == [True, False, False]
        assert [read(each) for each in vtn.asked] == [REPORT] * 3

    def test_stops_where_the_first_makes_the_vtn_fail(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        vtn = scripted_vtn(lambda asked: Answer(500 if is_packed(asked) else 201))
        http = make_http(vtn.base_url, compresses=True)

        with pytest.raises(OutcomeUnknown):
            post(http)
        post(http)

        assert [is_packed(each) for each in vtn.asked] == [True, False]

    def test_goes_on_where_the_content_is_refused(
        self, scripted_vtn: MakeVtn, make_http: MakeHttp
    ) -> None:
        vtn = scripted_vtn(lambda _: Answer(400))
        http = make_http(vtn.base_url, compresses=True)

        for _ in range(2):
            with pytest.raises(VtnRejected):
                post(http)

        assert [is_packed(each) for each in vtn.asked] == [True, False] * 2


class TestTheEmbeddedVtn:
    """Takes gzip, and nothing else."""

    @staticmethod
    def send(vtn: EmbeddedVtn, ven: Caller, body: bytes, encoding: str) -> int:
        return requests.post(
            f"{vtn.base_url}/reports",
            data=body,
            headers={
                "Authorization": f"Bearer {ven.granted['access_token']}",
                "Content-Type": "application/json",
                "Content-Encoding": encoding,
            },
            timeout=15,
        ).status_code

    @pytest.fixture
    def report(self, bl: Caller) -> bytes:
        event = make_event(bl)
        body: dict[str, Any] = {
            "eventID": event["id"],
            "clientName": "A",
            "reportName": "packed",
            "resources": [],
        }
        return json.dumps(body).encode()

    def test_takes_a_report_as_gzip(self, vtn: EmbeddedVtn, ven: Caller, report: bytes) -> None:
        assert self.send(vtn, ven, gzip.compress(report), "gzip") == 201

        (found,) = ven("GET", "/reports").json()
        assert found["reportName"] == "packed"

    def test_refuses_what_is_not_gzip(self, vtn: EmbeddedVtn, ven: Caller, report: bytes) -> None:
        assert self.send(vtn, ven, report, "gzip") == 400

    def test_refuses_what_ends_too_early(
        self, vtn: EmbeddedVtn, ven: Caller, report: bytes
    ) -> None:
        packed = gzip.compress(report)

        assert self.send(vtn, ven, packed[:-4], "gzip") == 400
        assert self.send(vtn, ven, packed[:5], "gzip") == 400

    def test_refuses_what_it_would_not_read(
        self, vtn: EmbeddedVtn, ven: Caller, report: bytes
    ) -> None:
        twice = gzip.compress(report) + gzip.compress(report)

        assert self.send(vtn, ven, twice, "gzip") == 400

    def test_refuses_another_coding(self, vtn: EmbeddedVtn, ven: Caller, report: bytes) -> None:
        assert self.send(vtn, ven, report, "br") == 415

    def test_unpacks_no_more_than_it_takes(self, vtn: EmbeddedVtn, ven: Caller) -> None:
        bomb = gzip.compress(b" " * (64 << 20))

        assert self.send(vtn, ven, bomb, "gzip") == 413


def test_a_fleet_reports_as_gzip(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    settings = {"embedded_port": vtn.port, "compress": True}
    bench = Bench(make_container(vtn=settings), vtn, clock)
    bench.enrol(resources_per_ven=20)
    bench.tick()

    delivered = bench.manager.generate_reports()

    assert delivered == 3 * 20
    bench.assert_each_once(delivered)
    sent = bench.transport.of("POST", "/reports")
    assert {each.headers.get("Content-Encoding") for each in sent} == {"gzip"}
