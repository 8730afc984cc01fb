"""Every kind of request that leaves the application is valid against the official file."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import orjson
import pytest

from app.fleet import sample_fleet
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.openapi import OpenApi, official_file
from tests.support.transports import Sent
from tests.support.workbench import Bench

pytestmark = [pytest.mark.in_process, pytest.mark.rest]

KINDS = {
    ("GET", "/auth/server"),
    ("POST", "/auth/token"),
    ("GET", "/programs"),
    ("GET", "/vens"),
    ("GET", "/vens/{venID}"),
    ("POST", "/vens"),
    ("GET", "/resources"),
    ("POST", "/resources"),
    ("GET", "/events"),
    ("GET", "/events/{eventID}"),
    ("GET", "/reports"),
    ("POST", "/reports"),
}


@pytest.fixture(scope="module")
def openapi() -> OpenApi:
    return OpenApi(official_file())


@pytest.fixture
def sent(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> list[Sent]:
    """Every request of a fleet that enrols, polls, reports, and looks up what it lost."""
    container = make_container(vtn={"embedded_port": vtn.port})
    bench = Bench(container, vtn, clock)
    container.fleet.repository().save(sample_fleet(vens=2, resources_per_ven=8))
    bench.manager.enrol()
    bench.ask({"payloadType": "READING"}, {"payloadType": "DEMAND"}, {"payloadType": "USAGE"})
    bench.manager.poll_events()
    bench.tick(3)
    bench.transport.faults.append("lost answer")
    bench.manager.generate_reports()
    bench.ask()
    bench.manager.poll_events()
    bench.manager.heartbeat()
    return bench.transport.requests


def kind_of(request: Sent) -> tuple[str, str]:
    path = urlsplit(str(request.url)).path
    for collection, template in (("/events/", "{eventID}"), ("/vens/", "{venID}")):
        if path.startswith(collection):
            path = collection + template
    return str(request.method), path


def test_every_request_is_valid_and_every_kind_was_sent(
    openapi: OpenApi, sent: list[Sent], vtn: EmbeddedVtn
) -> None:
    assert {kind_of(request) for request in sent} == KINDS

    for request in sent:
        assert openapi.errors(request, vtn.base_url) == [], request.url


def test_the_judge_refuses_what_is_wrong(
    openapi: OpenApi, sent: list[Sent], vtn: EmbeddedVtn
) -> None:
    """The validator would notice: a report whose interval id is no integer."""
    report = next(request for request in sent if kind_of(request) == ("POST", "/reports"))
    body = orjson.loads(report.body or b"")
    body["resources"][0]["intervals"][0]["id"] = "first"
    wrong = replace(report, body=orjson.dumps(body))
    nowhere = replace(report, url=f"{vtn.base_url}/nowhere")

    assert openapi.errors(wrong, vtn.base_url) != []
    assert openapi.errors(nowhere, vtn.base_url) == ["no path /nowhere"]
