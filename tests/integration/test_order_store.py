"""What was issued, in either database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.actuation.order import DesiredState, Key, Order, OrderStatus, Stored
from app.actuation.store import OrderStore
from app.platform import Database
from tests.support.fakes import FakeClock

NOW_US = 1_000_000


@pytest.fixture
def store(database: Database) -> OrderStore:
    database.open()
    return OrderStore(database)


def order(clock: FakeClock, name: str = "pump", **fields: Any) -> Order:
    now = clock()
    made = Order(
        key=Key("Aarhus", name),
        actuator="homes",
        seq=0,
        desired=DesiredState(setpoint_kw=1.5, level=2, event_id="e", ends_at=now),
        status=OrderStatus.WAITING,
        baseline_kw=3.25,
        stored=Stored(12.5, now),
        issued_at=now,
        switched_at=now,
        valid_for=timedelta(minutes=2),
        until=now,
    )
    return replace(made, **fields)


def test_the_id_of_a_store_stays(store: OrderStore) -> None:
    assert store.run() == store.run() != ""


def test_what_was_issued_reads_back(store: OrderStore, clock: FakeClock) -> None:
    issued = [order(clock), order(clock, "car", desired=None, stored=None)]

    store.issue(issued, NOW_US)

    assert sorted(store.load(), key=lambda each: each.seq) == issued


def test_each_has_a_seq_of_its_own_above_all_before(store: OrderStore, clock: FakeClock) -> None:
    first, second, third = order(clock), order(clock, "car"), order(clock)

    store.issue([first, second], NOW_US)
    store.issue([third], NOW_US)

    assert [first.seq, second.seq, third.seq] == [NOW_US, NOW_US + 1, NOW_US + 2]
    (kept,) = [each for each in store.load() if each.key == third.key]
    assert kept.seq == third.seq


def test_what_came_of_one_that_was_replaced_changes_nothing(
    store: OrderStore, clock: FakeClock
) -> None:
    first, second = order(clock), order(clock)
    store.issue([first], NOW_US)
    store.issue([second], NOW_US)

    store.keep([replace(first, status=OrderStatus.REFUSED)])

    assert [each.status for each in store.load()] == [OrderStatus.WAITING]
    store.keep([replace(second, status=OrderStatus.REFUSED, reason="busy")])
    assert [(each.status, each.reason) for each in store.load()] == [(OrderStatus.REFUSED, "busy")]


def test_who_is_gone_is_forgotten(store: OrderStore, clock: FakeClock) -> None:
    store.issue([order(clock), order(clock, "car")], NOW_US)

    store.forget([Key("Aarhus", "pump")])

    assert [each.key.resource_name for each in store.load()] == ["car"]


def test_one_that_has_ended_by_itself_asks_nothing(store: OrderStore, clock: FakeClock) -> None:
    issued = order(clock)
    store.issue([issued], NOW_US)

    store.keep([replace(issued, status=OrderStatus.RELEASED, desired=None)])

    (kept,) = store.load()
    assert (kept.is_over, kept.is_release) == (True, True)
