"""What is done with what push brings, whatever it is (openadr.md, 'Push')."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest

from app.events import PushOutcome
from app.openadr import Event
from app.platform import DatabaseError, LogOnce
from app.push import Inbox
from app.push.inbox import MAX_BYTES, MAX_WAITING
from app.vens import PollPlan, PushTrust
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until


class Manager:
    """A VEN manager that keeps what it is told. `answer`: what comes of each event."""

    def __init__(self, plan: PollPlan) -> None:
        self.plan = plan
        self.answer: PushOutcome | Exception = PushOutcome.TAKEN
        self.taken: list[tuple[str, str]] = []
        self.gone: list[str] = []
        self.polled: list[str] = []
        self.vtn_answers = True
        self.tried = 0

    def take_events(self, pushed: Sequence[tuple[str, Event]]) -> Sequence[PushOutcome]:
        if isinstance(self.answer, Exception):
            raise self.answer
        self.taken += [(name, event.event_id) for name, event in pushed]
        return [self.answer for _ in pushed]

    def take_gone(self, ven_names: Sequence[str], event_id: str) -> Sequence[PushOutcome]:
        """It has every event."""
        self.gone.append(event_id)
        return [PushOutcome.UNCLEAR for _ in ven_names]

    def poll_asked(self) -> None:
        self.tried += 1
        for name in self.plan.asked() if self.vtn_answers else ():
            self.plan.ends(self.plan.begins([name]), {})
            self.polled.append(name)


@pytest.fixture
def manager(clock: FakeClock) -> Manager:
    trust = PushTrust(monotonic=clock.monotonic, safety_s=300.0, log_once=LogOnce())
    return Manager(PollPlan(trust=trust, monotonic=clock.monotonic, safety_s=300.0))


@pytest.fixture
def inbox(manager: Manager) -> Iterator[Inbox]:
    made = Inbox(ven_manager=manager, poll_plan=manager.plan, log_once=LogOnce(), asks_every_s=0.01)
    yield made
    made.close()


def notification(operation: str = "CREATE", kind: str = "EVENT", **fields: Any) -> bytes:
    event = {"id": "e", "programID": "p", **fields}
    return orjson.dumps({"objectType": kind, "operation": operation, "object": event})


def test_an_event_is_taken_by_each_ven_that_it_is_for(inbox: Inbox, manager: Manager) -> None:
    inbox.start()

    inbox.put(["Aalborg", "Aarhus"], notification())

    wait_until(lambda: manager.taken == [("Aalborg", "e"), ("Aarhus", "e")])
    wait_until(lambda: inbox.counts == {"received": 1, "taken": 2})
    assert manager.polled == []


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        (b"{", "malformed"),
        (notification(id="no id at all"), "malformed"),
        (notification(intervalPeriod={"start": "yesterday"}), "malformed"),
        (notification("DELETE"), "unclear"),
        (notification(kind="PROGRAM"), "unclear"),
        (notification(kind="VEN"), "unclear"),
    ],
)
def test_anything_else_makes_the_ven_ask(
    inbox: Inbox, manager: Manager, body: bytes, counted: str
) -> None:
    inbox.start()

    inbox.put(["Aarhus"], body)

    wait_until(lambda: manager.polled == ["Aarhus"])
    assert manager.taken == []
    assert inbox.counts == {"received": 1, counted: 1}


def test_what_the_broker_kept_for_later_is_asked_for(inbox: Inbox, manager: Manager) -> None:
    inbox.start()

    inbox.put(["Aarhus"], notification(), is_old=True)

    wait_until(lambda: manager.polled == ["Aarhus"])
    assert manager.taken == []


@pytest.mark.parametrize("answer", [DatabaseError("the disk is full"), RuntimeError("a defect")])
def test_what_cannot_be_stored_is_asked_for(
    inbox: Inbox, manager: Manager, answer: Exception
) -> None:
    manager.answer = answer
    inbox.start()

    inbox.put(["Aarhus"], notification())

    wait_until(lambda: manager.polled == ["Aarhus"])
    manager.answer = PushOutcome.TAKEN
    inbox.put(["Aarhus"], notification())
    wait_until(lambda: manager.taken == [("Aarhus", "e")])


def test_a_flood_is_bounded_and_what_is_dropped_is_asked_for(
    inbox: Inbox, manager: Manager
) -> None:
    for _ in range(MAX_WAITING + 5):
        inbox.put(["Aarhus"], b"{")
    assert inbox.counts == {"received": MAX_WAITING + 5, "dropped": 5}

    inbox.start()

    wait_until(lambda: inbox.counts.get("malformed") == MAX_WAITING)
    wait_until(lambda: manager.polled)
    assert len(manager.polled) < 50, "however many ask for it"


def test_large_ones_are_bounded_by_their_bytes(inbox: Inbox) -> None:
    large = b"x" * (MAX_BYTES // 4)

    for _ in range(6):
        inbox.put(["Aarhus"], large)

    assert inbox.counts == {"received": 6, "dropped": 2}


def test_who_could_not_be_asked_is_asked_again(manager: Manager) -> None:
    inbox = Inbox(
        ven_manager=manager,
        poll_plan=manager.plan,
        log_once=LogOnce(),
        asks_every_s=0.01,
        asks_again_s=0.01,
    )
    manager.vtn_answers = False
    inbox.start()
    inbox.ask(["Aarhus"])
    wait_until(lambda: manager.tried > 2)

    manager.vtn_answers = True

    wait_until(lambda: manager.polled == ["Aarhus"])
    inbox.close()


def test_a_flood_does_not_fill_the_log(
    inbox: Inbox, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.start()

    for _ in range(100):
        inbox.put(["Aarhus"], b"{")

    wait_until(lambda: inbox.counts.get("malformed") == 100)
    assert [record.message for record in caplog.records] == [
        "push brings a notification that is not JSON; the VTN is asked instead"
    ]
    assert manager.taken == []
