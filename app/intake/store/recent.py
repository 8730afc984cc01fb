"""Measurements that are durable and not yet in the blocks of their days: kept in memory, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from app.intake.measurement import Int64
from app.intake.store.columns import Rows, Spans, days_of, last_of_each

MAX_SMALL_RUNS = 16
"""Before they are put together."""
RUN_ROWS = 100_000
"""A run of so many is not put together with others."""


@dataclass(frozen=True, eq=False)
class Run:
    """The rows of batches that followed each other, in order."""

    first_seq: int
    last_seq: int
    rows: Rows


class RecentRows:
    """What came last, in the order in which it came. Not safe for several threads."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._sealed = 0
        """How many of them stay apart from those that follow."""
        self.count = 0

    def add(self, seq: int, rows: Rows) -> None:
        """The rows of one batch, in order."""
        self._runs.append(Run(seq, seq, rows))
        self.count += len(rows)
        small = list(
            takewhile(lambda run: len(run.rows) < RUN_ROWS, reversed(self._runs[self._sealed :]))
        )[::-1]
        if len(small) >= MAX_SMALL_RUNS:
            rows = last_of_each([run.rows for run in small])
            merged = Run(small[0].first_seq, small[-1].last_seq, rows)
            self._runs[-len(small) :] = [merged]
            self.count = sum(len(run.rows) for run in self._runs)

    def seal(self) -> None:
        """What follows comes behind an import."""
        self._sealed = len(self._runs)

    def drop_through(self, seq: int) -> None:
        """These are in the blocks of their days."""
        kept = [run for run in self._runs if run.last_seq > seq]
        self._sealed = max(self._sealed - (len(self._runs) - len(kept)), 0)
        self._runs = kept
        self.count = sum(len(run.rows) for run in self._runs)

    def oldest(self, rows: int, *, through: int) -> Iterator[Run]:
        """Runs from the oldest on, of about so many rows, and of batches up to this number."""
        for run in self._runs:
            if run.last_seq > through or rows <= 0:
                return
            rows -= len(run.rows)
            yield run

    def days(self) -> set[tuple[int, int]]:
        """The series and days of all of them."""
        pairs = [
            np.unique(np.column_stack((run.rows["series"], days_of(run.rows))), axis=0)
            for run in self._runs
            if len(run.rows)
        ]
        return {(number, day) for pair in pairs for number, day in pair.tolist()}

    def of(self, spans: Spans, *, after: int = 0, through: int | None = None) -> list[Rows]:
        """What begins in these spans; of batches above and up to these numbers."""
        found: list[Rows] = []
        for run in self._runs:
            if run.last_seq <= after or (through is not None and run.first_seq > through):
                continue
            begin = np.searchsorted(run.rows["series"], spans.series, side="left")
            end = np.searchsorted(run.rows["series"], spans.series, side="right")
            starts = run.rows["start"]
            first = _bisect(starts, begin, end, spans.first_us)
            count = _bisect(starts, first, end, spans.last_us + 1) - first
            if count.any():
                offsets = np.repeat(first - np.concatenate(([0], np.cumsum(count)[:-1])), count)
                found.append(run.rows[offsets + np.arange(int(count.sum()))])
        return found


def _bisect(rising: Int64, begin: Int64, end: Int64, wanted: Int64) -> Int64:
    """For each part of the array, the first place whose number is not below the one wanted."""
    low, high = begin.copy(), end.copy()
    open_ = low < high
    while open_.any():
        middle = (low + high) // 2
        below = open_ & (rising[np.minimum(middle, len(rising) - 1)] < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
        open_ = low < high
    return low
