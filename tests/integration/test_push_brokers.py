"""Brokers as other VTNs have them: certificates, no topics, another one tomorrow."""

from __future__ import annotations

import json
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
from tests.support.servers import Answer, ReceivedRequest, ScriptedVtn, free_port
from tests.support.small_broker import SmallBroker
from tests.support.waiting import wait_until
from tests.support.wiring import provider

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

    def _answer(self, asked: ReceivedRequest) -> Answer:
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
        provider(container, "push.watch").add_kwargs(every_s=0.05)
        container.ven_manager().register_load_ven(NAME)
        (container.push.service() if watched else container.push.inbox()).start()
        made.append(container)
        return container

    yield make
    for container in made:
        container.platform.shutdown().set()
        container.push.service().close()


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
    return [seen.event.event_id for seen in container.events.store().of_ven(NAME)] == ["event-1"]


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

    wait_until(lambda: container.vens.push_trust().count() == 1)


def test_an_object_on_its_own_at_a_topic_of_their_naming_is_taken(
    other: OtherVtn, make_fleet: MakeFleet, brokers: Callable[..., Broker]
) -> None:
    broker = brokers()
    other.notifiers = anonymous(broker)
    container = make_fleet()
    wait_until(lambda: container.vens.push_trust().count() == 1)

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
    assert container.vens.poll_plan().due([NAME]) == [NAME]


def test_a_broker_that_is_not_there_is_named_once_by_both_sides(
    other: OtherVtn, make_fleet: MakeFleet, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    other.notifiers = {"MQTT": {"URIS": [url], "authentication": {"method": "ANONYMOUS"}}}
    publisher = MqttPublisher(url)
    publisher.start()

    container = make_fleet()

    wait_until(lambda: "push: no connection to mqtt://127.0.0.1:" in caplog.text)
    assert "Connection refused" in caplog.text
    wait_until(lambda: f"VTN: the broker {url} is not there" in caplog.text)
    assert container.vens.poll_plan().due([NAME]) == [NAME]
    publisher.close()


def test_plain_mqtt_to_another_machine_is_not_used(
    other: OtherVtn, make_fleet: MakeFleet, caplog: pytest.LogCaptureFixture
) -> None:
    uri = "mqtt://user:precious@broker.example"
    other.notifiers = {"MQTT": {"URIS": [uri], "authentication": {}}}

    container = make_fleet()

    wait_until(lambda: "mqtt://broker.example is not used" in caplog.text)
    assert "precious" not in caplog.text
    assert container.vens.poll_plan().due([NAME]) == [NAME]


class TestWhenTheVtnNames:
    """Here the test says what the VTN names."""

    @pytest.fixture
    def container(self, make_fleet: MakeFleet) -> Container:
        return make_fleet(watched=False)

    def serve(self, container: Container, *brokers: Broker | SmallBroker | str) -> None:
        uris = tuple(
            broker.url if isinstance(broker, Broker) else str(getattr(broker, "address", broker))
            for broker in brokers
        )
        mqtt = MqttBinding(uris=uris, method="ANONYMOUS") if uris else None
        container.push.mqtt_push().serve(container.ven_manager().vens, Notifiers(mqtt=mqtt))

    def test_another_broker_it_is_used(
        self, container: Container, brokers: Callable[..., Broker]
    ) -> None:
        for broker in (brokers(), brokers()):
            self.serve(container, broker)
            wait_until(lambda: container.vens.push_trust().count() == 1)

        publisher = publish(broker)

        wait_until(lambda: knows(container))
        publisher.close()

    @pytest.mark.parametrize("uris", [(), ("mqtt://elsewhere.example",)], ids=["none", "no usable"])
    def test_no_broker_any_more_vens_are_polled(
        self, container: Container, small: SmallBroker, uris: tuple[str, ...]
    ) -> None:
        self.serve(container, small)
        wait_until(lambda: container.vens.push_trust().count() == 1)

        self.serve(container, *uris)

        assert container.vens.push_trust().count() == 0

    def test_several_the_next_one_is_tried_where_one_is_not_there(
        self, container: Container, small: SmallBroker
    ) -> None:
        self.serve(container, f"mqtt://127.0.0.1:{free_port()}", small)

        wait_until(lambda: container.vens.push_trust().count() == 1)

    def test_the_same_in_another_order_nothing_happens(
        self, container: Container, small: SmallBroker
    ) -> None:
        elsewhere = f"mqtt://127.0.0.1:{free_port()}"
        self.serve(container, small, elsewhere)
        wait_until(lambda: container.vens.push_trust().count() == 1)

        self.serve(container, elsewhere, small)

        assert container.vens.push_trust().count() == 1
        assert len(small.client_ids) == 1


class TestVens:
    @pytest.fixture
    def vtn(self) -> Iterator[NamedVtn]:
        made = NamedVtn()
        yield made
        made.server.close()

    @pytest.fixture
    def container(self, vtn: NamedVtn, make_container: MakeContainer) -> Iterator[Container]:
        secrets = {"client_id": "{ven_name}", "client_secret": "secret"}
        container = make_container(vtn={"base_url": vtn.server.base_url, **secrets})
        container.push.inbox().start()
        yield container
        container.platform.shutdown().set()
        container.push.mqtt_push().close()
        container.push.inbox().close()

    def serve(self, container: Container, broker: SmallBroker, method: str, *names: str) -> None:
        for name in names:
            container.ven_manager().register_load_ven(name)
        binding = MqttBinding(uris=(str(broker.address),), method=method)
        container.push.mqtt_push().serve(container.ven_manager().vens, Notifiers(mqtt=binding))

    def test_only_those_whose_filters_are_all_confirmed_are_told_of_changes(
        self, container: Container
    ) -> None:
        broker = SmallBroker(takes=lambda each: "Aarhus" not in each)

        self.serve(container, broker, "ANONYMOUS", "Aalborg", "Aarhus")

        wait_until(lambda: container.vens.push_trust().count() == 1)
        assert container.vens.poll_plan().due(["Aalborg", "Aarhus"]) == ["Aarhus"]
        assert len(broker.client_ids) == 1
        broker.close()

    def test_one_that_wants_more_is_not_told_of_changes_until_that_is_confirmed(
        self, container: Container, vtn: NamedVtn
    ) -> None:
        broker = SmallBroker(takes=lambda each: not each.startswith("programs"))
        self.serve(container, broker, "ANONYMOUS", "Aalborg")
        wait_until(lambda: container.vens.push_trust().count() == 1)

        vtn.programs = [{"id": "p", "programName": "p"}]
        self.serve(container, broker, "ANONYMOUS", "Aalborg")

        wait_until(lambda: ["programs/p/events/+"] in broker.subscribes)
        assert container.vens.poll_plan().due(["Aalborg"]) == ["Aalborg"]
        broker.close()

    def test_two_whose_names_begin_alike_are_two_clients(
        self, container: Container, small: SmallBroker
    ) -> None:
        names = [f"{'the same for a long time ' * 5}{number}" for number in (1, 2)]

        self.serve(container, small, "OAUTH2_BEARER_TOKEN", *names)

        wait_until(lambda: len(small.client_ids) == 2)
        assert len(set(small.client_ids)) == 2
        wait_until(lambda: container.vens.push_trust().count() == 2)


class NamedVtn:
    """A VTN with topics for each VEN, and for each of its programs."""

    def __init__(self) -> None:
        self.programs: list[dict[str, str]] = []
        self.server = ScriptedVtn(self._answer)

    def _answer(self, asked: ReceivedRequest) -> Answer:
        if asked.path == "/auth/token":
            return Answer(200, {"access_token": "token", "token_type": "Bearer"})
        if asked.method == "POST":
            name = json.loads(asked.body)["venName"]
            return Answer(201, {"id": name.replace(" ", "-")[-20:], "venName": name})
        if asked.path.startswith("/notifiers/mqtt/topics/"):
            return Answer(200, {"topics": {"ALL": asked.path.rpartition("topics/")[2] + "/+"}})
        if asked.path == "/programs":
            return Answer(200, self.programs)
        return Answer(200, [])
