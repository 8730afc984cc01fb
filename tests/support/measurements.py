"""The log of measurements on a database of a test, and what it is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from app.intake.store import (
    ROW,
    Arrival,
    ArrivalLog,
    Begun,
    Compaction,
    Imports,
    Judged,
    LogSession,
    MeasurementLog,
    SeriesName,
)
from app.platform import Database

BEGIN_US = 1_772_323_200_000_000
"""2026-03-01T00:00Z."""
MINUTE_US = 60_000_000


class Value(NamedTuple):
    """A measurement in minutes after BEGIN_US."""

    series: int
    start: int
    end: int
    value: float
    quality: int = 0


def name_of(series: int) -> SeriesName:
    return SeriesName("Aarhus", f"meter-{series}", "ENERGY", "IMPORT", "")


def arrival(values: Sequence[Value]) -> Arrival:
    numbers = sorted({each.series for each in values})
    rows = np.zeros(len(values), dtype=ROW)
    rows["series"] = [numbers.index(each.series) for each in values]
    for name in ("start", "end"):
        rows[name] = [BEGIN_US + getattr(each, name) * MINUTE_US for each in values]
    rows["value"] = [each.value for each in values]
    rows["quality"] = [each.quality for each in values]
    return Arrival(names=[name_of(number) for number in numbers], codes=[""], rows=rows)


class Log:
    """What one process has of the log."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], max_bytes: int = 1 << 30
    ) -> None:
        session = LogSession(database, max_bytes=max_bytes)
        self.compaction = Compaction(session=session, clock=clock, pause=time.sleep)
        self.log = MeasurementLog(session=session, compaction=self.compaction, clock=clock)
        self.arrivals = ArrivalLog(session)
        self.imports = Imports(session=session, clock=clock)

    def take(self, *values: Value) -> Judged:
        return self.log.take(arrival(values))

    def stage(self, begun: Begun, *values: Value) -> Judged:
        return self.imports.stage(begun, arrival(values), values=len(values), receipt=lambda _: "")

    def compact_all(self) -> None:
        """As when nobody has anything to tell any more."""
        self.arrivals.told_through(self.arrivals.newest_seq())
        while self.compaction.compact():
            pass
        while self.compaction.drop_told():
            pass

    def values(self) -> list[Value]:
        """Everything that is visible."""
        found: list[Value] = []
        for number, name in self.log.series():
            rows = self.log.read(number, 0, 1 << 60)
            found += [
                Value(
                    int(name.resource_name.removeprefix("meter-")),
                    (int(row["start"]) - BEGIN_US) // MINUTE_US,
                    (int(row["end"]) - BEGIN_US) // MINUTE_US,
                    float(row["value"]),
                    int(row["quality"]),
                )
                for row in rows
            ]
        return sorted(found)


class Oracle:
    """What the log has to say, kept in the plainest way."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int, int], tuple[float, int]] = {}

    def take(self, values: Sequence[Value]) -> tuple[int, int, int, int]:
        """(taken, repeated, corrected, overlapping), one after the other."""
        counts = [0, 0, 0, 0]
        for each in values:
            key, told = each[:3], each[3:]
            before = self.known.get(key)
            if before is None and self._overlaps(each):
                counts[3] += 1
                continue
            counts[0 if before is None else 1 if before == told else 2] += 1
            self.known[key] = told
        return counts[0], counts[1], counts[2], counts[3]

    def values(self) -> list[Value]:
        return sorted(Value(*key, *told) for key, told in self.known.items())

    def _overlaps(self, value: Value) -> bool:
        return value.end > value.start and any(
            series == value.series and start < value.end and value.start < end and end > start
            for series, start, end in self.known
        )
