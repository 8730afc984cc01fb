"""What it costs to report what real meters measure: one by one, and by the quarter-hour.

    python -m bench.meters

Time is the benchmark's own. What is measured is handed in at once; the clock runs while it is
reported.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from dependency_injector import providers

from app.fleet import Resource, ResourceKind
from app.intake import Direction, Measurements, MeterName, Quantity, SeriesKey
from app.openadr import read_event, write_instant
from app.platform import to_us
from bench.fleet import Shape, container_of, save_enrolled, sink
from bench.intervals import NOON, Time
from bench.rows import Row, table
from containers import Container

SHAPES = (Shape(100, 100), Shape(1_000, 10))
ROUNDS = 5
INSTANTS = 10
"""That each meter hands in at a time."""
TELEMETRY = {
    "id": "telemetry",
    "programID": "p",
    "reportDescriptors": [{"payloadType": "READING"}],
}
QUARTERS = {
    "id": "usage",
    "programID": "p",
    "duration": "P1D",
    "intervalPeriod": {"start": write_instant(NOON), "duration": "PT15M"},
    "intervals": [{"id": 0}],
    "reportDescriptors": [{"payloadType": "USAGE"}],
}
QUARTER = timedelta(minutes=15)
SOURCES = """
[[source]]
name = "plant"
type = "file"
"""


@contextmanager
def metered(shape: Shape, base_url: str, event: dict[str, Any]) -> Iterator[tuple[Container, Time]]:
    """A fleet of real meters that knows what it is asked."""
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "sources.toml"
        sources.write_text(SOURCES)
        container = container_of(base_url, Path(folder), sources_file=sources)
        clock = Time()
        container.platform.clock.override(providers.Object(clock))
        fleet = {
            f"V{ven:04}": [
                Resource(
                    resource_name=f"r{number}",
                    kind=ResourceKind.HEAT_PUMP,
                    power_max_kw=10.0,
                    source="plant",
                    device=f"{ven}/{number}",
                )
                for number in range(shape.resources_per_ven)
            ]
            for ven in range(shape.vens)
        }
        save_enrolled(container, fleet)
        asked = read_event(event)
        container.ven_manager().take_events([(name, asked) for name in fleet])
        yield container, clock
        container.openadr.http().close()
        container.platform.database().close()


def take(container: Container, shape: Shape, of: Quantity, times: Sequence[datetime]) -> None:
    """One value of every meter at each of these times, a batch each."""
    length_us = QUARTER // timedelta(microseconds=1) if of is Quantity.ENERGY else 0
    way = Direction.IMPORT if of is Quantity.ENERGY else Direction.NET
    keys = [
        SeriesKey(MeterName(device=f"{ven}/{number}"), of, way)
        for ven in range(shape.vens)
        for number in range(shape.resources_per_ven)
    ]
    count = len(keys)
    source = container.intake.sources().all()["plant"]
    for at in times:
        start_us = np.full(count, to_us(at))
        batch = Measurements(
            keys=keys,
            key=np.arange(count),
            start_us=start_us,
            end_us=start_us + length_us,
            value=np.arange(count) % 97 / 16,
            quality=np.zeros(count, dtype=np.int8),
            code=np.zeros(count, dtype=np.int64),
            lines=np.arange(1, count + 1),
        )
        receipt = container.intake.intake().take(batch, source)
        assert receipt.taken == count, receipt


def telemetry(shape: Shape) -> Iterator[float]:
    """Readings per second, round by round."""
    with sink() as vtn, metered(shape, vtn.base_url, TELEMETRY) as (container, clock):
        for _ in range(ROUNDS):
            times = [clock.now + (n + 1) * timedelta(seconds=1) for n in range(INSTANTS)]
            clock.now = times[-1]
            take(container, shape, Quantity.POWER, times)
            yield _rate(container, shape.resources * INSTANTS)


def quarters(shape: Shape) -> Iterator[float]:
    """The same, of energies of quarter-hours."""
    with sink() as vtn, metered(shape, vtn.base_url, QUARTERS) as (container, clock):
        for number in range(ROUNDS):
            clock.now = NOON + (number + 1) * QUARTER
            take(container, shape, Quantity.ENERGY, [NOON + number * QUARTER])
            yield _rate(container, shape.resources)


def _rate(container: Container, expected: int) -> float:
    began_s = time.perf_counter()
    told = container.ven_manager().generate_reports()
    passed_s = time.perf_counter() - began_s
    assert told == expected, f"{told} of {expected} readings were told"
    return expected / passed_s


def rows() -> list[Row]:
    """What `make bench` shows of it."""
    return [
        Row(section="real meters", name=f"{what}, {shape}", values=list(of(shape)), unit="/s")
        for what, of in (("told one by one", telemetry), ("quarter-hours", quarters))
        for shape in SHAPES
    ]


if __name__ == "__main__":
    print(table(rows()))
