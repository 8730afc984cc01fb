"""How much is owed: readings that are not acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from app.readings import Extent, ReadsFrames
from app.reporting.requests import DueReport
from app.reporting.streams.ports import FleetNames
from app.reporting.streams.request_index import RequestIndex
from app.reporting.streams.rows import AnyStream
from app.reporting.streams.store import StreamStore
from app.reporting.streams.stream import IntervalStream, TelemetryStream

MAX_OVERLAPPING = 20
"""Reports that are due one after the other, and begin in another order."""


class Backlog:
    """Counts the readings that streams owe. Safe for several threads."""

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        store: StreamStore,
        requests: RequestIndex,
        fleet: FleetNames,
        clock: Callable[[], datetime],
    ) -> None:
        self._frames = frames
        self._store = store
        self._requests = requests
        self._fleet = fleet
        self._clock = clock

    def waiting(self) -> int:
        """How many readings are owed and not acknowledged, over all streams.

        Where reports have their times, the values of those that are due.
        """
        return self.waiting_of(self._store.streams())

    def waiting_of(
        self,
        streams: Iterable[AnyStream],
        *,
        through: int | None = None,
        begun_before: datetime | None = None,
    ) -> int:
        """The same of these streams; `through`: of readings up to the frame of this number.

        `begun_before`: with reports at times of their own that are not due yet, if they are about
        a time before this instant.
        """
        read: dict[TelemetryStream, int | None] = {}
        due = 0
        for stream in streams:
            if isinstance(stream, TelemetryStream):
                read[stream] = through
            else:
                due += self._due(stream, begun_before)
        return self.owed(read) + due

    def owed(self, through: Mapping[TelemetryStream, int | None]) -> int:
        """How many readings these streams owe, each up to a frame's number or all of them."""
        through = {stream: end for stream, end in through.items() if stream.owes}
        if not through:
            return 0
        sliced = self._frames.sliced_through()
        extent = self._frames.extent(
            min(max(each.acked_frame.seq, sliced.get(each.ven_name, 0)) for each in through),
            after_sliced=min(each.acked_frame.seq for each in through),
        )
        return sum(
            max(self._owed(stream, extent, sliced.get(stream.ven_name, 0), end), 0)
            for stream, end in through.items()
        )

    def _due(self, stream: IntervalStream, begun_before: datetime | None) -> int:
        asked = self._requests.of(stream)
        newest = self._frames.last()
        if asked is None or asked.plan is None or newest is None or not stream.is_open:
            return 0
        names = list(newest.roster.names(stream.ven_name))
        if stream.request.is_forecast:
            latest = asked.plan.latest(self._clock())
            due = latest is not None and latest.key > stream.acked_report.key
            intervals = len(latest.intervals) if latest and due and begun_before is None else 0
        else:
            until = min(newest.taken_at, self._clock())
            before = None if begun_before is None else min(begun_before, self._clock())
            intervals = _intervals(asked.plan.after(stream.acked_report.key), until, before)
        if begun_before is not None and intervals:  # they are metered no more
            names += self._fleet.names_of_removed(stream.ven_name)
        width = _width(names, asked.scope, aggregate=stream.request.aggregate)
        return max(intervals * width - stream.acked_report.cell, 0)

    def _owed(
        self, stream: TelemetryStream, extent: Extent, sliced: int, through: int | None
    ) -> int:
        ends = [end for end in (stream.last_frame, through) if end is not None]
        scope = self._requests.scope_of(stream)
        aggregate = stream.request.aggregate
        readings = extent.readings(
            stream.ven_name,
            stream.acked_frame.seq,
            min(ends) if ends else None,
            sliced=sliced,
            width=lambda names: _width(names, scope, aggregate=aggregate),
        )
        return readings - stream.acked_frame.column


def _width(names: Sequence[str], scope: frozenset[str] | None, *, aggregate: bool) -> int:
    """How many values an instant makes."""
    chosen = len(names) if scope is None else sum(name in scope for name in names)
    return min(chosen, 1) if aggregate else chosen


def _intervals(upcoming: Iterable[DueReport], until: datetime, before: datetime | None) -> int:
    """Of the reports that are due until then, or are about a time before the other instant."""
    found = others = 0
    for each in upcoming:
        if each.due <= until or (before is not None and each.begins < before):
            found, others = found + len(each.intervals), 0
            continue
        others += 1  # one that is due later may have begun earlier
        if before is None or others > MAX_OVERLAPPING:
            break
    return found
