"""The VTN tells of changes by MQTT, with a real broker between (openadr.md, 'Push')."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.broker import Broker
from tests.support.certificates import make_certificate
from tests.support.pushed import PushedFleet
from tests.support.servers import free_port
from tests.support.waiting import wait_until
from tests.support.wiring import provider


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that knows clients by their tokens."""
    made = Broker(tmp_path / "broker")
    made.start()
    yield made
    made.stop()


MakeFleet = Callable[..., PushedFleet]


@pytest.fixture
def make_fleet(tmp_path: Path, make_container: MakeContainer) -> Iterator[MakeFleet]:
    """Fleets at a VTN that publishes to this broker."""
    made: list[tuple[EmbeddedVtn, PushedFleet]] = []

    def make(broker: Broker, *, vtn: dict[str, Any] | None = None, **settings: Any) -> PushedFleet:
        port = free_port()
        server = EmbeddedVtn(
            directory=tmp_path / "data" / "vtn",
            port=port,
            broker_url=broker.url,
            **{"on_token": broker.admit, **(vtn or {})},
        )
        server.start()
        container = make_container(vtn={"embedded_port": port, **settings})
        fleet = PushedFleet(container, server)
        made.append((server, fleet))
        return fleet

    yield make
    for server, fleet in made:
        fleet.close()
        server.close()


@pytest.fixture
def fleet(broker: Broker, make_fleet: MakeFleet) -> PushedFleet:
    made = make_fleet(broker)
    made.start()
    return made


class TestEvents:
    def test_a_new_event_reaches_the_vens_without_a_poll(self, fleet: PushedFleet) -> None:
        assert fleet.to_poll() == [], "push works, so that nobody is polled"

        event_id = fleet.send()

        fleet.wait_until_known(event_id)
        wait_until(lambda: fleet.counts().get("taken") == len(fleet.names))
        assert fleet.to_poll() == []

    def test_the_simulator_follows_it_with_its_next_tick(
        self, fleet: PushedFleet, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", logger="app")
        fleet.wait_until_known(fleet.send())

        fleet.container.simulator().increase_time()

        assert f"active: SIMPLE for {2 * len(fleet.names)} resources" in caplog.text

    def test_a_cancelled_event_ends(self, fleet: PushedFleet) -> None:
        event_id = fleet.send()
        fleet.wait_until_known(event_id)

        fleet.business.cancel(event_id)

        fleet.wait_until_unknown(event_id)

    def test_a_deleted_event_is_asked_for_and_ends(self, fleet: PushedFleet) -> None:
        event_id = fleet.send()
        fleet.wait_until_known(event_id)

        fleet.business.delete(event_id)

        fleet.wait_until_unknown(event_id)
        assert fleet.counts()["unclear"] > 0

    def test_an_event_that_becomes_anothers_ends(self, fleet: PushedFleet) -> None:
        event_id = fleet.send()
        fleet.wait_until_known(event_id)

        event = fleet.event(event_id)
        fleet.business_logic()("PUT", f"/events/{event_id}", {**event, "targets": ["others"]})

        fleet.wait_until_unknown(event_id)

    def test_an_event_for_one_ven_reaches_that_one(self, fleet: PushedFleet) -> None:
        # The target is granted a moment before: the ven object is told of, too.
        event_id = fleet.send(ven_name="Aarhus")

        fleet.wait_until_known(event_id, to=lambda: ["Aarhus"])


class TestTheBroker:
    def test_a_ven_cannot_read_anothers_topics(self, fleet: PushedFleet, broker: Broker) -> None:
        del broker
        heard = Listener(fleet, "Aarhus")
        heard.subscribe("openadr3/vens/Aalborg/#", "openadr3/all/#", "openadr3/vens/Aarhus/#")

        fleet.send(ven_name="Aalborg")
        fleet.wait_until_known(fleet.send(ven_name="Aarhus"), to=lambda: ["Aarhus"])

        wait_until(lambda: "openadr3/vens/Aarhus/events/create" in heard.topics)
        assert all(topic.startswith("openadr3/vens/Aarhus/") for topic in heard.topics)
        heard.close()

    def test_while_it_is_away_vens_are_polled(self, fleet: PushedFleet, broker: Broker) -> None:
        broker.stop()

        wait_until(lambda: fleet.to_poll() == fleet.names)
        assert fleet.counts()["no_connection"] > 0

    def test_what_was_missed_is_asked_for_when_it_is_back(
        self, fleet: PushedFleet, broker: Broker
    ) -> None:
        broker.stop()
        wait_until(lambda: fleet.trusted() == 0)
        event_id = fleet.send()

        broker.start()

        fleet.wait_until_it_works()
        fleet.wait_until_known(event_id)

    def test_who_is_refused_is_polled(self, broker: Broker, make_fleet: MakeFleet) -> None:
        def admit(client_id: str, token: str) -> None:
            if client_id != "Aarhus":
                broker.admit(client_id, token)

        fleet = make_fleet(broker, vtn={"on_token": admit})
        fleet.container.push.service().start()

        wait_until(lambda: fleet.trusted() == len(fleet.names) - 1)

        assert fleet.to_poll() == ["Aarhus"]

    def test_for_whom_there_is_no_room_is_polled_and_that_is_said_once(
        self, broker: Broker, make_fleet: MakeFleet, caplog: pytest.LogCaptureFixture
    ) -> None:
        fleet = make_fleet(broker)
        provider(fleet.container, "push.mqtt_push").add_kwargs(
            room_for=lambda connections: min(connections, 1)
        )
        fleet.container.push.service().start()

        wait_until(lambda: fleet.trusted() == 1)
        wait_until(lambda: "go without" in caplog.text)

        assert len(fleet.to_poll()) == len(fleet.names) - 1
        said = [line for line in caplog.messages if "go without" in line]
        assert len(said) == 1
        assert said[0].startswith("push: 2 VENs go without and are polled")

    @pytest.mark.rest
    def test_a_new_token_is_shown_before_the_old_one_expires(
        self, broker: Broker, make_fleet: MakeFleet
    ) -> None:
        seen: list[str] = []

        def admit(client_id: str, token: str) -> None:
            seen.append(client_id)
            broker.admit(client_id, token)

        fleet = make_fleet(broker, vtn={"token_lifetime_s": 4, "on_token": admit})
        fleet.start()

        wait_until(lambda: seen.count("Aarhus") > 2)

        fleet.wait_until_it_works()
        fleet.wait_until_known(fleet.send())

    def test_anybody_may_share_a_broker_that_knows_nobody(
        self, tmp_path: Path, make_fleet: MakeFleet
    ) -> None:
        broker = Broker(tmp_path / "open-broker", anonymous=True)
        broker.start()
        fleet = make_fleet(broker)
        fleet.start()

        fleet.wait_until_known(fleet.send())

        broker.stop()

    def test_with_tls_its_certificate_is_verified(
        self, tmp_path: Path, make_fleet: MakeFleet
    ) -> None:
        certificate = make_certificate(tmp_path)
        broker = Broker(tmp_path / "secure-broker", tls=certificate)
        broker.start()
        ca = certificate.certificate
        fleet = make_fleet(broker, vtn={"broker_tls": ca}, verify_tls=ca)
        fleet.start()

        fleet.wait_until_known(fleet.send())

        broker.stop()


class Listener:
    """A plain MQTT client with a VEN's own token."""

    def __init__(self, fleet: PushedFleet, ven_name: str) -> None:
        token = fleet.container.openadr.client_for()(ven_name).broker_token()
        assert token is not None
        self.topics: list[str] = []
        self._granted = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
        self._client.username_pw_set(str(token.client_id), token.token)
        self._client.on_message = lambda _client, _data, message: self.topics.append(message.topic)
        self._client.on_subscribe = lambda *_: self._granted.set()
        publisher = fleet.vtn.broker
        assert publisher is not None
        self._client.connect(publisher.address.host, publisher.address.port)
        self._client.loop_start()

    def subscribe(self, *filters: str) -> None:
        self._client.subscribe([(filter_, 1) for filter_ in filters])
        assert self._granted.wait(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
