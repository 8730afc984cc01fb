"""The embedded VTN publishes to a broker, which may be slow, away, or on IPv6."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from app.vtn.mqtt import MAX_QUEUED, MqttPublisher
from app.vtn.topics import for_everyone
from app.vtn.wire import Wire
from tests.support.broker import Broker
from tests.support.servers import free_port
from tests.support.waiting import wait_until

MANY = MAX_QUEUED + 2_000


def test_of_more_than_it_may_keep_nothing_is_lost_while_the_broker_is_there(
    tmp_path: Path,
) -> None:
    broker = Broker(tmp_path / "broker", anonymous=True)
    broker.start()
    heard: set[bytes] = set()
    subscribed = threading.Event()
    listener = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
    listener.on_message = lambda _client, _data, message: heard.add(bytes(message.payload))
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.connect("127.0.0.1", broker.port)
    listener.subscribe("topic", 1)
    listener.loop_start()
    assert subscribed.wait(5)
    publisher = MqttPublisher(broker.url)
    publisher.start()
    assert publisher.connected.wait(5)

    for number in range(MANY):
        publisher.publish("topic", {"number": number})

    wait_until(lambda: len(heard) == MANY, otherwise=lambda: f"{len(heard)} came")
    publisher.close()
    listener.disconnect()
    listener.loop_stop()
    broker.stop()


def test_what_is_lost_while_it_is_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    publisher = MqttPublisher(f"mqtt://127.0.0.1:{free_port()}")
    publisher.start()

    for number in range(MANY):
        publisher.publish("topic", {"number": number})

    assert caplog.text.count("does not take notifications; they are lost") == 1
    publisher.close()


def test_clients_are_told_of_it_without_its_password() -> None:
    publisher = MqttPublisher("mqtts://vtn:secret@[::1]")

    assert str(publisher.address) == "mqtts://[::1]:8883"


def test_what_is_not_for_all_is_not_told_at_the_topics_of_all() -> None:
    plain = {"objectType": "EVENT", "programID": "p"}
    asking = {"payloadType": "READING", "targets": ["a"]}

    def is_told_to_all(body: Wire) -> bool:
        return "openadr3/programs/p/events" in for_everyone(body)

    assert is_told_to_all(plain)
    assert not is_told_to_all({**plain, "targets": ["a"]})
    assert not is_told_to_all({**plain, "reportDescriptors": [asking]})
