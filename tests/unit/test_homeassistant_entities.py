"""What Home Assistant is told of devices, and when."""

from __future__ import annotations

import pytest

from app.actuation.homeassistant import OFF, ON, Entities
from tests.support.orders import CAR, HOMES, PUMP

SWITCH = "ven-fleet/Aarhus/pump/opted_out"


@pytest.fixture
def entities() -> Entities:
    return Entities(HOMES, run="run-1")


def told(entities: Entities) -> dict[str, bytes]:
    """All that is to be published now, by topic."""
    published = {}
    while (due := entities.next()) is not None:
        published[due.topic] = due.body
    return published


def descriptions(published: dict[str, bytes]) -> list[str]:
    return [topic for topic, body in published.items() if topic.endswith("/config") and body]


def test_a_device_is_described_once(entities: Entities) -> None:
    entities.show({PUMP: False})
    first = told(entities)

    entities.show({PUMP: False})

    assert len(descriptions(first)) == 6
    assert first[SWITCH] == OFF
    assert told(entities) == {}


def test_that_it_has_opted_out_is_told_alone(entities: Entities) -> None:
    entities.show({PUMP: False})
    told(entities)

    entities.show({PUMP: True})

    assert told(entities) == {SWITCH: ON}


def test_a_broker_that_may_have_forgotten_is_told_anew(entities: Entities) -> None:
    entities.show({PUMP: True})
    before = told(entities)

    entities.connected()

    assert told(entities) == before


def test_what_is_gone_is_taken_away(entities: Entities) -> None:
    entities.show({PUMP: False, CAR: False})
    of_both = told(entities)

    entities.show({CAR: False})

    of_pump = told(entities)
    assert len(of_pump) == len(of_both) // 2
    assert set(of_pump.values()) == {b""}


class TestWhatTheBrokerRetains:
    def test_nothing_is_taken_away_before_it_is_known_who_is_there(
        self, entities: Entities
    ) -> None:
        other = Entities(HOMES, run="run-1")
        other.show({PUMP: False})
        for topic in descriptions(told(other)):
            entities.retained(topic)

        assert told(entities) == {}

    def test_it_is_taken_away_then(self, entities: Entities) -> None:
        other = Entities(HOMES, run="run-1")
        other.show({PUMP: False, CAR: False})
        retained = descriptions(told(other))
        for topic in retained:
            entities.retained(topic)

        entities.show({CAR: False})

        published = told(entities)
        assert len([topic for topic in retained if published[topic] == b""]) == 6
        assert len(descriptions(published)) == 6
