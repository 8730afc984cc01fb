"""What goes wrong between devices, their broker and the fleet is said, and holds up no other."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.integration.mqtt.conftest import MakeBroker
from tests.support.broker import Broker
from tests.support.certificates import make_certificate
from tests.support.mqtt import (
    Device,
    MqttBench,
    power,
    sources_at,
)
from tests.support.small_broker import SmallBroker
from tests.support.waiting import wait_until


class TestTrouble:
    def test_junk_is_counted_and_said_once(
        self, bench: MqttBench, device: Device, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.start()

        device.publish_each(
            [("meters/d-1", "?"), ("meters/d-2", "?"), ("meters/d-9", power(bench, 1))]
        )

        wait_until(lambda: bench.counts.refused == 3)
        bench.stop()  # what is counted is said by then
        lines = [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]
        assert "source homes: meters/d-1: it is no JSON" in lines
        assert (
            "source homes: meters/d-9: no resource has the meter 'd-9' of source 'homes'" in lines
        )
        assert len([line for line in lines if "no JSON" in line]) == 1

    def test_a_message_of_megabytes_holds_back_no_other(
        self, bench: MqttBench, device: Device
    ) -> None:
        bench.start()

        device.publish("meters/d-1", b"x" * (5 << 20))
        device.publish("meters/d-1", power(bench, 1.5))

        assert len(bench.wait_for(1)) == 1
        assert bench.counts.reasons["it is larger than 64 KiB"] == 1
        assert bench.counts.away is None

    def test_nor_does_one_whose_properties_are_as_large(
        self, bench: MqttBench, broker: Broker, device: Device
    ) -> None:
        bench.start()

        publish_properties(broker.port, "meters/d-1", size=1_300_000)
        device.publish("meters/d-1", power(bench, 1.5))

        assert len(bench.wait_for(1)) == 1

    def test_another_client_that_takes_the_session_over_is_said(
        self, bench: MqttBench, broker: Broker
    ) -> None:
        """As another fleet with a source of the same name does, again and again."""
        bench.start()

        other = Device(broker.port, client_id="ven-fleet-homes")
        wait_until(lambda: "use the id ven-fleet-homes" in str(bench.counts.away), timeout_s=20)
        other.close()

    def test_a_broker_of_mqtt_3_1_1_will_do(self, bench: MqttBench) -> None:
        small = SmallBroker()
        Path("sources.toml").write_text(sources_at(small.address.port))

        bench.start()
        small.publish(
            "meters/d-1", b'{"power_kw": 1.5, "ts": "%s"}' % bench.clock().isoformat().encode()
        )

        assert len(bench.wait_for(1)) == 1
        small.close()

    def test_a_filter_that_the_broker_refuses_is_said(self, bench: MqttBench) -> None:
        small = SmallBroker(takes=lambda topic: topic != "meters/+")
        Path("sources.toml").write_text(sources_at(small.address.port))

        bench.container.intake.mqtt_sources()()

        wait_until(lambda: bench.counts.away == "the broker refuses meters/+")
        small.close()

    def test_a_session_that_the_broker_lost_is_said(
        self, bench: MqttBench, broker: Broker, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It was killed before it saved anything."""
        caplog.set_level(logging.INFO)
        bench.start()
        assert "a new session at the broker" in caplog.text

        broker.stop()
        wait_until(lambda: bench.counts.away is not None)
        broker.start()

        wait_until(lambda: bench.counts.away is None, otherwise=bench.words)
        assert "source homes: the broker has lost our session" in caplog.text

    def test_nothing_is_said_of_one_that_it_kept(
        self, bench: MqttBench, broker: Broker, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.start()

        broker.end()
        wait_until(lambda: bench.counts.away is not None)
        broker.start()

        wait_until(lambda: bench.counts.away is None, otherwise=bench.words)
        assert "lost" not in caplog.text.replace("connection is lost", "")

    def test_a_broker_that_keeps_nothing_is_said(
        self, bench: MqttBench, make_broker: MakeBroker, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker = make_broker(anonymous=True, most_qos=0)
        Path("sources.toml").write_text(sources_at(broker.port))

        bench.start()

        assert "source homes: the broker grants meters/+ with QoS 0 only" in caplog.text


class TestAccess:
    def test_a_password_is_read_again(
        self, make_broker: MakeBroker, bench: MqttBench, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker = make_broker()
        broker.admit("fleet", "first-password")
        secret = Path("homes.password")
        secret.write_text("another-password\n")
        secret.chmod(0o600)
        Path("sources.toml").write_text(
            sources_at(broker.port, more='username = "fleet"\npassword_file = "homes.password"\n')
        )
        bench.container.intake.mqtt_sources()()
        wait_until(lambda: "Not authorized" in str(bench.counts.away), otherwise=bench.words)

        secret.write_text("first-password\n")

        wait_until(lambda: bench.counts.away is None, timeout_s=20, otherwise=bench.words)
        assert "-password" not in caplog.text

    def test_a_broker_is_trusted_by_its_authority(
        self, make_broker: MakeBroker, bench: MqttBench, tmp_path: Path
    ) -> None:
        certificate = make_certificate(tmp_path, "broker")
        broker = make_broker(anonymous=True, tls=certificate)
        bench.rewrite(sources_at(broker.port, scheme="mqtts"))
        wait_until(lambda: "certificate verify failed" in str(bench.counts.away))

        bench.rewrite(
            sources_at(broker.port, scheme="mqtts", more=f'ca_file = "{certificate.certificate}"\n')
        )

        bench.start()

    def test_plain_mqtt_stays_on_this_machine(self, bench: MqttBench) -> None:
        Path("sources.toml").write_text(sources_at(1883).replace("127.0.0.1", "broker.example"))

        with pytest.raises(
            ValueError, match=r"url: must begin with mqtts://, or allow_plain be true"
        ):
            bench.container.intake.sources().all()


def publish_properties(port: int, topic: str, *, size: int) -> None:
    """A message of MQTT 5 with so many bytes of properties."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("name", "x" * 60_000)] * (size // 60_000)
    client.publish(topic, b"{}", qos=1, properties=properties).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()
