"""The time of whole cycles (step, store, build, deliver), their CPU and memory, by size and shape.

    python -m bench.cycle

Each in a process of its own, which finds its fleet in the database as after a restart.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import child
from bench.fleet import Shape, container_of, fleet, sink
from bench.rows import Row, table

SIZES = (Shape(10, 1_000), Shape(100, 1_000), Shape(1_000, 1_000))
SHAPES = (Shape(1, 100_000), Shape(1_000, 100), Shape(100_000, 1))
CYCLES = 5
MANY_VENS = 10_000
"""From so many on, a cycle takes a minute."""


def measure(shape: Shape, *, cycles: int = CYCLES) -> dict[str, Any]:
    """Seconds and CPU seconds of each cycle, the parts of it, and the peak of memory."""
    with sink() as vtn, tempfile.TemporaryDirectory() as directory:
        given = {"shape": asdict(shape), "base_url": vtn.base_url, "directory": directory}
        child.call("bench.cycle", **given, seeds=True)
        found: dict[str, Any] = child.call("bench.cycle", **given, seeds=False, cycles=cycles)
        counted = vtn.counts()["readings"]
        assert counted == (cycles + 1) * shape.resources, f"the sink counts {counted} readings"
        return found


def rows(*, cycles: int = CYCLES) -> list[Row]:
    """By size, with the growth, and by shape."""
    found = {
        shape: measure(shape, cycles=cycles if shape.vens < MANY_VENS else 2)
        for shape in (*SIZES, *SHAPES)
    }
    made = []
    for shape in (*SIZES, *SHAPES):
        section = f"cycle, {shape}"
        largest = shape == SIZES[-1]
        figures = found[shape]
        made += [
            Row(
                section=section,
                name="step, store, build, deliver",
                values=figures["cycle_s"],
                unit="s",
                goal="<= 1.5" if largest else ("<= 25" if shape.vens >= MANY_VENS else ""),
            ),
            Row(section=section, name="of it step and store", values=figures["step_s"], unit="s"),
            Row(section=section, name="CPU of our process", values=figures["cpu_s"], unit="s"),
            Row(
                section=section,
                name="peak memory",
                values=[figures["peak_mb"]],
                unit="MB",
                goal="<= 1,000" if largest else "",
            ),
        ]
    medium, large = (found[shape]["cycle_s"] for shape in SIZES[1:])
    growth = [
        b / a / (SIZES[2].resources / SIZES[1].resources)
        for a, b in zip(medium, large, strict=True)
    ]
    made.append(
        Row(
            section="cycle, growth",
            name="100,000 to 1,000,000, against linear",
            values=growth,
            unit="",
            goal="<= 1.15",
        )
    )
    return made


def run_cycles(shape: Shape, base_url: str, directory: Path, cycles: int) -> dict[str, Any]:
    container = container_of(base_url, directory)
    simulator, manager = container.simulator(), container.ven_manager()
    figures: dict[str, list[float]] = {"cycle_s": [], "cpu_s": [], "step_s": []}
    for number in range(cycles + 1):
        began_s, cpu_s = time.perf_counter(), time.process_time()
        simulator.increase_time()
        stepped_s = time.perf_counter()
        delivered = manager.generate_reports()
        ended_s = time.perf_counter()
        assert delivered == shape.resources
        if number:  # the first one reads the fleet
            figures["cycle_s"].append(ended_s - began_s)
            figures["cpu_s"].append(time.process_time() - cpu_s)
            figures["step_s"].append(stepped_s - began_s)
    container.openadr.http().close()
    container.platform.database().close()
    return {**figures, "peak_mb": child.peak_mb()}


def main() -> None:
    given = child.given()
    shape, directory = Shape(**given["shape"]), Path(given["directory"])
    if given["seeds"]:
        with fleet(shape, given["base_url"], directory):
            child.answer({})
    else:
        child.answer(run_cycles(shape, given["base_url"], directory, given["cycles"]))


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else print(table(rows()))
