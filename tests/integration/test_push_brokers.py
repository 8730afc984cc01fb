"""Brokers as other VTNs have them: certificates, no topics, another one tomorrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.openadr import MqttBinding, Notifiers
from app.vtn.mqtt import MqttPublisher
from containers import Container
from tests.conftest import MakeContainer
from tests.support.broker import Broker
from tests.support.certificates import make_certificate
from tests.support.servers import Answer, Asked, ScriptedVtn, free_port
from tests.support.waiting import wait_until

NAME = "Aalborg"
EVENT = {
    "id": "event-1",
    "programID": "program-1",
    "modificationDateTime": "2026-06-01T12:00:00Z",
    "intervals": [],
}


class OtherVtn:
    """A VTN of one VEN, with topics of its own naming. `notifiers`: what it says of its broker."""

    def __init__(self) -> None:
        self.notifiers: dict[str, Any] = {}
        self.topics: dict[str, str] = {"ALL": "their/events/+"}
        self.server = ScriptedVtn(self._answer)

    def _answer(self, asked: Asked) -> Answer:
        ven = {"id": "ven-1", "venName": NAME}
        if asked.path == "/notifiers":
            return Answer(200, self.notifiers)
        if asked.path == "/notifiers/mqtt/topics/vens/ven-1/events":
            return Answer(200, {"topics": self.topics})
        if asked.path.startswith("/notifiers"):
            return Answer(403, {"title": "not for VENs"})
        if asked.path == "/vens/ven-1":
            return Answer(200, ven)
        if (asked.method, asked.path) == ("POST", "/vens"):
            return Answer(201, ven)
        return Answer(200, [])


@pytest.fixture
def other() -> Iterator[OtherVtn]:
    made = OtherVtn()
    yield made
    made.server.close()


MakeFleet = Callable[..., Container]


@pytest.fixture
def make_fleet(other: OtherVtn, make_container: MakeContainer) -> Iterator[MakeFleet]:
    made: list[Container] = []

    def make(*, watched: bool = True, **settings: Any) -> Container:
        url = {"base_url": other.server.base_url, "bearer_token": "token"}
        container = make_container(vtn={**url, **settings})
        container.push_watch.add_kwargs(every_s=0.05)
        container.ven_manager().register_load_ven(NAME)
        (container.vtn_push() if watched else container.inbox()).start()
        made.append(container)
        return container

    yield make
    for container in made:
        container.stopping().set()
        container.vtn_push().close()


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    made: list[Broker] = []

    def make(**how: Any) -> Broker:
        broker = Broker(tmp_path / f"broker-{len(made)}", anonymous=True, **how)
        broker.start()
        made.append(broker)
        return broker

    yield make
    for broker in made:
        broker.stop()


def publish(broker: Broker, **how: Any) -> MqttPublisher:
    """Tell of an event at the VTN's own topic."""
    publisher = MqttPublisher(broker.url, **how)
    publisher.start()
    assert publisher.connected.wait(10)
    publisher.publish("their/events/create", EVENT)
    return publisher


def anonymous(broker: Broker) -> dict[str, Any]:
    return {"MQTT": {"URIS": [broker.url], "authentication": {"method": "ANONYMOUS"}}}


def knows(container: Container) -> bool:
    return [each.event.event_id for each in container.events().of_ven(NAME)] == ["event-1"]


def test_a_certificate_that_the_vtn_gives_opens_the_broker(
    other: OtherVtn, make_fleet: MakeFleet, brokers: Callable[..., Broker], tmp_path: Path
) -> None:
    its, ours = make_certificate(tmp_path, "broker"), make_certificate(tmp_path, "ven")
    broker = brokers(tls=its, of_clients=ours)
    how = {
        "method": "CERTIFICATE",
        "caCert": its.certificate.read_text(),
        "clientCert": ours.certificate.read_text(),
        "clientKey": ours.key.read_text(),
    }
    other.notifiers = {"MQTT": {"URIS": [broker.url], "authentication": how}}

    container = make_fleet()

    wait_until(lambda: container.poll_plan().trusted() == 1)


def test_an_object_on_its_own_at_a_topic_of_their_naming_is_taken(
    other: OtherVtn, make_fleet: MakeFleet, brokers: Callable[..., Broker]
) -> None:
    broker = brokers()
    other.notifiers = anonymous(broker)
    container = make_fleet()
    wait_until(lambda: container.poll_plan().trusted() == 1)

    publisher = publish(broker)

    wait_until(lambda: knows(container))
    publisher.close()


def test_without_topics_push_never_counts_as_working(
    other: OtherVtn,
    make_fleet: MakeFleet,
    brokers: Callable[..., Broker],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other.notifiers = anonymous(brokers())
    other.topics = {}

    container = make_fleet()

    wait_until(lambda: "names no MQTT topics" in caplog.text)
    assert container.poll_plan().due([NAME]) == [NAME]


def test_a_broker_that_is_not_there_is_named_once_by_both_sides(
    other: OtherVtn, make_fleet: MakeFleet, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    other.notifiers = {"MQTT": {"URIS": [url], "authentication": {"method": "ANONYMOUS"}}}
    publisher = MqttPublisher(url)
    publisher.start()

    container = make_fleet()

    wait_until(lambda: "push: no connection to 127.0.0.1:" in caplog.text)
    assert "Connection refused" in caplog.text
    wait_until(lambda: f"VTN: the broker {url} is not there" in caplog.text)
    assert container.poll_plan().due([NAME]) == [NAME]
    publisher.close()


def test_plain_mqtt_to_another_machine_is_not_used(
    other: OtherVtn, make_fleet: MakeFleet, caplog: pytest.LogCaptureFixture
) -> None:
    other.notifiers = {"MQTT": {"URIS": ["mqtt://broker.example"], "authentication": {}}}

    container = make_fleet()

    wait_until(lambda: "mqtt://broker.example is not used" in caplog.text)
    assert container.poll_plan().due([NAME]) == [NAME]


def test_when_the_vtn_names_another_broker_it_is_used(
    make_fleet: MakeFleet, brokers: Callable[..., Broker]
) -> None:
    container = make_fleet(watched=False)  # here the test says what the VTN names
    for broker in (brokers(), brokers()):
        binding = MqttBinding(uris=(broker.url,), method="ANONYMOUS")
        container.mqtt_push().serve(container.ven_manager().vens, Notifiers(mqtt=binding))
        wait_until(lambda: container.poll_plan().trusted() == 1)

    publisher = publish(broker)

    wait_until(lambda: knows(container))
    publisher.close()
