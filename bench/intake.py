"""Measurements taken per second over HTTP and from files, and what they cost others meanwhile.

    python -m bench.intake

Over HTTP, two clients in processes of their own post batches of 1,000, each value new. A file of
quarter-hours is imported in a process of its own; the fleet meters and reports beside it.
"""

from __future__ import annotations

import http.client
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
from bench.rows import Row, table
from containers import Container
from tests.support.servers import free_port

TOKEN = "a-token-of-the-benchmark"
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
LINES = "line protocol"
FORMS = {
    "JSON": ("application/json", ">= 25,000"),
    "CSV": ("text/csv", ">= 50,000"),
    "NDJSON": ("application/x-ndjson", ">= 50,000"),
    LINES: ("text/plain", ">= 20,000"),
}
SHAPES = ("1,000 devices x 1", "1 device x 1,000")
BATCH = 1_000
CLIENTS = 2
METERS = 1_000
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


def prepared(directory: Path, sources: str = SOURCES, **settings: Any) -> Container:
    """A container whose fleet has METERS resources of the source `plant`."""
    (directory / "sources.toml").write_text(sources)
    token = directory / "plant.token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    container = container_in(directory, **settings)
    container.fleet.repository().save(
        {
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
    )
    return container


def over_http(form: str, shape: str, *, batches: int) -> float:
    """Measurements taken per second, from the first request to the last answer."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        sources = INFLUX_SOURCES if form == LINES else SOURCES
        container = prepared(Path(directory), sources, intake={"port": port})
        server = container.intake.server()
        server.start()
        clients = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.intake", "client"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
            )
            for _ in range(CLIENTS)
        ]
        begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
        for number, each in enumerate(clients):
            _tell(
                each,
                {
                    "begin": begin.isoformat(),
                    "form": form,
                    "shape": shape,
                    "batches": batches,
                    "number": number,
                    "port": port,
                },
            )
        for each in clients:
            _hear(each)
        began_s = time.perf_counter()
        for each in clients:
            _tell(each, "go")
        for each in clients:
            _hear(each)
        passed_s = time.perf_counter() - began_s
        taken = container.intake.stats().of("plant").taken
        for each in clients:
            each.communicate()
        server.close()
        container.platform.database().close()
    assert taken == CLIENTS * batches * BATCH, f"{taken} were taken"
    return float(taken / passed_s)


def _tell(process: subprocess.Popen[str], what: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(what) + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def client() -> None:
    """Posts what it is told to; in a process of its own."""
    given = json.loads(sys.stdin.readline())
    begin = datetime.fromisoformat(given["begin"])
    bodies = list(_bodies(given["form"], given["shape"], given["batches"], given["number"], begin))
    kind, _ = FORMS[given["form"]]
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    connection = http.client.HTTPConnection("127.0.0.1", given["port"])
    print(0, flush=True)
    sys.stdin.readline()
    path = "/api/v2/write" if given["form"] == LINES else "/readings"
    for body in bodies:
        connection.request("POST", path, body, headers)
        connection.getresponse().read()
    print(len(bodies), flush=True)


def _bodies(
    form: str, shape: str, batches: int, client_number: int, begin: datetime
) -> Iterator[bytes]:
    for batch in range(batches):
        rows = []
        for place in range(BATCH):
            if shape == SHAPES[0]:
                device, second = place, CLIENTS * batch + client_number
            else:
                device, second = (CLIENTS * batch + client_number) % METERS, place
                second += BATCH * (CLIENTS * batch // METERS)
            at = (begin + timedelta(seconds=second)).isoformat()
            rows.append((f"d{device}", at, batch + place / 1000))
        yield _body(form, rows)


def _body(form: str, rows: Sequence[tuple[str, str, float]]) -> bytes:
    if form == "CSV":
        lines = [f"{device},{at},POWER,KW,{value}" for device, at, value in rows]
        return "\n".join(["device,start,quantity,unit,value", *lines]).encode()
    if form == LINES:
        times = (datetime.fromisoformat(at).timestamp() for _, at, _ in rows)
        lines = [
            f"power,host={device} kw={value} {time_s:.0f}000000000"
            for (device, _, value), time_s in zip(rows, times, strict=True)
        ]
        return "\n".join(lines).encode()
    readings = [
        {"device": device, "start": at, "quantity": "POWER", "unit": "KW", "value": value}
        for device, at, value in rows
    ]
    if form == "NDJSON":
        return "\n".join(map(json.dumps, readings)).encode()
    return json.dumps({"readings": readings}).encode()


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
        for form, (_, goal) in FORMS.items()
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
    if sys.argv[1:] == ["client"]:
        client()
    elif len(sys.argv) > 1:
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
