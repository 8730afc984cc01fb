"""OpenADR 3.0.1 behind the same face (openadr.md, 'What 3.0.1 does not have')."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openadr import BusinessLogic, Dialect310
from app.openadr.dialects import MAX_QUERY_CHARACTERS
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.openapi import OpenApi, official_file
from tests.support.transports import Sent
from tests.support.workbench import TICK, Bench

pytestmark = pytest.mark.in_process

BASE = "/openadr3/3.0.1"
CHARACTERS = st.characters(codec="utf-8")


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    port = vtn.port
    made = Bench(make_container(vtn={"embedded_port": port, "api_version": "3.0.1"}), vtn, clock)
    made.enrol()
    return made


@pytest.fixture(scope="module")
def openapi() -> OpenApi:
    return OpenApi(official_file("3.0.1"))


def business(bench: Bench) -> BusinessLogic:
    made: BusinessLogic = bench.container.openadr.business_logic()
    return made


def test_enrolment_and_telemetry(bench: Bench) -> None:
    bench.tick(2)

    assert bench.manager.generate_reports() == 2 * TICK
    bench.assert_each_once(2 * TICK)
    assert all(report["programID"] for report in bench.reports())
    assert bench.container.fleet.repository().summaries()[0].approved == 4


def test_a_report_whose_answer_was_lost_arrives_once(bench: Bench) -> None:
    bench.tick()
    bench.transport.faults.extend(["lost answer"] * 3)
    bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()

    bench.assert_each_once(TICK)


def test_a_target_names_a_ven_or_a_resource_by_its_type(bench: Bench) -> None:
    now = {"start": bench.clock.now.isoformat(), "duration": "PT1H"}
    for targets, level in (
        ([{"type": "VEN_NAME", "values": ["Aarhus"]}], 2),
        ([{"type": "RESOURCE_NAME", "values": ["Aalborg-01-heat-pump"]}], 1),
        ([{"type": "VEN_NAME", "values": ["Elsewhere"]}], 3),
    ):
        (program,) = bench.vtn.store.select("PROGRAM")
        payloads = [{"type": "SIMPLE", "values": [level]}]
        bench.vtn.store.add(
            "EVENT",
            {
                "programID": program["id"],
                "targets": targets,
                "intervalPeriod": now,
                "intervals": [{"id": 0, "payloads": payloads}],
            },
            parent=program["id"],
        )
    bench.manager.poll_events()
    bench.tick()

    frame = bench.container.readings.log().last()
    names = [name for _, names in frame.roster for name in names]
    levels = dict(zip(names, frame.detail.level.tolist(), strict=True))
    assert {level for name, level in levels.items() if name.startswith("Aarhus")} == {2}
    assert [name for name, level in levels.items() if level == 1] == ["Aalborg-01-heat-pump"]
    assert 3 not in levels.values()


def test_reports_on_intervals(bench: Bench) -> None:
    (program,) = bench.vtn.store.select("PROGRAM")
    event = bench.vtn.store.add(
        "EVENT",
        {
            "programID": program["id"],
            "intervalPeriod": {"start": bench.clock.now.isoformat(), "duration": "PT10M"},
            "intervals": [{"id": n, "payloads": []} for n in range(2)],
            "reportDescriptors": [{"payloadType": "USAGE"}],
        },
        parent=program["id"],
    )
    bench.manager.poll_events()
    bench.tick(42)
    bench.manager.generate_reports()

    reports = [report for report in bench.reports() if report["eventID"] == event["id"]]
    assert len(reports) == 3
    assert [report["id"] for report in reports[0]["resources"][0]["intervals"]] == [0, 1]


def test_an_event_from_the_command_line_reaches_one_ven_without_a_grant(bench: Bench) -> None:
    business(bench).send(
        kind="SIMPLE",
        value="3",
        start=bench.clock.now - timedelta(minutes=1),
        duration="PT1H",
        ven_name="Aarhus",
    )
    bench.manager.poll_events()
    bench.tick()

    frame = bench.container.readings.log().last()
    assert set(frame.detail.level[frame.roster.columns("Aarhus")]) == {3}
    assert set(frame.detail.level[frame.roster.columns("Aalborg")]) == {0}


def test_every_request_is_valid(bench: Bench, openapi: OpenApi) -> None:
    bench.tick()
    bench.transport.faults.append("lost answer")
    bench.manager.generate_reports()
    bench.manager.heartbeat()
    base = bench.vtn.base_url + BASE

    sent = [each for each in bench.transport.requests if "/auth/server" not in str(each.url)]

    assert {kind_of(each) for each in sent} >= {
        ("GET", "/programs"),
        ("GET", "/events"),
        ("POST", "/vens"),
        ("POST", "/vens/*/resources"),
        ("GET", "/vens/*/resources"),
        ("GET", "/reports"),
        ("POST", "/reports"),
    }
    for request in sent:
        assert openapi.errors(request, base) == [], request.url
    asked = [parse_qs(urlsplit(str(each.url)).query) for each in sent]
    assert {"targetType": ["VEN_NAME"], "targetValues": ["Aarhus"]}.items() <= max(
        (query for query in asked if "Aarhus" in query.get("targetValues", [])), key=len
    ).items()


def kind_of(request: Sent) -> tuple[str, str]:
    path = urlsplit(str(request.url)).path.removeprefix(BASE)
    parts = path.split("/")
    if len(parts) > 2 and parts[1] == "vens":
        parts[2] = "*"
    return str(request.method), "/".join(parts)


ANSWERS = {
    "/programs": "program",
    "/events": "event",
    "/vens": "ven",
    "/reports": "report",
}


@pytest.mark.parametrize("version", ["3.1.0", "3.0.1"])
def test_what_the_embedded_vtn_answers_is_valid(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock, version: str
) -> None:
    """Against the file, with what no server can satisfy taken out (openadr.md)."""
    judge = OpenApi(official_file(version))
    port = vtn.port
    bench = Bench(make_container(vtn={"embedded_port": port, "api_version": version}), vtn, clock)
    bench.enrol()
    bench.tick()
    bench.manager.generate_reports()
    http = bench.container.openadr.http()
    auth = bench.container.openadr.credentials().auth("Aarhus")

    for path, schema in ANSWERS.items():
        found: list[Any] = http.get(path, auth=auth, params={"clientName": "Aarhus"})
        assert found, path
        for each in found:
            assert judge.answer_errors(schema, orjson.loads(orjson.dumps(each))) == []


@given(st.sets(st.text(CHARACTERS, min_size=1, max_size=128), max_size=200))
def test_all_targets_are_asked_for_in_urls_that_servers_take(targets: set[str]) -> None:
    queries = list(Dialect310().target_queries(frozenset(targets)))

    assert sorted(each for query in queries for each in query["targets"]) == sorted(targets)
    for query in queries:
        assert len(urlencode(query, doseq=True, quote_via=quote)) <= MAX_QUERY_CHARACTERS
