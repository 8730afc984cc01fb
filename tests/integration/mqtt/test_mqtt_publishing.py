"""What we publish: as it is when the broker takes it, and never a second time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from app.mqtt import BrokerLoop, Login, Outgoing, Publishing, Session
from app.mqtt.session import MAX_IN_FLIGHT
from app.openadr import BrokerAddress
from tests.integration.mqtt.conftest import MakeBroker
from tests.support.broker import ACL, Broker
from tests.support.cable import Cable
from tests.support.small_broker import SmallBroker
from tests.support.waiting import wait_until

WILL = Outgoing(topic="fleet/status", body=b"offline", is_retained=True)
LEVEL_OF_MQTT_5 = 5


class Listener:
    """Hears everything, with MQTT 5."""

    def __init__(self, port: int, **login: str) -> None:
        self.messages: list[MQTTMessage] = []
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        if login:
            self._client.username_pw_set(**login)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_message = lambda _client, _data, message: self.messages.append(message)
        subscribed: list[int] = []
        self._client.on_subscribe = lambda _c, _d, mid, *_: subscribed.append(mid)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(lambda: subscribed)

    def bodies(self, topic: str) -> list[bytes]:
        return [bytes(each.payload) for each in self.messages if each.topic == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listen(broker: Broker) -> Iterator[Callable[[], Listener]]:
    made: list[Listener] = []

    def begin() -> Listener:
        made.append(Listener(broker.port))
        return made[-1]

    yield begin
    for listener in made:
        listener.close()


class Publisher:
    """Publishes what is put to it, in order, and knows what it was asked for."""

    def __init__(self, port: int, *, login: Login | None = None) -> None:
        self.loop = BrokerLoop(first_pause_s=0.01)
        self.messages: deque[Outgoing] = deque()
        self.levels: set[int] = set()
        self.refused: list[tuple[str, str]] = []
        self.session = Session(
            addresses=[BrokerAddress.of(f"mqtt://127.0.0.1:{port}")],
            client_id="publisher",
            tls=lambda _: None,
            login=lambda: login or Login(),
            refused=lambda _: None,
            on_message=lambda _: None,
            on_subscribed=lambda _: None,
            on_disconnected=lambda _: None,
            publishing=Publishing(
                outgoing=self._next,
                on_refused=lambda topic, why: self.refused.append((topic, why)),
                will=WILL,
            ),
        )
        self.loop.add(self.session)

    def _next(self, level: int) -> Outgoing | None:
        self.levels.add(level)
        return self.messages.popleft() if self.messages else None

    def put(self, *bodies: bytes, **how: Any) -> None:
        self.messages += [Outgoing(topic="orders/a", body=body, **how) for body in bodies]
        self.loop.flush(self.session)


Publish = Callable[..., Publisher]


@pytest.fixture
def publisher() -> Iterator[Publish]:
    made: list[Publisher] = []

    def begin(port: int, **how: Any) -> Publisher:
        made.append(Publisher(port, **how))
        return made[-1]

    yield begin
    for each in made:
        each.loop.close()


def test_messages_arrive_in_order(
    broker: Broker, publisher: Publish, listen: Callable[[], Listener]
) -> None:
    listener = listen()

    made = publisher(broker.port)
    made.put(*(b"%d" % number for number in range(500)))

    wait_until(lambda: len(listener.bodies("orders/a")) == 500)
    assert listener.bodies("orders/a") == [b"%d" % number for number in range(500)]
    assert made.levels == {LEVEL_OF_MQTT_5}


def test_a_retained_message_tells_who_comes_later_what_is_left_of_it(
    broker: Broker, publisher: Publish, listen: Callable[[], Listener]
) -> None:
    made = publisher(broker.port)
    made.put(b"hello", is_retained=True, expires_in_s=60)
    wait_until(lambda: made.session.is_up and not made.session.in_flight and not made.messages)

    late = listen()

    wait_until(lambda: late.bodies("orders/a") == [b"hello"])
    told: Any = late.messages[0].properties
    assert 50 < told.MessageExpiryInterval <= 60


def test_the_broker_is_not_sent_more_than_it_confirms(publisher: Publish) -> None:
    broker = SmallBroker()  # confirms nothing
    made = publisher(broker.address.port)
    made.put(*(b"%d" % number for number in range(MAX_IN_FLIGHT + 5)))

    wait_until(lambda: len(made.messages) == 5)
    assert len(made.session.in_flight) == MAX_IN_FLIGHT

    made.loop.close()
    broker.close()


def test_what_was_not_confirmed_is_not_sent_again(
    broker: Broker, publisher: Publish, listen: Callable[[], Listener]
) -> None:
    """Whoever publishes it is asked anew: it may have changed."""
    listener = listen()
    cable = Cable(broker.port)
    made = publisher(cable.port)
    made.put(b"before")
    wait_until(lambda: listener.bodies("orders/a") == [b"before"])

    cable.be_silent()
    made.put(b"meanwhile")
    wait_until(lambda: made.session.in_flight)
    cable.cut()
    wait_until(lambda: not made.session.is_up)
    cable.mend()
    wait_until(lambda: made.session.is_up)
    made.put(b"after")

    wait_until(lambda: b"after" in listener.bodies("orders/a"))
    assert listener.bodies("orders/a") in (
        [b"before", b"after"],
        [b"before", b"meanwhile", b"after"],
    )
    cable.close()


class TestWhenItEnds:
    def test_the_broker_tells_that_the_connection_broke(
        self, broker: Broker, publisher: Publish, listen: Callable[[], Listener]
    ) -> None:
        listener = listen()
        cable = Cable(broker.port)
        made = publisher(cable.port)
        wait_until(lambda: made.session.is_up)

        cable.cut()

        wait_until(lambda: listener.bodies("fleet/status") == [b"offline"])
        cable.close()

    def test_and_we_do_when_we_end_it(
        self, broker: Broker, publisher: Publish, listen: Callable[[], Listener]
    ) -> None:
        listener = listen()
        made = publisher(broker.port)
        wait_until(lambda: made.session.is_up)

        made.loop.close()

        wait_until(lambda: listener.bodies("fleet/status") == [b"offline"])


def test_what_the_broker_refuses_is_said(make_broker: MakeBroker, publisher: Publish) -> None:
    """The account may read there, and not write."""
    assert "orders/" not in ACL
    broker = make_broker()
    broker.admit("fleet", "a-password")
    made = publisher(broker.port, login=Login(username="fleet", password="a-password"))

    made.put(b"hello")

    wait_until(lambda: made.refused == [("orders/a", "Not authorized")])
