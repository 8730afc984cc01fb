"""Events that push brings: doubled, out of order, of others, while a poll is under way."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.events import EventStore, PushOutcome
from app.fleet import VEN
from app.openadr import (
    Event,
    Page,
    Program,
    SharedReadings,
    Targets,
    VtnResource,
    VtnVen,
    read_event,
)
from app.platform import Database
from tests.support.fakes import FakeClock
from tests.support.polls import EventsBench, pages_of

NAME = "Aarhus"
MINUTE = "2026-06-01T12:{:02}:00Z"


def event(event_id: str = "e", *, at: int = 0, **fields: Any) -> Event:
    """An event as it was at this minute."""
    wire = {"id": event_id, "programID": "p", "modificationDateTime": MINUTE.format(at), **fields}
    return read_event(wire)


class Vtn:
    """A VTN's answers. `meanwhile` is called while it is asked for the list of events."""

    lists_all_resources = False

    def __init__(self, *events: Event, targets: tuple[str, ...] = ()) -> None:
        self.events_there = {event.event_id: event for event in events}
        self.targets = frozenset(targets)
        self.meanwhile: Callable[[], object] = lambda: None
        self.ven_name = NAME
        self.identity = self

    def ven(self, ven_id: str) -> VtnVen:
        return VtnVen(ven_id=ven_id, ven_name=NAME, targets=self.targets)

    def resources(self, ven_id: str) -> list[VtnResource]:
        del ven_id
        return []

    def programs(self, targets: Targets, shared: SharedReadings) -> list[Page[Program]]:
        del targets, shared
        return []

    def events(self, targets: Targets, shared: SharedReadings) -> list[Page[Event]]:
        del targets, shared
        listed = pages_of(self.events_there.values())
        self.meanwhile()
        return listed

    def event(self, event_id: str) -> Event | None:
        return self.events_there.get(event_id)


@pytest.fixture
def bench(database: Database, clock: FakeClock) -> EventsBench:
    return EventsBench(database, clock)


@pytest.fixture
def events(bench: EventsBench) -> EventStore:
    return bench.store


def sync(bench: EventsBench, vtn: Vtn) -> None:
    bench.sync(VEN(ven_name=NAME, vtn_ven_id="v"), vtn)


def known(events: EventStore) -> dict[str, str]:
    """By id: when each event was changed."""
    return {
        seen.event.event_id: seen.event.raw["modificationDateTime"] for seen in events.of_ven(NAME)
    }


def test_what_is_new_is_taken_and_kept(
    events: EventStore, database: Database, clock: FakeClock
) -> None:
    before = events.revision

    assert events.apply_pushed([(NAME, event())]) == [PushOutcome.TAKEN]

    assert events.revision > before
    assert known(EventsBench(database, clock).store) == {"e": MINUTE.format(0)}


def test_several_for_several_vens_at_once(events: EventStore) -> None:
    outcomes = events.apply_pushed([(NAME, event()), ("Esbjerg", event()), (NAME, event(at=1))])

    assert outcomes == [PushOutcome.TAKEN] * 3
    assert known(events) == {"e": MINUTE.format(1)}
    assert [seen.event.event_id for seen in events.of_ven("Esbjerg")] == ["e"]


@pytest.mark.parametrize(
    ("again", "outcome"),
    [
        (event(at=0, priority=7), PushOutcome.KNOWN),
        (event(at=1), PushOutcome.KNOWN),
        (event(at=1, priority=7), PushOutcome.UNCLEAR),
    ],
    ids=["older", "the same", "another one of the same time"],
)
def test_doubled_or_out_of_order_it_changes_nothing(
    events: EventStore, again: Event, outcome: PushOutcome
) -> None:
    events.apply_pushed([(NAME, event(at=1))])
    before = events.revision

    assert events.apply_pushed([(NAME, again)]) == [outcome]

    assert events.revision == before
    assert known(events) == {"e": MINUTE.format(1)}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_whatever_the_order_the_newest_is_kept(events: EventStore, order: tuple[int, ...]) -> None:
    for at in order:
        events.apply_pushed([(NAME, event(at=at))])

    assert known(events) == {"e": MINUTE.format(3)}


def test_one_that_is_gone_does_not_come_back(bench: EventsBench, events: EventStore) -> None:
    events.apply_pushed([(NAME, event())])
    sync(bench, Vtn())
    assert known(events) == {}

    assert events.apply_pushed([(NAME, event())]) == [PushOutcome.UNCLEAR]
    assert known(events) == {}


def test_a_deletion_that_comes_first_keeps_it_away(events: EventStore) -> None:
    assert events.apply_deleted([NAME, "Esbjerg"], "e") == []

    assert events.apply_pushed([(NAME, event())]) == [PushOutcome.UNCLEAR]
    assert known(events) == {}


def test_a_deletion_concerns_those_who_have_it_and_changes_nothing(events: EventStore) -> None:
    events.apply_pushed([(NAME, event())])

    assert events.apply_deleted([NAME, "Esbjerg"], "e") == [NAME]

    assert known(events) == {"e": MINUTE.format(0)}, "only the VTN can say that it is gone"


def test_one_for_others_is_left_to_the_vtn(bench: EventsBench, events: EventStore) -> None:
    sync(bench, Vtn(targets=("mine",)))

    assert events.apply_pushed([(NAME, event(targets=["theirs"]))]) == [PushOutcome.UNCLEAR]
    assert events.apply_pushed([(NAME, event("f", targets=["mine", "theirs"]))]) == [
        PushOutcome.TAKEN
    ]
    assert known(events) == {"f": MINUTE.format(0)}


def test_one_without_a_date_is_left_to_the_vtn_when_it_is_known(events: EventStore) -> None:
    events.apply_pushed([(NAME, event())])

    undated = read_event({"id": "e", "programID": "p", "priority": 7})
    assert events.apply_pushed([(NAME, undated)]) == [PushOutcome.UNCLEAR]
    assert known(events) == {"e": MINUTE.format(0)}


def test_a_poll_that_began_before_does_not_take_it_away(
    bench: EventsBench, events: EventStore
) -> None:
    vtn = Vtn(event(at=1), event("old"))
    sync(bench, vtn)
    pushed = [(NAME, event(at=2)), (NAME, event("new"))]
    vtn.meanwhile = partial(events.apply_pushed, pushed)

    sync(bench, vtn)

    assert known(events) == {
        "e": MINUTE.format(2),
        "old": MINUTE.format(0),
        "new": MINUTE.format(0),
    }


def test_what_a_poll_finds_counts_more_than_an_older_notification(
    bench: EventsBench, events: EventStore
) -> None:
    sync(bench, Vtn(event(at=1), event("gone", at=1)))
    vtn = Vtn(event(at=3))
    late = [(NAME, event(at=2)), (NAME, event("gone", at=2))]
    vtn.meanwhile = partial(events.apply_pushed, late)

    sync(bench, vtn)

    assert known(events) == {"e": MINUTE.format(3)}


def test_push_does_not_wait_for_a_poll(bench: EventsBench, events: EventStore) -> None:
    vtn = Vtn()
    asked, told = threading.Event(), threading.Event()

    def meanwhile() -> None:
        asked.set()
        assert told.wait(10), "push waits for the poll"

    vtn.meanwhile = meanwhile
    poll = threading.Thread(target=sync, args=(bench, vtn))
    poll.start()
    assert asked.wait(10)

    events.apply_pushed([(NAME, event())])

    told.set()
    poll.join()
    assert known(events) == {"e": MINUTE.format(0)}
