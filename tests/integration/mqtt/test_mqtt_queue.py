"""What waits at the broker while the fleet is away, however much it is."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from tests.conftest import MakeContainer
from tests.support.broker import Broker
from tests.support.fakes import FakeClock
from tests.support.mqtt import MqttBench, RawPublisher, sources_at
from tests.support.waiting import wait_until

QUEUED = int(os.environ.get("MQTT_QUEUED", "20000"))
"""`make soak` publishes a million."""
METERS, AT_ONCE = 50, 1_000


@pytest.mark.rest
def test_all_of_it_is_taken_once(
    broker: Broker, make_container: MakeContainer, clock: FakeClock
) -> None:
    Path("sources.toml").write_text(sources_at(broker.port, more='late = "P30D"\n'))
    bench = MqttBench(make_container(), clock, meters=METERS)
    bench.start()
    bench.stop()
    begin = clock() - timedelta(seconds=QUEUED // METERS + 1)
    publisher = RawPublisher(broker.port)
    for first in range(0, QUEUED, AT_ONCE):
        publisher.publish(
            (
                f"meters/d-{number % METERS}",
                orjson.dumps(
                    {
                        "power_kw": number % 9,
                        "ts": (begin + timedelta(seconds=number // METERS)).isoformat(),
                    }
                ),
            )
            for number in range(first, first + AT_ONCE)
        )
    publisher.close()

    bench.start()

    wait_until(lambda: bench.counts.taken == QUEUED, timeout_s=600, otherwise=bench.words)
    assert bench.counts.repeated == bench.counts.refused == 0
    assert len(bench.values()) == QUEUED
    bench.stop()
