"""Forecasts of so many intervals that they go in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from tests.support.wiring import provider
from tests.support.workbench import RESOURCES, SAMPLE, Bench

pytestmark = pytest.mark.in_process

HOURS = 300
MOST_READINGS = 250


class CountingModel:
    """The simulator, which counts the forecasts that are asked of it, by VEN."""

    def __init__(self, simulator: Any) -> None:
        self._simulator = simulator
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)

    def forecast(self, ven_name: str, spans: Sequence[tuple[datetime, datetime]]) -> Any:
        self.asked[ven_name] += 1
        return self._simulator.forecast(ven_name, spans)


@pytest.fixture
def model(bench: Bench) -> CountingModel:
    made = CountingModel(bench.container.simulator())
    provider(bench.container, "delivery.interval_reports").add_kwargs(model=made)
    provider(bench.container, "delivery.interval_reports").reset()
    bench.replace("delivery.builder", bench.builder(most_readings=MOST_READINGS))
    bench.ask(
        {"payloadType": "USAGE_FORECAST", "historical": False, "startInterval": 0}
        | {"numIntervals": HOURS},
        intervalPeriod={"start": bench.clock.now.isoformat(), "duration": "PT1H"},
        intervals=[{"id": number} for number in range(HOURS)],
    )
    bench.manager.poll_events()
    return made


def test_each_is_made_once_and_told_whole(bench: Bench, model: CountingModel) -> None:
    bench.tick()

    delivered = bench.manager.generate_reports()

    assert delivered == len(SAMPLE) * RESOURCES * HOURS
    assert model.asked == dict.fromkeys(SAMPLE, 1)
    told = Counter(
        (report["clientName"], resource["resourceName"], interval["id"])
        for report in bench.reports()
        for resource in report["resources"]
        for interval in resource["intervals"]
    )
    assert len(told) == delivered
    assert set(told.values()) == {1}


def test_no_report_has_more_than_is_allowed(bench: Bench, model: CountingModel) -> None:
    bench.tick()
    bench.manager.generate_reports()

    sizes = [
        sum(len(resource["intervals"]) for resource in report["resources"])
        for report in bench.reports()
    ]
    assert max(sizes) <= MOST_READINGS
    assert model.asked
    assert len(sizes) == len(SAMPLE) * RESOURCES * 2, "one that is full, and the rest of a resource"
