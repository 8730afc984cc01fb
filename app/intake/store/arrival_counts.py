"""How much came since a number, without reading it again."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from app.intake.store.arrivals import ArrivalLog, Arrived
from app.intake.store.session import LogSession

ROWS_AT_ONCE = 200_000
MAX_RUNS = 64
"""That are counted one by one; older ones are put together."""


class _Runs:
    """How many rows came with which numbers."""

    def __init__(self) -> None:
        self._seqs: list[int] = []
        """The last number of each run, rising."""
        self._counts: list[int] = []

    def add(self, seq: int, count: int) -> None:
        self._seqs.append(seq)
        self._counts.append(count)
        if len(self._seqs) > MAX_RUNS:
            half = len(self._seqs) // 2
            self._seqs[:half] = [self._seqs[half - 1]]
            self._counts[:half] = [sum(self._counts[:half])]

    def drop_through(self, seq: int) -> None:
        passed = bisect_right(self._seqs, seq)
        del self._seqs[:passed], self._counts[:passed]

    def count(self, after: int, through: int | None) -> int:
        first = bisect_right(self._seqs, after)
        last = len(self._seqs) if through is None else bisect_right(self._seqs, through)
        return sum(self._counts[first:last])


class ArrivalCounts:
    """Counts measurements that came first, by VEN and quantity, one for all parts of a value.

    Of an import, only that it came. Safe for several threads.
    """

    def __init__(self, *, session: LogSession, arrivals: ArrivalLog) -> None:
        self._session = session
        self._arrivals = arrivals
        self._lock = threading.Lock()
        self._seen_seq: int | None = None
        self._runs: dict[tuple[str, str], _Runs] = {}
        self._imports = _Runs()

    def refresh(self) -> None:
        """Count what came since the last time."""
        with self._lock:
            told, newest = self._arrivals.told_and_newest()
            if self._seen_seq is None:
                self._seen_seq = told
            while self._seen_seq < newest:
                arrivals = self._arrivals.since(self._seen_seq, most_rows=ROWS_AT_ONCE)
                for arrived in arrivals.arrived:
                    self._add(arrived)
                self._seen_seq = arrivals.through
            for runs in (self._imports, *self._runs.values()):
                runs.drop_through(told)

    def count(
        self, ven_name: str, quantities: Sequence[str], after: int, through: int | None = None
    ) -> int:
        """What came of a VEN between two numbers: of the first of these quantities that it has."""
        with self._lock:
            imports = self._imports.count(after, through)
            for quantity in quantities:
                runs = self._runs.get((ven_name, quantity))
                if runs is not None:
                    return imports + runs.count(after, through)
            return imports

    def _add(self, arrived: Arrived) -> None:
        if arrived.import_id is not None:
            self._imports.add(arrived.seq, 1)
            return
        new = arrived.rows[arrived.rows["seq"] == arrived.seq]
        numbers, counts = np.unique(new["series"], return_counts=True)
        leading = self._session.leading(numbers)
        by_key: dict[tuple[str, str], int] = {}
        for name, count in zip(leading, counts.tolist(), strict=True):
            if name is not None:
                key = name.ven_name, name.quantity
                by_key[key] = by_key.get(key, 0) + count
        for key, count in by_key.items():
            self._runs.setdefault(key, _Runs()).add(arrived.seq, count)
