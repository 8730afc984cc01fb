"""Import, start to the first report, and memory, of the application as it is started by people.

python -m bench.start
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import child
from bench.fleet import Shape, Sink, sink
from bench.rows import Row, table

SAMPLE = Shape(10, 20)
LARGE = Shape(287, 46)
ROUNDS = 5
ROOT = Path(__file__).parents[1]
MAX_WAIT_S = 120.0


def import_s() -> float:
    """A process that imports all that `python -m app run` does."""
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import app.cli, containers"], check=True, cwd=ROOT)
    return time.perf_counter() - began_s


def start(shape: Shape, vtn: Sink, directory: Path) -> tuple[float, float]:
    """Seconds from the start of the process to the first report, and then its memory in MB."""
    counts = vtn.counts()
    before, readings = counts["reports"], counts["readings"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(directory),
        "VTN__BASE_URL": vtn.base_url,
        "VTN__BEARER_TOKEN": "bench",
        "OPS__ENABLED": "false",
        "FLEET__SEED_SAMPLE": "true",
        "FLEET__VENS": str(shape.vens),
        "FLEET__RESOURCES_PER_VEN": str(shape.resources_per_ven),
    }
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "run"],
        env=environment,
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while vtn.counts()["reports"] == before:
            assert process.poll() is None, "the application ended"
            assert time.perf_counter() - began_s < MAX_WAIT_S, "no report came"
            time.sleep(0.01)
        took_s = time.perf_counter() - began_s
        while vtn.counts()["readings"] < readings + shape.resources:
            time.sleep(0.1)
        return took_s, child.resident_mb(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def rows(*, rounds: int = ROUNDS, large: Shape = LARGE) -> list[Row]:
    """Cold and warm starts of the sample fleet, and the memory of a large one."""
    cold, warm, resident, per_1000 = [], [], [], []
    imported = [import_s() for _ in range(rounds)]
    for _ in range(rounds):
        with sink() as vtn, tempfile.TemporaryDirectory() as directory:
            took_s, memory_mb = start(SAMPLE, vtn, Path(directory))
            cold.append(took_s)
            resident.append(memory_mb)
            warm.append(start(SAMPLE, vtn, Path(directory))[0])
    with sink() as vtn, tempfile.TemporaryDirectory() as directory:
        start(large, vtn, Path(directory))
        large_s, large_mb = start(large, vtn, Path(directory))
        more = (large.resources - SAMPLE.resources) / 1000
        per_1000.append((large_mb - sorted(resident)[len(resident) // 2]) / more)
    figures = (
        (SAMPLE, "import", imported, "s", "<= 1.2"),
        (SAMPLE, "to the first report, cold", cold, "s", "<= 3"),
        (SAMPLE, "to the first report, warm", warm, "s", "<= 3"),
        (SAMPLE, "resident", resident, "MB", "<= 150"),
        (large, "to the first report, warm", [large_s], "s", ""),
        (large, "resident per 1,000 resources more", per_1000, "MB", ""),
    )
    return [
        Row(section=f"start, {shape}", name=name, values=values, unit=unit, goal=goal)
        for shape, name, values, unit, goal in figures
    ]


if __name__ == "__main__":
    print(table(rows()))
