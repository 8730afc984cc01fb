"""What reports per interval cost: between the quarters and at one, and the forecast of a year.

    python -m bench.intervals

15-minute USAGE of a fleet of large VENs; four requests of each of many small ones (15-minute USAGE
and BASELINE, hourly USAGE, and a forecast of the next hour); and one VEN that is asked what it will
use in each hour of a year. Time is the benchmark's own: a tick every 30 s, and a delivery after
each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dependency_injector import providers
from sqlalchemy import Engine, event

from app.openadr import Event, read_event, write_instant
from bench import child
from bench.fleet import Shape, container_of, seed, sink
from bench.rows import Row, table
from containers import Container

SHAPE = Shape(1_000, 46)
QUARTERS = 5
TICK = timedelta(seconds=30)
TICKS = 30
"""Of a quarter."""
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def asked(name: str, duration: str, *descriptors: dict[str, Any], count: int = 1) -> Event:
    """An event of so many intervals from noon on, over and over for a day."""
    return read_event(
        {
            "id": name,
            "programID": "p",
            "duration": "P1D" if count == 1 else "P9999Y",
            "intervalPeriod": {"start": write_instant(NOON), "duration": duration},
            "intervals": [{"id": number} for number in range(count)],
            "reportDescriptors": list(descriptors),
        }
    )


FORECAST = {"payloadType": "USAGE_FORECAST", "historical": False}
USAGE = [asked("usage", "PT15M", {"payloadType": "USAGE"})]
FOUR = [
    asked("quarters", "PT15M", {"payloadType": "USAGE"}, {"payloadType": "BASELINE"}),
    asked("hours", "PT1H", {"payloadType": "USAGE"}, FORECAST),
]
MANY = Shape(10_000, 1)
YEAR_H = 8_760
LARGE_VEN = Shape(1, 46)


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


@contextmanager
def fleet(shape: Shape, events: Sequence[Event]) -> Iterator[tuple[Container, Time, Path]]:
    """A fleet that is asked for this, its time, and the folder of its store."""
    with sink() as vtn, tempfile.TemporaryDirectory() as directory:
        container, now = container_of(vtn.base_url, Path(directory)), Time()
        container.platform.clock.override(providers.Object(now))
        seed(container, shape, events)
        yield container, now, Path(directory)
        container.openadr.http().close()
        container.platform.database().close()


def measure(
    shape: Shape, *, quarters: int, events: Sequence[Event], each: int
) -> dict[str, list[float]]:
    """Seconds and statements of deliveries that have nothing to send, of asking what waits, and of
    those at the quarter, which deliver so many values of `each` resource; memory and store, MB."""
    with fleet(shape, events) as (container, now, directory):
        found = run_quarters(container, now, each * shape.resources, quarters)
        stored = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        return {**found, "store_mb": [stored / 1e6], "resident_mb": [child.resident_mb()]}


def run_quarters(
    container: Container, now: Time, expected: int, quarters: int
) -> dict[str, list[float]]:
    names = ("idle_ms", "idle_statements", "waiting_ms", "waiting_statements", "quarter_s")
    figures: dict[str, list[float]] = {name: [] for name in names}
    manager, delivery = container.ven_manager(), container.delivery.service()
    for quarter in range(quarters):
        for tick in range(TICKS):
            now.now += TICK
            container.simulator().increase_time()
            delivered, took_s, statements = _measured(manager.generate_reports)
            if tick == TICKS - 1:
                assert delivered == expected, f"{delivered} values at the quarter"
                figures["quarter_s"].append(took_s)
                continue
            if not quarter and not tick:
                continue  # the first forecasts, and what is read once
            assert delivered == 0
            figures["idle_ms"].append(took_s * 1000)
            figures["idle_statements"].append(statements)
            _, took_s, statements = _measured(delivery.waiting)
            figures["waiting_ms"].append(took_s * 1000)
            figures["waiting_statements"].append(statements)
    return figures


def quarter_rows(
    name: str, shape: Shape, events: Sequence[Event], *, each: int, quarters: int, goal: str = ""
) -> list[Row]:
    found = measure(shape, quarters=quarters, events=events, each=each)
    section = f"{name}, {shape}"
    return [
        Row(section=section, name=words, values=found[key], unit=unit, goal=to_reach)
        for words, key, unit, to_reach in (
            ("a delivery with nothing due", "idle_ms", "ms", ""),
            ("of it statements", "idle_statements", "", ""),
            ("what waits, asked", "waiting_ms", "ms", ""),
            ("of it statements ", "waiting_statements", "", ""),
            ("the delivery at the quarter", "quarter_s", "s", goal),
            ("store", "store_mb", "MB", ""),
            ("memory of the benchmark", "resident_mb", "MB", ""),
        )
    ]


def year_rows(*, hours: int = YEAR_H, rounds: int = 3) -> list[Row]:
    """A forecast of each hour of a year: made, and made and delivered in parts."""
    descriptor = {**FORECAST, "startInterval": 0, "numIntervals": hours}
    made_s: list[float] = []
    with fleet(LARGE_VEN, [asked("year", "PT1H", descriptor, count=hours)]) as (container, _, _):
        simulator, manager = container.simulator(), container.ven_manager()
        simulator.increase_time()
        spans = [
            (NOON + timedelta(hours=hour), NOON + timedelta(hours=hour + 1))
            for hour in range(hours)
        ]
        (ven_name,) = manager.polled
        for _ in range(rounds):
            began_s = time.perf_counter()
            simulator.forecast(ven_name, spans)
            made_s.append(time.perf_counter() - began_s)
        delivered, took_s, _ = _measured(manager.generate_reports)
        assert delivered == hours * LARGE_VEN.resources
    section = f"a forecast of {hours:,} hours, {LARGE_VEN}"
    return [
        Row(section=section, name="made", values=made_s, unit="s", goal="< 1"),
        Row(section=section, name="made once, and delivered in parts", values=[took_s], unit="s"),
    ]


def rows(
    *, shape: Shape = SHAPE, many: Shape = MANY, quarters: int = QUARTERS, hours: int = YEAR_H
) -> list[Row]:
    return [
        *quarter_rows("15-minute USAGE", shape, USAGE, each=1, quarters=quarters),
        *quarter_rows("four requests", many, FOUR, each=2, quarters=2, goal="<= 30"),
        *year_rows(hours=hours),
    ]


if __name__ == "__main__":
    print(table(rows()))
