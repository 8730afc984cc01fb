"""What this tree costs, beside an earlier one: CPU per report, and per step of the simulator.

    python -m bench.before COMMIT

Both are measured in turn, in two processes at a time: first one, then the other, in another order
each time. Where a process's arrays come to lie in memory changes its figures by a tenth and more
for as long as it lives, so one pair of processes gives one ratio, and there are several pairs. CPU,
since what else the machine does changes the time that passes and hardly the time that is worked.
The interval of the median holds in 95 of 100 cases, whatever the figures are distributed like
(order statistics).
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.fleet import Shape
from bench.rows import Row, table

ROOT = Path(__file__).parents[1]
PAIRS = 9
"""Of processes."""
ROUNDS = 5
"""Of one pair of processes; their median is its ratio."""
WORK = Path(__file__).with_name("cpu.py")
"""What each process runs, with the modules of its tree."""
SUBJECTS = (
    ("delivery", Shape(287, 46)),
    ("delivery", Shape(1_000, 1_000)),
    ("step", Shape(1_000, 1_000)),
)
GOAL = "<= 1.05, the upper end"


class Worker:
    """A process that does the work of one tree, a round each time that it is asked."""

    def __init__(self, tree: Path, what: str, shape: Shape) -> None:
        size = str(shape.vens), str(shape.resources_per_ven)
        self._process = subprocess.Popen(
            [sys.executable, str(WORK), what, *size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
        )
        self._ask()  # the first round is warm-up, and ends when the process is prepared

    def warmed_up(self) -> None:
        """Wait until it is prepared."""
        self._answer()

    def cpu_s(self) -> float:
        """The CPU time of one round, per report or step."""
        self._ask()
        return self._answer()

    def _ask(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a tree cannot be measured; what it says stands above")
        return float(line)

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """The files of a commit, in a folder of their own."""
    with tempfile.TemporaryDirectory() as directory:
        archive = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE
        )
        subprocess.run(["tar", "-x", "-C", directory], input=archive.stdout, check=True)
        yield Path(directory)


def ratio(before: Path, what: str, shape: Shape) -> float:
    """What now costs, as a share of what it cost before, in two new processes."""
    with ExitStack() as workers:
        old, new = Worker(before, what, shape), Worker(ROOT, what, shape)
        workers.callback(old.close)
        workers.callback(new.close)
        old.warmed_up()
        new.warmed_up()
        found = []
        for round_ in range(ROUNDS):
            first, second = (old, new) if round_ % 2 else (new, old)
            cost = {first: first.cpu_s()}
            cost[second] = second.cpu_s()
            found.append(cost[new] / cost[old])
        return statistics.median(found)


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """Two of the values, between which the median lies in at least 95 of 100 cases."""
    ordered, count = sorted(values), len(values)
    below, rank = 0.0, 0
    while rank < count // 2:
        below += math.comb(count, rank) / 2**count
        if below > 0.025:
            break
        rank += 1
    lowest = max(rank - 1, 0)
    return ordered[lowest], ordered[count - 1 - lowest]


def compared(before: Path, what: str, shape: Shape, *, pairs: int = PAIRS) -> Row:
    """One subject's median ratio, with its interval."""
    found = [ratio(before, what, shape) for _ in range(pairs)]
    low, high = interval_of_median(found)
    return Row(
        section=f"CPU per {'report' if what == 'delivery' else 'step'}, now to before",
        name=f"{what}, {shape}; median of {pairs} pairs of processes, its 95 % interval",
        values=[low, statistics.median(found), high],
        unit="",
        goal=GOAL,
    )


def last_release() -> str | None:
    """The last tag; None: there is none, or this is no checkout."""
    found = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


def rows(commit: str | None = None, *, pairs: int = PAIRS) -> list[Row]:
    """Every subject, beside `commit`, else the last release; none, where there is neither."""
    beside = commit or last_release()
    if beside is None:
        print("before: left out; make bench BEFORE=COMMIT compares with that", file=sys.stderr)
        return []
    with tree_of(beside) as before:
        return [compared(before, what, shape, pairs=pairs) for what, shape in SUBJECTS]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    print(table(rows(parser.parse_args().commit)))
