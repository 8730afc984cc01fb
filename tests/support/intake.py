"""A fleet with real meters, and measurements as sources hand them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from app.fleet import Resource, ResourceKind
from app.intake import (
    Direction,
    Measurements,
    MeterName,
    Quality,
    Quantity,
    Receipt,
    SeriesKey,
)
from app.platform import from_us, to_us
from containers import Container
from tests.support.fakes import FakeClock

TOKEN = "a-token-of-the-plant"
SOURCES = """
[[source]]
name = "plant"
type = "http"
token_file = "plant.token"
[[source]]
name = "portal"
type = "file"
time_zone = "Europe/Copenhagen"
"""
QUARTER = timedelta(minutes=15)


class IntakeBench:
    """Two resources of the source `plant`, one of `portal`, and one that is simulated."""

    def __init__(
        self, make_container: Callable[..., Container], clock: FakeClock, **settings: Any
    ) -> None:
        self.clock = clock
        self.container = make_container(**settings)
        self.container.platform.clock.override(clock)
        self.container.platform.monotonic.override(clock.monotonic)
        prepare(self.container, Path())

    def take(self, batch: Measurements) -> Receipt:
        """Handed in by `plant`."""
        source = self.container.intake.sources().all()["plant"]
        receipt: Receipt = self.container.intake.intake().take(batch, source)
        return receipt

    def values(self) -> list[tuple[str, datetime, datetime, float]]:
        """Everything that is known: resource, start, end, value."""
        log = self.container.intake.log()
        return sorted(
            (name.resource_name, from_us(start), from_us(end), value)
            for number, name in log.series()
            for _, start, end, value, *_ in log.read(number, 0, 1 << 60).tolist()
        )


def prepare(container: Container, folder: Path) -> None:
    """The file of sources, and the fleet."""
    (folder / "sources.toml").write_text(SOURCES)
    token = folder / "plant.token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    container.fleet.repository().save(
        {
            "Aarhus": [
                meter("hall", source="plant", device="d-1"),
                meter("roof", source="plant", device="d-2", meter_point_id="57131300"),
                meter("pump", source="portal", meter_point_id="NMI1"),
                meter("model", source="simulator"),
            ]
        }
    )


def meter(name: str, **fields: Any) -> Resource:
    return Resource(resource_name=name, kind=ResourceKind.HEAT_PUMP, power_max_kw=10.0, **fields)


def measured(
    start: datetime,
    *values: float,
    device: str = "d-1",
    quantity: Quantity = Quantity.ENERGY,
    direction: Direction = Direction.IMPORT,
    step: timedelta = QUARTER,
    quality: Quality = Quality.OK,
) -> Measurements:
    """Intervals one behind the other; instants, where the quantity is no energy."""
    begins = np.array([to_us(start + number * step) for number in range(len(values))])
    length = step if quantity is Quantity.ENERGY else timedelta(0)
    return Measurements(
        keys=[SeriesKey(MeterName(device=device), quantity, direction)],
        key=np.zeros(len(values), dtype=np.int64),
        start_us=begins,
        end_us=begins + length // timedelta(microseconds=1),
        value=np.array(values, dtype=np.float64),
        quality=np.full(len(values), quality, dtype=np.int8),
        code=np.zeros(len(values), dtype=np.int64),
        lines=np.arange(1, len(values) + 1),
    )


def reasons(receipt: Receipt) -> Sequence[str]:
    return [each.reason for each in receipt.refusals.first]
