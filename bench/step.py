"""Readings computed per second by one step of the simulator, beside a bare NumPy gather.

python -m bench.step
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from app.fleet import sample_fleet
from app.openadr import read_event
from bench.fleet import Shape, container_of, save_enrolled
from bench.rows import Row, ratio, table
from containers import Container

SHAPE = Shape(1_000, 1_000)
STEPS = 9
GATHER = "NumPy alone: a bare gather"
SCALED = "NumPy alone: gathered, scaled, with noise of a table"
DRAWN = "NumPy alone: the same, with noise drawn anew"
BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVENT = {
    "id": "e",
    "programID": "p",
    "intervalPeriod": {"start": "2026-06-01T12:00:00Z", "duration": "PT4H"},
    "intervals": [
        {
            "id": 0,
            "payloads": [
                {"type": "SIMPLE", "values": [2]},
                {"type": "IMPORT_CAPACITY_LIMIT", "values": [100.0]},
            ],
        }
    ],
}


def per_s(resources: int, step: Callable[[], Any], times: int) -> list[float]:
    """Readings per second of each of so many steps."""
    step()  # what is worked out once
    made = []
    for _ in range(times):
        began_s = time.perf_counter()
        step()
        made.append(resources / (time.perf_counter() - began_s))
    return made


def bare_per_s(resources: int, times: int) -> dict[str, list[float]]:
    """What NumPy alone reaches: a value per kind, gathered for each resource; the same, scaled and
    with noise, from a table that was drawn before or drawn anew."""
    drawn = np.random.default_rng(1)
    table_ = drawn.random(8, dtype=np.float32)
    kinds = drawn.integers(0, 8, resources).astype(np.intp)
    scale = drawn.random(resources, dtype=np.float32)
    noise = drawn.standard_normal(resources + 1, dtype=np.float32)
    steps = {
        GATHER: lambda: table_.take(kinds),
        SCALED: lambda: table_.take(kinds) * scale + noise[1:],
        DRAWN: lambda: (
            table_.take(kinds) * scale + drawn.standard_normal(resources, dtype=np.float32)
        ),
    }
    return {name: per_s(resources, step, times) for name, step in steps.items()}


def rows(shape: Shape = SHAPE, *, steps: int = STEPS) -> list[Row]:
    """Without an event, with one in force, and the gather."""
    now = [BEGIN]
    with tempfile.TemporaryDirectory() as directory:
        container: Container = container_of("http://127.0.0.1:9", Path(directory))
        container.platform.clock.override(lambda: now[0])
        sample = sample_fleet(vens=shape.vens, resources_per_ven=shape.resources_per_ven)
        save_enrolled(container, sample)
        simulator = container.simulator()

        def step() -> None:
            now[0] += timedelta(seconds=30)
            simulator.next_frame()

        simulator.increase_time()
        quiet = per_s(shape.resources, step, steps)
        event = read_event(EVENT)
        container.ven_manager().take_events([(name, event) for name in sample])
        asked = per_s(shape.resources, step, steps)
        container.platform.database().close()
    section = f"step, {shape.resources:,} resources"
    figures = {"no event": quiet, "an event in force": asked}
    figures |= bare_per_s(shape.resources, steps)
    made = {
        name: Row(
            section=section,
            name=name,
            values=values,
            unit="readings/s",
            goal=">= 20,000,000" if values is quiet else "",
        )
        for name, values in figures.items()
    }
    gather = made[GATHER]
    return [
        *made.values(),
        ratio(section, "no event, to the gather", made["no event"], gather, goal=">= 0.4"),
        ratio(section, "the shape alone, to the gather", made[SCALED], gather, goal=""),
        ratio(section, "with noise drawn anew, to the gather", made[DRAWN], gather, goal=""),
    ]


if __name__ == "__main__":
    print(table(rows()))
