"""One process against two shards of the same fleet, on the same two cores as the sink.

    python -m bench.shards

Both are processes that own what they run: each transaction looks at its lease, and all that leaves
waits for the fence. They go on for some cycles (step, store, build, deliver) at a time, in turn.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from app.fleet import sample_fleet
from app.openadr import read_event
from app.settings.model import Settings
from bench import child
from bench.fleet import VENS_AT_ONCE, Shape, save_enrolled, sink
from bench.rows import Row, table
from bench.sink import EVENTS
from containers import Container

SHAPES = (Shape(1_000, 46), Shape(1_000, 1_000))
ROUNDS = 5
READINGS = 1_000_000
"""Of one round, about."""


class Fleet:
    """Its processes, each with its part of the fleet."""

    def __init__(self, shape: Shape, shards: int, base_url: str, directory: Path) -> None:
        self._shape = shape
        self._processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "bench.shards",
                    orjson.dumps(
                        {
                            "vens": shape.vens,
                            "resources_per_ven": shape.resources_per_ven,
                            "fleet": {"shards": shards, "shard": number},
                            "base_url": base_url,
                            "directory": str(directory),
                        }
                    ).decode(),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
            )
            for number in range(shards)
        ]
        for process in self._processes:
            _read(process)  # it has its fleet

    def run(self, cycles: int) -> tuple[float, float]:
        """So many cycles in each at a time: elapsed and CPU microseconds per reading."""
        began_s = time.perf_counter()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{cycles}\n")
            process.stdin.flush()
        said = [_read(process) for process in self._processes]
        elapsed_s = time.perf_counter() - began_s
        readings = sum(each["readings"] for each in said)
        assert readings == cycles * self._shape.resources
        cpu_s = sum(each["cpu_s"] for each in said)
        return 1e6 * elapsed_s / readings, 1e6 * cpu_s / readings

    def close(self) -> None:
        for process in self._processes:
            process.communicate()


def _read(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return orjson.loads(process.stdout.readline())


@contextmanager
def fleets(shape: Shape) -> Iterator[dict[int, Fleet]]:
    """One process, and two shards, at one sink."""
    with sink() as vtn, tempfile.TemporaryDirectory() as directory:
        made = {
            shards: Fleet(shape, shards, vtn.base_url, Path(directory) / str(shards))
            for shards in (1, 2)
        }
        yield made
        for each in made.values():
            each.close()


def rows(*, rounds: int = ROUNDS) -> list[Row]:
    """Per shape: elapsed time and CPU per reading, and the ratios of neighbouring rounds."""
    found: list[Row] = []
    for shape in SHAPES:
        cycles = max(READINGS // shape.resources, 1)
        figures: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
        with fleets(shape) as both:
            for number in range(rounds):
                for shards in (1, 2) if number % 2 else (2, 1):
                    figures[shards].append(both[shards].run(cycles))
        found += _of(shape, figures)
    return found


def _of(shape: Shape, figures: dict[int, list[tuple[float, float]]]) -> list[Row]:
    section = f"shards, {shape}"
    names = {1: "one process", 2: "two shards"}
    made = [
        Row(section=section, name=f"{names[shards]}: {what}", values=values, unit="us a reading")
        for shards, pairs in figures.items()
        for what, values in zip(("elapsed", "CPU"), _columns(pairs), strict=True)
    ]
    for what, one, two in zip(
        ("elapsed", "CPU"), _columns(figures[1]), _columns(figures[2]), strict=True
    ):
        ratios = [b / a for a, b in zip(one, two, strict=True)]
        made.append(
            Row(section=section, name=f"{what}, two shards to one process", values=ratios, unit="")
        )
    return made


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [elapsed for elapsed, _ in pairs], [cpu for _, cpu in pairs]


def _seed(container: Container, shape: Shape) -> None:
    sample = sample_fleet(vens=shape.vens, resources_per_ven=shape.resources_per_ven)
    own = container.fleet.repository().own(sample)
    save_enrolled(container, own)
    names = list(own)
    for event in map(read_event, EVENTS):
        for start in range(0, len(names), VENS_AT_ONCE):
            pushed = [(name, event) for name in names[start : start + VENS_AT_ONCE]]
            container.ven_manager().take_events(pushed)


def main() -> None:
    given = child.given()
    container = Container()
    vtn = {"base_url": given["base_url"], "bearer_token": "bench", "push": "off"}
    settings = Settings(
        data_dir=given["directory"],
        vtn=vtn,
        fleet=given["fleet"],
        metering={"default_source": "simulator"},
    )
    container.settings.override(settings)
    container.platform.owner().acquire()
    container.platform.database().open()
    _seed(container, Shape(given["vens"], given["resources_per_ven"]))
    simulator, manager = container.simulator(), container.ven_manager()

    def run(cycles: int) -> dict[str, float]:
        cpu_s, readings = time.process_time(), 0
        for _ in range(cycles):
            simulator.increase_time()
            readings += manager.generate_reports()
        return {"cpu_s": time.process_time() - cpu_s, "readings": readings}

    run(1)  # which reads the fleet
    child.answer({})
    for line in sys.stdin:
        child.answer(run(int(line)))
    container.openadr.http().close()
    container.platform.owner().release()
    container.platform.database().close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main()
    else:
        print(table(rows()))
