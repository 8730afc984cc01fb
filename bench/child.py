"""Work of a benchmark in a process of its own, whose CPU and memory are its alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson


def call(module: str, **given: Any) -> Any:
    """What `answer` of this module prints for these arguments, in a new process."""
    done = subprocess.run(
        [sys.executable, "-m", module, orjson.dumps(given).decode()],
        stdout=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return orjson.loads(done.stdout.splitlines()[-1])


def given() -> Any:
    """The arguments, in the new process."""
    return orjson.loads(sys.argv[1])


def answer(value: Any) -> None:
    """The last line of the new process."""
    print(orjson.dumps(value).decode(), flush=True)


def peak_mb() -> float:
    """The most memory that this process has had.

    Not getrusage, whose figure a new process inherits from the one that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) / 1024


def resident_mb(process_id: int | None = None) -> float:
    """What a process has in memory now."""
    pages = int(Path(f"/proc/{process_id or os.getpid()}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
