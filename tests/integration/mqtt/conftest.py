"""A fleet, its broker, and a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeContainer
from tests.support.broker import Broker
from tests.support.fakes import FakeClock
from tests.support.mqtt import (
    Device,
    MqttBench,
    sources_at,
)

MakeBroker = Callable[..., Broker]


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Brokers that keep what waits for a client, and are set up as the documentation says."""
    made: list[Broker] = []

    def make(**settings: Any) -> Broker:
        made.append(Broker(tmp_path / f"broker-{len(made)}", keeps=True, **settings))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(make_broker: MakeBroker) -> Broker:
    """It lets everybody in."""
    return make_broker(anonymous=True)


@pytest.fixture
def device(broker: Broker) -> Iterator[Device]:
    made = Device(broker.port)
    yield made
    made.close()


@pytest.fixture
def bench(broker: Broker, make_container: MakeContainer, clock: FakeClock) -> Iterator[MqttBench]:
    """A fleet whose devices publish their power with its time."""
    Path("sources.toml").write_text(sources_at(broker.port))
    made = MqttBench(make_container(), clock)
    yield made
    made.stop()
