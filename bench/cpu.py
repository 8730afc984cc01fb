"""CPU per report or per step, a round for each line of stdin; see `bench.before`.

Knows only what the benchmarks of every tree have, and the contract: it runs with the modules of
the tree that PYTHONPATH names.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.fleet import Shape, container_of, fleet, save_enrolled, sink

TICKS = 8
"""Of a small fleet, in one round."""
STEPS = 3


def delivery(shape: Shape, scope: ExitStack) -> Callable[[], float]:
    """Rounds of ticks and deliveries; the CPU time of one report."""
    vtn = scope.enter_context(sink())
    directory = scope.enter_context(tempfile.TemporaryDirectory())
    container = scope.enter_context(fleet(shape, vtn.base_url, Path(directory)))
    simulator, manager = container.simulator(), container.ven_manager()
    ticks = TICKS if shape.resources < 100_000 else 1

    def round_() -> float:
        before = int(vtn.counts()["reports"])
        began_s = time.process_time()
        for _ in range(ticks):
            simulator.increase_time()
            manager.generate_reports()
        spent_s = time.process_time() - began_s
        return spent_s / (int(vtn.counts()["reports"]) - before)

    return round_


def step(shape: Shape, scope: ExitStack) -> Callable[[], float]:
    """Rounds of steps; the CPU time of one."""
    from app.fleet import sample_fleet

    directory = scope.enter_context(tempfile.TemporaryDirectory())
    container = container_of("http://127.0.0.1:9", Path(directory))
    sample = sample_fleet(vens=shape.vens, resources_per_ven=shape.resources_per_ven)
    save_enrolled(container, sample)
    simulator = container.simulator()

    def round_() -> float:
        began_s = time.process_time()
        for _ in range(STEPS):
            simulator.next_frame()
        return (time.process_time() - began_s) / STEPS

    return round_


def main() -> None:
    what, vens, resources_per_ven = sys.argv[1:]
    shape = Shape(int(vens), int(resources_per_ven))
    with ExitStack() as scope:
        measure = {"delivery": delivery, "step": step}[what](shape, scope)
        for _ in sys.stdin:
            print(measure(), flush=True)


if __name__ == "__main__":
    main()
