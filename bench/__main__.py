"""All benchmarks, one table. `make bench` writes it to bench/results.md.

python -m bench [--only delivery --only cycle ...] [--before COMMIT] [--output FILE]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import (
    before,
    cycle,
    delivery,
    enrolment,
    gateway,
    intake,
    intervals,
    meters,
    mqtt,
    orders,
    page,
    poll,
    schedule,
    shards,
    start,
    step,
)
from bench.rows import Row, machine, table

RESULTS = Path(__file__).with_name("results.md")
SECTIONS: dict[str, Callable[[], list[Row]]] = {
    "delivery": delivery.rows,
    "before": before.rows,
    "cycle": cycle.rows,
    "intervals": intervals.rows,
    "step": step.rows,
    "enrolment": enrolment.rows,
    "poll": poll.rows,
    "intake": intake.rows,
    "gateway": gateway.rows,
    "meters": meters.rows,
    "mqtt": mqtt.rows,
    "orders": orders.rows,
    "shards": shards.rows,
    "schedule": schedule.rows,
    "start": start.rows,
    "page": page.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="one section, or more")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--before", metavar="COMMIT", help="what CPU is compared with")
    options = parser.parse_args()
    sections: dict[str, Callable[[], list[Row]]] = {
        **SECTIONS,
        "before": partial(before.rows, options.before),
    }
    names = options.only or list(SECTIONS)
    rows: list[Row] = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        refresh_per_second=1,  # it is to be measured, and not watched
    ) as bar:
        shown = bar.add_task("sections", total=len(names))
        for name in names:
            bar.update(shown, description=name)
            began_s = time.perf_counter()
            rows += sections[name]()
            bar.advance(shown)
            bar.console.print(f"{name}: {time.perf_counter() - began_s:.0f} s")
    text = f"{table(rows)}\n\n{machine()}\n"
    print(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
