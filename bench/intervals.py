"""What reports per interval cost: 15-minute USAGE of every VEN, between the quarters and at one.

    python -m bench.intervals

Time is the benchmark's own: a tick every 30 s, and a delivery after each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dependency_injector import providers
from sqlalchemy import Engine, event

from app.openadr import read_event, write_instant
from bench.fleet import Shape, container_of, seed, sink
from bench.rows import Row, table
from containers import Container

SHAPE = Shape(1_000, 46)
QUARTERS = 5
TICK = timedelta(seconds=30)
TICKS = 30
"""Of a quarter."""
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVENT = {
    "id": "usage",
    "programID": "p",
    "duration": "P1D",
    "intervalPeriod": {"start": write_instant(NOON), "duration": "PT15M"},
    "intervals": [{"id": 0}],
    "reportDescriptors": [{"payloadType": "USAGE"}],
}


class Time:
    """What time it is, as the benchmark says."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Statements:
    """Counts the statements of a database."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *_: Any) -> None:
        self.count += 1


@contextmanager
def counted() -> Iterator[Statements]:
    """Those of all databases of this process."""
    statements = Statements()
    event.listen(Engine, "before_cursor_execute", statements)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", statements)


def _measured(work: Callable[[], int]) -> tuple[int, float, int]:
    """What it returned, how many seconds it took, and its statements."""
    with counted() as statements:
        began_s = time.perf_counter()
        result = work()
        return result, time.perf_counter() - began_s, statements.count


def measure(shape: Shape, *, quarters: int) -> dict[str, list[float]]:
    """Seconds and statements of deliveries that have nothing to send, of asking what waits, and of
    those at the quarter."""
    with sink() as vtn, tempfile.TemporaryDirectory() as directory:
        container, now = container_of(vtn.base_url, Path(directory)), Time()
        container.platform.clock.override(providers.Object(now))
        seed(container, shape, [read_event(EVENT)])
        found = run_quarters(container, now, shape, quarters)
        container.openadr.http().close()
        container.platform.database().close()
        return found


def run_quarters(
    container: Container, now: Time, shape: Shape, quarters: int
) -> dict[str, list[float]]:
    names = ("idle_ms", "idle_statements", "waiting_ms", "waiting_statements", "quarter_s")
    figures: dict[str, list[float]] = {name: [] for name in names}
    manager, delivery = container.ven_manager(), container.delivery.service()
    for _ in range(quarters):
        for tick in range(TICKS):
            now.now += TICK
            container.simulator().increase_time()
            delivered, took_s, statements = _measured(manager.generate_reports)
            if tick == TICKS - 1:
                assert delivered == shape.resources, f"{delivered} values at the quarter"
                figures["quarter_s"].append(took_s)
                continue
            assert delivered == 0
            figures["idle_ms"].append(took_s * 1000)
            figures["idle_statements"].append(statements)
            _, took_s, statements = _measured(delivery.waiting)
            figures["waiting_ms"].append(took_s * 1000)
            figures["waiting_statements"].append(statements)
    return figures


def rows(*, shape: Shape = SHAPE, quarters: int = QUARTERS) -> list[Row]:
    found = measure(shape, quarters=quarters)
    section = f"15-minute USAGE, {shape}"
    return [
        Row(section=section, name=name, values=found[key], unit=unit)
        for name, key, unit in (
            ("a delivery with nothing due", "idle_ms", "ms"),
            ("of it statements", "idle_statements", ""),
            ("what waits, asked", "waiting_ms", "ms"),
            ("of it statements ", "waiting_statements", ""),
            ("the delivery at the quarter", "quarter_s", "s"),
        )
    ]


if __name__ == "__main__":
    print(table(rows()))
