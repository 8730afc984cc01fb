"""The events of each VEN: kept over restarts, and gone only when the VTN says so."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest

from app.fleet import VEN
from app.openadr import (
    Event,
    Page,
    Program,
    SharedReadings,
    Targets,
    VtnResource,
    VtnUnavailable,
    VtnVen,
    read_event,
)
from app.openadr.wire import read_program
from app.platform import Database
from tests.support.fakes import FakeClock
from tests.support.polls import EventsBench, pages_of

AARHUS = VEN(ven_name="Aarhus", vtn_ven_id="v1")


class FakeClient:
    """A VTN's events in memory: listed ones, and ones that only their id finds."""

    lists_all_resources = False

    def __init__(self, *events: dict[str, Any]) -> None:
        self.identity = self
        self.ven_name = "Aarhus"
        self.listed = list(events)
        self.by_id: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.asked_with: list[Targets] = []
        self.targets: set[str] = set()
        self.fails = False
        self.listed_programs: list[Program] = []

    def ven(self, ven_id: str) -> VtnVen:
        return VtnVen(ven_id=ven_id, ven_name="Aarhus", targets=frozenset(self.targets))

    def resources(self, ven_id: str) -> list[VtnResource]:  # noqa: ARG002
        return []

    def programs(self, targets: Targets, shared: SharedReadings) -> list[Page[Program]]:  # noqa: ARG002
        return pages_of(self.listed_programs)

    def events(self, targets: Targets, shared: SharedReadings) -> list[Page[Event]]:  # noqa: ARG002
        if self.fails:
            raise VtnUnavailable("down")
        self.asked_with.append(targets)
        return pages_of(map(read_event, self.listed))

    def event(self, event_id: str) -> Event | None:
        self.asked.append(event_id)
        return read_event(self.by_id[event_id]) if event_id in self.by_id else None


def event(event_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": event_id, "programID": "p", **fields}


@pytest.fixture
def events(database: Database, clock: FakeClock) -> EventsBench:
    return EventsBench(database, clock)


def sync(events: EventsBench, client: FakeClient) -> list[str]:
    return [seen.event.event_id for seen in events.sync(AARHUS, client)]


def test_an_event_that_is_missing_from_a_list_is_asked_for(events: EventsBench) -> None:
    client = FakeClient(event("e1"), event("e2"))
    sync(events, client)

    client.listed = [event("e1")]
    client.by_id = {"e2": event("e2")}

    assert sync(events, client) == ["e1", "e2"]
    assert client.asked == ["e2"]


def test_only_404_says_that_an_event_is_gone(events: EventsBench) -> None:
    client = FakeClient(event("e1"))
    sync(events, client)
    client.listed = []

    assert sync(events, client) == []
    assert sync(events, client) == []
    assert client.asked == ["e1"], "what is gone is not asked for again"


def test_events_are_kept_over_a_restart_with_their_first_sight(
    events: EventsBench, database: Database, clock: FakeClock
) -> None:
    sync(events, FakeClient(event("e1")))
    clock.advance(hours=1)
    restarted = EventsBench(database, clock)
    client = FakeClient(event("e1", eventName="changed"))

    assert sync(restarted, client) == ["e1"]

    with database.read() as connection:
        ((body, first_seen_us),) = connection.exec_driver_sql(
            "SELECT body, first_seen_us FROM event"
        ).all()
    assert "changed" in body
    assert first_seen_us < clock.now.timestamp() * 1e6 - 3e9


def test_a_vtn_that_fails_changes_nothing(events: EventsBench) -> None:
    client = FakeClient(event("e1"))
    sync(events, client)
    client.fails = True
    with pytest.raises(VtnUnavailable):
        sync(events, client)
    client.fails = False

    assert sync(events, client) == ["e1"]


def test_one_ven_may_be_synced_by_several_threads(events: EventsBench) -> None:
    together = threading.Barrier(2)

    class Slow(FakeClient):
        def events(self, targets: Targets, shared: SharedReadings) -> list[Page[Event]]:
            with suppress(threading.BrokenBarrierError):
                together.wait(0.2)  # both are here at once, if they are let
            return super().events(targets, shared)

    problems: list[Exception] = []

    def use() -> None:
        try:
            sync(events, Slow(event("e1")))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails
            problems.append(error)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []


@pytest.mark.parametrize("change", [{"intervalPeriod": {"start": "soon"}}, {"targets": 5}])
def test_an_event_whose_change_cannot_be_read_is_not_followed_until_it_can(
    events: EventsBench, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    class Unreadable(FakeClient):
        def event(self, event_id: str) -> Event | None:
            return read_event(event(event_id, **change))

    sync(events, FakeClient(event("e1"), event("e2")))

    for _ in range(3):
        assert sync(events, Unreadable(event("e2"))) == ["e2"]
    assert sync(events, FakeClient(event("e1"), event("e2"))) == ["e1", "e2"]

    (line,) = [message for message in caplog.messages if "cannot be read" in message]
    assert "'e1'" in line


def test_targets_that_cannot_be_read_stay_as_they_were(
    events: EventsBench, caplog: pytest.LogCaptureFixture
) -> None:
    class Unreadable(FakeClient):
        def ven(self, ven_id: str) -> VtnVen:
            return VtnVen(ven_id=ven_id, ven_name="Aarhus", targets=None)

    client = FakeClient(event("e1"))
    client.targets = {"north"}
    sync(events, client)

    for _ in range(3):
        sync(events, Unreadable(event("e1")))

    assert events.store.of_ven("Aarhus")[0].granted.ven == {"north"}
    assert caplog.text.count("targets cannot be read and stay as they were") == 1


def test_values_of_a_program_whose_units_cannot_be_read_have_none_that_is_known(
    events: EventsBench, caplog: pytest.LogCaptureFixture
) -> None:
    limit = {"type": "IMPORT_CAPACITY_LIMIT", "values": [5]}
    own = [{"payloadType": "EXPORT_CAPACITY_LIMIT", "units": "KW"}]
    export = {**limit, "type": "EXPORT_CAPACITY_LIMIT"}
    client = FakeClient(event("e1", intervals=[{"payloads": [limit, export]}]))
    client.listed[0]["payloadDescriptors"] = own
    client.listed_programs = [read_program({"id": "p", "payloadDescriptors": "MW"})]

    for _ in range(2):
        (seen,) = events.sync(AARHUS, client)

    assert seen.units["EXPORT_CAPACITY_LIMIT"] == "KW"
    assert seen.units["IMPORT_CAPACITY_LIMIT"] not in ("KW", "KVA", "PERCENT")
    assert caplog.text.count("program p: payloadDescriptors cannot be read") == 1


def test_what_of_an_event_cannot_be_read_is_said_once(
    events: EventsBench, caplog: pytest.LogCaptureFixture
) -> None:
    other = VEN(ven_name="Aalborg", vtn_ven_id="v2")
    client = FakeClient(event("e1", priority="high"))

    for ven in (AARHUS, other, AARHUS):
        events.sync(ven, client)

    (line,) = caplog.messages
    assert "event e1: priority 'high' is none" in line
