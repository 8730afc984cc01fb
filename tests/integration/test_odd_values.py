"""What is let in goes into either database: the longest and the oddest values that there are."""

from __future__ import annotations

import json

import pytest

from app.openadr import WireError
from app.openadr.wire import read_event
from app.vens import Removal
from app.vens.removals import A_TICK
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.workbench import RESOURCES, TICK, Bench

pytestmark = pytest.mark.in_process

LONGEST_ID = "x" * 128
ODD = "zero \x00, new line \n, wide \U0001f50c, right to left \u202e"
LONG = "\u00e5" * 10_000
MANY = [ODD, *(f"{number}{LONG}"[:128] for number in range(1000, 1300))]
"""Targets, of which one URL cannot carry all."""


@pytest.fixture
def bench(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock, database_url: str
) -> Bench:
    """On each database."""
    container = make_container(vtn={"embedded_port": vtn.port}, database={"url": database_url})
    made = Bench(container, vtn, clock)
    made.enrol()
    return made


def test_an_event_with_odd_words_is_followed_and_reported(bench: Bench) -> None:
    event_id = bench.ask(
        {"payloadType": "READING", "readingType": "DIRECT_READ", "frequency": 0},
        {"payloadType": LONG, "readingType": ODD},
        eventName=ODD + LONG,
        intervalPeriod={"start": bench.clock.now.isoformat(), "duration": "P9999Y"},
        intervals=[{"id": 0, "payloads": [{"type": LONG, "values": [ODD, LONG]}]}],
    )
    bench.manager.poll_events()
    bench.tick(2)

    bench.manager.generate_reports()

    bench.assert_each_once(2 * TICK)
    assert {report["eventID"] for report in bench.reports()} == {event_id}


def test_odd_words_of_a_refusal_keep_no_report_from_being_set_aside(bench: Bench) -> None:
    bench.transport.problem = json.dumps({"title": ODD, "detail": LONG})
    bench.transport.refused["Aarhus"] = 422
    bench.tick()
    bench.manager.generate_reports()

    (aside,) = bench.container.streams.rejected().reports()

    assert aside.problem.isprintable()
    assert "zero" in aside.problem
    bench.transport.refused.clear()
    bench.tick()
    bench.manager.generate_reports()
    assert bench.waiting() == 0


def test_odd_names_and_targets_of_a_vtns_lists_hold_nothing(bench: Bench) -> None:
    for ven in bench.vtn.store.select("VEN"):
        named = {"objectType": "RESOURCE", "venID": ven["id"], "targets": MANY}
        for name in (ODD, LONG):
            body = {**named, "resourceName": name, "clientID": ven["clientID"]}
            owner = ven["clientID"]
            bench.vtn.store.add("RESOURCE", body, client_id=owner, parent=ven["id"], name=name)
        bench.vtn.store.replace("VEN", ven, {**ven, "targets": MANY})
    bench.manager.poll_events()
    bench.manager.heartbeat()
    bench.tick()

    bench.manager.generate_reports()

    bench.assert_each_once(TICK)
    assert bench.container.events.store().of_ven("Aarhus")[0].granted.ven == set(MANY)


def test_a_ven_of_a_name_that_is_none_is_not_there(bench: Bench) -> None:
    repository = bench.container.fleet.repository()

    assert repository.page_of_summaries(skip=0, limit=1, only=[ODD]) == ([], 0)


@pytest.mark.parametrize("searched", [ODD, LONG, "\x00", "%_\\", "'; DROP TABLE ven; --"])
def test_whatever_is_searched_for_finds_nothing(bench: Bench, searched: str) -> None:
    repository = bench.container.fleet.repository()

    assert repository.page_of_summaries(skip=0, limit=10, search=searched) == ([], 0)


def test_what_is_taken_out_goes_and_comes_back(bench: Bench) -> None:
    repository = bench.container.fleet.repository()
    fleet = {"Aarhus": [resource for _, resource in repository.resources("Aarhus")]}
    removals = bench.container.vens.removals()
    removals.begin(Removal(ven_name="Aalborg"))
    removals.begin(Removal(ven_name="Aarhus"))
    repository.save(fleet)
    bench.clock.advance(seconds=A_TICK.total_seconds())
    bench.manager.heartbeat()
    bench.manager.generate_reports()
    bench.tick()
    bench.manager.generate_reports()

    assert repository.ven_names() == ["Aarhus", "Esbjerg"]
    bench.assert_each_once(TICK - RESOURCES)


@pytest.mark.parametrize("program_id", ["x" * 129, "a\x00b", "", "a b", 7, None, "\ud800"])
def test_a_program_id_that_is_none_is_refused_where_it_is_read(program_id: object) -> None:
    with pytest.raises(WireError, match="no usable programID"):
        read_event({"id": "e1", "programID": program_id})


def test_the_longest_ids_are_read() -> None:
    found = read_event({"id": LONGEST_ID, "programID": LONGEST_ID})

    assert (found.event_id, found.program_id) == (LONGEST_ID, LONGEST_ID)
