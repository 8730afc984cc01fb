"""How late tasks start while delivery runs at full load.

    python -m bench.schedule

The application's schedule in a process of its own, metering so often that delivery never rests.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench import child
from bench.fleet import Shape, fleet, sink
from bench.rows import Row, table

SHAPE = Shape(287, 46)
LASTS_S = 120.0
LOOKS_EVERY_S = 0.02
TASKS = {
    "simulate_meterdata": {"seconds": 0.1},
    "generate_reports": {"seconds": 0.1},
    "heartbeat": {"seconds": 1},
    "resource_status_checker": {"seconds": 0.5},
    "poll_events": {"seconds": 10},
}


def rows(shape: Shape = SHAPE, *, lasts_s: float = LASTS_S) -> list[Row]:
    """Percentiles of how long after its planned time a task began."""
    with sink() as vtn, tempfile.TemporaryDirectory() as directory:
        found = child.call(
            "bench.schedule",
            shape=asdict(shape),
            base_url=vtn.base_url,
            directory=directory,
            lasts_s=lasts_s,
        )
    late_ms = np.array(found["late_s"]) * 1000
    section = f"schedule, {shape}, {len(late_ms):,} starts in {lasts_s:.0f} s"
    percentiles = (("p50", 50, ""), ("p99", 99, "<= 50"), ("longest", 100, ""))
    return [
        *(
            Row(
                section=section,
                name=f"lateness of a start, {name}",
                values=[float(np.percentile(late_ms, share))],
                unit="ms",
                goal=goal,
            )
            for name, share, goal in percentiles
        ),
        Row(
            section=section,
            name="delivered meanwhile",
            values=[found["delivered"] / lasts_s],
            unit="readings/s",
        ),
    ]


def starts(container: Any, lasts_s: float) -> Iterator[float]:
    """The lateness of every start, in seconds."""
    scheduler = container.scheduler()
    seen: dict[str, Any] = {}
    ends_s = time.monotonic() + lasts_s
    while time.monotonic() < ends_s:
        for name in TASKS:
            info = scheduler.get_job_info(name)
            if info["lateness_s"] is not None and info["last_start"] != seen.get(name):
                seen[name] = info["last_start"]
                yield info["lateness_s"]
        time.sleep(LOOKS_EVERY_S)


def main() -> None:
    logging.disable()  # that starts are skipped is what full load means
    given = child.given()
    shape, directory = Shape(**given["shape"]), Path(given["directory"])
    with fleet(shape, given["base_url"], directory, tasks=TASKS) as container:
        container.scheduler().start()
        before = container.streams.store().waiting()
        late_s = list(starts(container, given["lasts_s"]))
        made = container.readings.log().newest_seq() * shape.resources
        left = container.streams.store().waiting()
        container.platform.shutdown().set()
        container.scheduler().shutdown(timeout_s=5)
        child.answer({"late_s": late_s, "delivered": before + made - left})


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else print(table(rows()))
