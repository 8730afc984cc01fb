"""Events from the command line (openadr.md, 'Events from the command line')."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.openadr import BusinessLogic, VtnRejected
from app.openadr.business import typed
from tests.support.openapi import OpenApi, official_file
from tests.support.workbench import Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def business(bench: Bench) -> BusinessLogic:
    made: BusinessLogic = bench.container.openadr.business_logic()
    return made


def send(business: BusinessLogic, bench: Bench, **fields: Any) -> dict[str, Any]:
    values = {"kind": "SIMPLE", "value": "2", "start": bench.clock.now, "duration": "PT1H"}
    return dict(business.send(**{**values, **fields}))


def levels(bench: Bench, ven_name: str) -> set[int]:
    bench.manager.poll_events()
    bench.tick()
    frame = bench.container.readings.log().last()
    level = frame.detail.level
    return {0} if level is None else set(level[frame.roster.columns(ven_name)].tolist())


def test_an_event_for_all_moves_all(business: BusinessLogic, bench: Bench) -> None:
    send(business, bench)

    assert levels(bench, "Aarhus") == levels(bench, "Aalborg") == {2}


def test_an_event_for_one_is_granted_and_reaches_that_one(
    business: BusinessLogic, bench: Bench
) -> None:
    (ven,) = [each for each in bench.vtn.store.select("VEN") if each["venName"] == "Aarhus"]
    granted = {**ven, "targets": ["group1"], "attributes": [{"type": "AREA", "values": [1]}]}
    bench.vtn.store.replace("VEN", ven, granted)

    for _ in range(2):
        send(business, bench, ven_name="Aarhus")

    now = bench.vtn.store.get("VEN", ven["id"])
    assert now is not None
    assert now["targets"] == ["group1", f"ven-{ven['id']}"]
    assert (now["clientID"], now["attributes"]) == (ven["clientID"], granted["attributes"])
    assert levels(bench, "Aarhus") == {2}
    assert levels(bench, "Aalborg") == {0}


def test_a_ven_that_the_vtn_does_not_have_is_named(business: BusinessLogic, bench: Bench) -> None:
    with pytest.raises(ValueError, match="no VEN named 'Nowhere'"):
        send(business, bench, ven_name="Nowhere")


def test_cancelling_takes_the_time_and_deleting_takes_the_event(
    business: BusinessLogic, bench: Bench
) -> None:
    first, second = (send(business, bench)["id"] for _ in range(2))
    assert levels(bench, "Aarhus") == {2}
    business.cancel(first)
    assert levels(bench, "Aarhus") == {2}
    business.delete(second)

    assert levels(bench, "Aarhus") == {0}
    ids = {event["id"] for event in business.events()}
    assert first in ids
    assert second not in ids


def test_an_event_that_is_not_there_cannot_be_cancelled(business: BusinessLogic) -> None:
    with pytest.raises(VtnRejected, match="404"):
        business.cancel("nothing")


def test_what_is_sent_is_valid(business: BusinessLogic, bench: Bench) -> None:
    judge = OpenApi(official_file())
    event = send(business, bench, ven_name="Aarhus", priority=1)
    business.cancel(event["id"])

    sent = [each for each in bench.transport.requests if each.method in ("POST", "PUT")]
    assert len(sent) >= 3
    for request in sent:
        assert judge.errors(request, bench.vtn.base_url) == [], request.url


@pytest.mark.parametrize(
    ("kind", "value", "typed_value"),
    [
        ("SIMPLE", "2", 2),
        ("CONTROL_LEVEL_OFFSET", "-3", -3),
        ("PRICE", "2", 2.0),
        ("ALERT_FIRE", "2", "2"),
        ("DISPATCH_INSTRUCTION", "go", "go"),
        ("CONTROL_LEVEL_OFFSET_PERCENT", "-1", -1.0),
        ("IMPORT_CAPACITY_LIMIT", "0", 0.0),
        ("DISPATCH_SETPOINT", "-1.5", -1.5),
    ],
)
def test_values_have_the_type_of_their_payload(
    kind: str, value: str, typed_value: float | str
) -> None:
    found = typed(kind, value)

    assert found == typed_value
    assert type(found) is type(typed_value)


@pytest.mark.parametrize(
    ("kind", "value", "needed"),
    [
        ("SIMPLE", "1.5", "a whole number from 0 to 3"),
        ("SIMPLE", "4", "a whole number from 0 to 3"),
        ("SIMPLE", "9" * 5_000, "a whole number from 0 to 3"),
        ("PRICE", "cheap", "a number"),
        ("PRICE", "nan", "a number"),
        ("PRICE", "1e400", "a number"),
        ("CONTROL_LEVEL_OFFSET_PERCENT", "50", "a number from -1 to 1"),
        ("IMPORT_CAPACITY_LIMIT", "-0.5", "a number of at least 0"),
    ],
)
def test_a_value_that_its_type_does_not_have_is_refused(kind: str, value: str, needed: str) -> None:
    with pytest.raises(ValueError, match=f"{kind} needs {needed}, not "):
        typed(kind, value)


def test_an_event_may_begin_later(business: BusinessLogic, bench: Bench) -> None:
    send(business, bench, start=bench.clock.now + timedelta(minutes=10))
    assert levels(bench, "Aarhus") == {0}
    bench.tick(20)

    assert levels(bench, "Aarhus") == {2}
