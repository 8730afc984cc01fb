"""Events that push brings: doubled, out of order, of others, while a poll is under way."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.events import EventBook, Told
from app.fleet import VEN
from app.openadr import Event, Program, Targets, VtnResource, VtnVen, read_event
from app.platform import Database
from tests.support.events import book_of
from tests.support.fakes import FakeClock

NAME = "Aarhus"
MINUTE = "2026-06-01T12:{:02}:00Z"


def event(event_id: str = "e", *, at: int = 0, **fields: Any) -> Event:
    """An event as it was at this minute."""
    wire = {"id": event_id, "programID": "p", "modificationDateTime": MINUTE.format(at), **fields}
    return read_event(wire)


class Vtn:
    """A VTN's answers. `meanwhile` is called while it is asked for the list of events."""

    def __init__(self, *events: Event, targets: tuple[str, ...] = ()) -> None:
        self.events_there = {each.event_id: each for each in events}
        self.targets = frozenset(targets)
        self.meanwhile: Callable[[], object] = lambda: None
        self.ven_name = NAME

    def ven(self, ven_id: str) -> VtnVen:
        return VtnVen(ven_id=ven_id, ven_name=NAME, targets=self.targets)

    def resources(self, ven_id: str) -> list[VtnResource]:
        del ven_id
        return []

    def programs(self, targets: Targets) -> list[Program]:
        del targets
        return []

    def events(self, targets: Targets) -> list[Event]:
        del targets
        listed = list(self.events_there.values())
        self.meanwhile()
        return listed

    def event(self, event_id: str) -> Event | None:
        return self.events_there.get(event_id)


@pytest.fixture
def book(database: Database, clock: FakeClock) -> EventBook:
    return book_of(database, clock)


def sync(book: EventBook, vtn: Vtn) -> None:
    book.sync(VEN(ven_name=NAME, vtn_ven_id="v"), vtn)


def known(book: EventBook) -> dict[str, str]:
    """By id: when each event was changed."""
    return {
        each.event.event_id: each.event.raw["modificationDateTime"] for each in book.of_ven(NAME)
    }


def test_what_is_new_is_taken_and_kept(
    book: EventBook, database: Database, clock: FakeClock
) -> None:
    before = book.revision

    assert book.told([(NAME, event())]) == [Told.TAKEN]

    assert book.revision > before
    assert known(book_of(database, clock)) == {"e": MINUTE.format(0)}


def test_several_for_several_vens_at_once(book: EventBook) -> None:
    outcomes = book.told([(NAME, event()), ("Esbjerg", event()), (NAME, event(at=1))])

    assert outcomes == [Told.TAKEN] * 3
    assert known(book) == {"e": MINUTE.format(1)}
    assert [each.event.event_id for each in book.of_ven("Esbjerg")] == ["e"]


@pytest.mark.parametrize(
    ("again", "outcome"),
    [
        (event(at=0, priority=7), Told.KNOWN),
        (event(at=1), Told.KNOWN),
        (event(at=1, priority=7), Told.UNCLEAR),
    ],
    ids=["older", "the same", "another one of the same time"],
)
def test_doubled_or_out_of_order_it_changes_nothing(
    book: EventBook, again: Event, outcome: Told
) -> None:
    book.told([(NAME, event(at=1))])
    before = book.revision

    assert book.told([(NAME, again)]) == [outcome]

    assert book.revision == before
    assert known(book) == {"e": MINUTE.format(1)}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_whatever_the_order_the_newest_is_kept(book: EventBook, order: tuple[int, ...]) -> None:
    for at in order:
        book.told([(NAME, event(at=at))])

    assert known(book) == {"e": MINUTE.format(3)}


def test_one_that_is_gone_does_not_come_back(book: EventBook) -> None:
    book.told([(NAME, event())])
    sync(book, Vtn())
    assert known(book) == {}

    assert book.told([(NAME, event())]) == [Told.UNCLEAR]
    assert known(book) == {}


def test_a_deletion_that_comes_first_keeps_it_away(book: EventBook) -> None:
    assert book.told_gone([NAME, "Esbjerg"], "e") == []

    assert book.told([(NAME, event())]) == [Told.UNCLEAR]
    assert known(book) == {}


def test_a_deletion_concerns_those_who_have_it_and_changes_nothing(book: EventBook) -> None:
    book.told([(NAME, event())])

    assert book.told_gone([NAME, "Esbjerg"], "e") == [NAME]

    assert known(book) == {"e": MINUTE.format(0)}, "only the VTN can say that it is gone"


def test_one_for_others_is_left_to_the_vtn(book: EventBook) -> None:
    sync(book, Vtn(targets=("mine",)))

    assert book.told([(NAME, event(targets=["theirs"]))]) == [Told.UNCLEAR]
    assert book.told([(NAME, event("f", targets=["mine", "theirs"]))]) == [Told.TAKEN]
    assert known(book) == {"f": MINUTE.format(0)}


def test_one_without_a_date_is_left_to_the_vtn_when_it_is_known(book: EventBook) -> None:
    book.told([(NAME, event())])

    undated = read_event({"id": "e", "programID": "p", "priority": 7})
    assert book.told([(NAME, undated)]) == [Told.UNCLEAR]
    assert known(book) == {"e": MINUTE.format(0)}


def test_a_poll_that_began_before_does_not_take_it_away(book: EventBook) -> None:
    vtn = Vtn(event(at=1), event("old"))
    sync(book, vtn)
    pushed = [(NAME, event(at=2)), (NAME, event("new"))]
    vtn.meanwhile = partial(book.told, pushed)

    sync(book, vtn)

    assert known(book) == {
        "e": MINUTE.format(2),
        "old": MINUTE.format(0),
        "new": MINUTE.format(0),
    }


def test_what_a_poll_finds_counts_more_than_an_older_notification(book: EventBook) -> None:
    sync(book, Vtn(event(at=1), event("gone", at=1)))
    vtn = Vtn(event(at=3))
    late = [(NAME, event(at=2)), (NAME, event("gone", at=2))]
    vtn.meanwhile = partial(book.told, late)

    sync(book, vtn)

    assert known(book) == {"e": MINUTE.format(3)}


def test_push_does_not_wait_for_a_poll(book: EventBook) -> None:
    vtn = Vtn()
    asked, told = threading.Event(), threading.Event()

    def meanwhile() -> None:
        asked.set()
        assert told.wait(10), "push waits for the poll"

    vtn.meanwhile = meanwhile
    poll = threading.Thread(target=sync, args=(book, vtn))
    poll.start()
    assert asked.wait(10)

    book.told([(NAME, event())])

    told.set()
    poll.join()
    assert known(book) == {"e": MINUTE.format(0)}
