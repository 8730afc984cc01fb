"""The embedded VTN publishes to a broker, which may be slow, away, or on IPv6."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.vtn.mqtt import MOST_QUEUED, MqttPublisher
from tests.support.broker import Broker
from tests.support.servers import free_port

MANY = MOST_QUEUED + 2_000


def test_of_more_than_it_may_keep_nothing_is_lost_while_the_broker_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(tmp_path / "broker", anonymous=True)
    broker.start()
    publisher = MqttPublisher(broker.url)
    publisher.start()
    assert publisher.connected.wait(5)

    for number in range(MANY):
        publisher.publish("topic", {"number": number})

    assert "lost" not in caplog.text
    publisher.close()
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
