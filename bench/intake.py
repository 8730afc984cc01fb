"""Measurements taken per second over HTTP and from files, and what they cost others meanwhile.

    python -m bench.intake

Over HTTP, two clients in processes of their own post batches of 1,000, each value new. A file of
quarter-hours is imported in a process of its own; the fleet meters and reports beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.cli.readings import NICENESS
from app.fleet import Resource, ResourceKind
from app.intake import ImportRequest, profile
from bench import child
from bench.fleet import Shape, container_of, seed, sink
from bench.posting import BATCH, CLIENTS, LINES, METERS, SHAPES, TOKEN, posted
from bench.rows import Row, table
from containers import Container
from tests.support.servers import free_port

SOURCES = """
[[source]]
name = "plant"
type = "http"
token_file = "plant.token"
late = "P30D"
"""
INFLUX_SOURCES = (
    SOURCES.replace("http", "influx")
    + """
[[source.measurements]]
measurement = "power"
device = "host"
field = "kw"
quantity = "POWER"
unit = "KW"
"""
)
GOALS = {"JSON": ">= 25,000", "CSV": ">= 50,000", "NDJSON": ">= 50,000", LINES: ">= 20,000"}
SMALL_DAYS, LARGE_DAYS = 2, 20
"""Of the files that are imported: the larger one has 1.9 million values in 130 MB."""
BESIDE = Shape(100, 100)
CYCLES = 100
HEAD = "device,start,end,quantity,unit,direction,value\n"


def container_in(directory: Path, **settings: Any) -> Container:
    container: Container = container_of(
        "http://127.0.0.1:9", directory, sources_file=directory / "sources.toml", **settings
    )
    return container


def write_sources(directory: Path, sources: str = SOURCES) -> None:
    """The file of sources, and the token."""
    (directory / "sources.toml").write_text(sources)
    token = directory / "plant.token"
    token.write_text(TOKEN)
    token.chmod(0o600)


def metered() -> dict[str, list[Resource]]:
    """METERS resources of the source `plant`."""
    return {
        f"V{place // 100}": [
            Resource(
                resource_name=f"r{number}",
                kind=ResourceKind.HEAT_PUMP,
                source="plant",
                device=f"d{number}",
            )
            for number in range(place, place + 100)
        ]
        for place in range(0, METERS, 100)
    }


def prepared(directory: Path, sources: str = SOURCES, **settings: Any) -> Container:
    """A container with such a fleet."""
    write_sources(directory, sources)
    container = container_in(directory, **settings)
    container.fleet.repository().save(metered())
    return container


def over_http(form: str, shape: str, *, batches: int) -> float:
    """Measurements taken per second, from the first request to the last answer."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        sources = INFLUX_SOURCES if form == LINES else SOURCES
        container = prepared(Path(directory), sources, intake={"port": port})
        server = container.intake.server()
        server.start()
        passed_s = posted(form, shape, batches=batches, port=port)
        taken = container.intake.stats().of("plant").taken
        server.close()
        container.platform.database().close()
    assert taken == CLIENTS * batches * BATCH, f"{taken} were taken"
    return float(taken / passed_s)


def write_quarters(path: Path, days: int) -> int:
    """A file of quarter-hours of METERS meters, by time; how many values."""
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    with path.open("w") as file:
        file.write(HEAD)
        for quarter in range(days * 96):
            start, end = (
                f"{begin + timedelta(minutes=15 * each):%Y-%m-%dT%H:%M:%SZ}"
                for each in (quarter, quarter + 1)
            )
            file.write(
                "".join(
                    f"d{meter},{start},{end},ENERGY,KWH,IMPORT,{_energy_kwh(meter, quarter)}\n"
                    for meter in range(METERS)
                )
            )
    return days * 96 * METERS


def _energy_kwh(meter: int, quarter: int) -> float:
    return (meter * 31 + quarter * 17) % 2000 / 1000


def import_file(directory: Path, path: Path, *, is_beside_a_run: bool) -> dict[str, float]:
    """In a process of its own: values per second, peak of memory, bytes a value when it is
    sorted and told.

    Prints a line when it has read its first block.
    """
    os.nice(NICENESS)
    container = container_in(directory)
    importer = container.intake.importer()
    begun: list[int] = []

    def progress(read: int, _: int) -> None:
        if not begun:
            begun.append(read)
            print("it reads", flush=True)

    began_s = time.perf_counter()
    request = ImportRequest(
        files=[path], profile=profile("csv"), source="plant", is_beside_a_run=is_beside_a_run
    )
    result = importer.run(request, progress)
    passed_s = time.perf_counter() - began_s
    peak_mb = child.peak_mb()
    container.intake.arrivals().told_through(container.intake.arrivals().newest_seq())
    while container.intake.compaction().compact() or container.intake.compaction().drop_told():
        pass
    stored = container.intake.log().bytes_stored()
    container.platform.database().close()
    taken = result.receipt.taken
    return {
        "taken": taken,
        "per_s": taken / passed_s,
        "peak_mb": peak_mb,
        "bytes": stored / max(taken, 1),
    }


def imported(days: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "meters.csv"
        values = write_quarters(path, days)
        prepared(Path(directory)).platform.database().close()
        found: dict[str, float] = child.call(
            "bench.intake", directory=directory, path=str(path), is_beside_a_run=False
        )
        assert found["taken"] == values
        return found


@contextmanager
def importing(directory: Path, path: Path) -> Iterator[None]:
    """An import beside, in a process of its own, until the block ends."""
    given = json.dumps({"directory": str(directory), "path": str(path), "is_beside_a_run": True})
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.intake", given],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        assert process.poll() is None, "the import was over before the cycles were"
    finally:
        process.kill()
        process.wait()


def beside(*, days: int = LARGE_DAYS, shape: Shape = BESIDE, cycles: int = CYCLES) -> Row:
    """Cycles of metering and reporting per second while a file is imported, to those alone."""
    with sink() as vtn, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_quarters(directory / "meters.csv", days)
        prepared(directory).platform.database().close()
        container: Container = container_of(vtn.base_url, directory)
        seed(container, shape)
        simulator, manager = container.simulator(), container.ven_manager()

        def per_s() -> float:
            began_s = time.perf_counter()
            for _ in range(cycles):
                simulator.increase_time()
                manager.generate_reports()
            return cycles / (time.perf_counter() - began_s)

        per_s()
        ratios = []
        for _ in range(5):
            alone = per_s()
            with importing(directory, directory / "meters.csv"):
                ratios.append(per_s() / alone)
        container.openadr.http().close()
        container.platform.database().close()
    return Row(
        section="measurements, import",
        name="metering and reporting meanwhile, to alone",
        values=ratios,
        unit="",
        goal=">= 0.9",
    )


def rows(
    *, batches: int = 60, rounds: int = 3, days: Sequence[int] = (SMALL_DAYS, LARGE_DAYS)
) -> list[Row]:
    """Over HTTP by form and shape; from a small and a larger file."""
    made = [
        Row(
            section="measurements, HTTP",
            name=f"{form}, {shape}",
            values=[over_http(form, shape, batches=batches) for _ in range(rounds)],
            unit="measurements/s",
            goal=goal,
        )
        for form, goal in GOALS.items()
        for shape in SHAPES
    ]
    small, large = (imported(each) for each in days)
    section = "measurements, import"
    made += [
        Row(
            section=section, name="CSV", values=[large["per_s"]], unit="values/s", goal=">= 58,400"
        ),
        Row(
            section=section,
            name="a value in blocks",
            values=[large["bytes"]],
            unit="bytes",
            goal="<= 16",
        ),
        Row(section=section, name="peak memory", values=[large["peak_mb"]], unit="MB"),
        Row(
            section=section,
            name="peak memory, to that of a tenth of the file",
            values=[large["peak_mb"] / small["peak_mb"]],
            unit="",
            goal="<= 1.1",
        ),
        beside(days=days[-1]),
    ]
    return made


if __name__ == "__main__":
    if len(sys.argv) > 1:
        told = child.given()
        child.answer(
            import_file(
                Path(told["directory"]),
                Path(told["path"]),
                is_beside_a_run=told["is_beside_a_run"],
            )
        )
    else:
        print(table(rows()))
