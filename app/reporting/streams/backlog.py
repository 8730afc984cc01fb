"""How much is owed: readings that are not acknowledged."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from app.platform import DatabaseError, to_us
from app.readings import ReadsFrames, Roster
from app.reporting.requests import EVERYTHING, TOLD_OF, ActiveRequest, DueReport, Scope
from app.reporting.streams.measured import MeasuredStream
from app.reporting.streams.ports import CountsArrivals, FleetNames
from app.reporting.streams.request_index import RequestIndex
from app.reporting.streams.rows import AnyStream
from app.reporting.streams.stream import IntervalStream, TelemetryStream

MAX_OVERLAPPING = 20
"""Reports that are due one after the other, and begin in another order."""


@dataclass(slots=True)
class _Count:
    """What one stream owes, as it was counted last."""

    stream: AnyStream
    scope: Scope = EVERYTHING
    values: int = 0
    """Of an interval stream."""
    next_due_us: int | None = None
    """When it will owe more; its entry in the heap. None: there is none."""
    grows_by: int = 0
    """With each frame of the newest roster, while its event asks for what is read."""


class Backlog:
    """Counts the readings that streams owe. Safe for several threads.

    The count goes with the cursors: the store of streams tells it of each change, and each frame
    adds what its roster has of the VENs that are asked. So `total` is read, not computed; what it
    counted is forgotten, and counted again when it is asked for, where the fleet itself changes.
    """

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        requests: RequestIndex,
        fleet: FleetNames,
        arrivals: CountsArrivals,
        clock: Callable[[], datetime],
    ) -> None:
        self._frames = frames
        self._requests = requests
        self._fleet = fleet
        self._arrivals = arrivals
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[int, _Count] = {}
        self._measured: dict[int, MeasuredStream] = {}
        """Of what real meters measure; counted when it is asked for."""
        self._total = 0
        self._grows_by = 0
        self._next_due: list[tuple[int, int]] = []
        """A heap of (when, in microseconds since 1970; the interval stream that owes more then)."""
        self._roster: Roster | None = None
        """Of the frames that were counted; None: nothing is counted."""
        self._counted_through = 0
        """The number of the last frame that is in the total."""

    def update(self, changed: Sequence[AnyStream], removed: Sequence[AnyStream]) -> None:
        """Streams that began or changed, and streams that were removed."""
        with self._lock:
            changed, removed = self._without_measured(changed, removed)
            try:
                counts = self._is_up_to_date()
                for stream in changed:
                    self._change(stream, counts=counts)
                for stream in removed:
                    count = self._counts.pop(stream.stream_id, None)
                    if count is not None and counts:
                        self._discount(count)
            except BaseException as error:
                self._roster = None
                self._counts.update((stream.stream_id, _Count(stream)) for stream in changed)
                for stream in removed:
                    self._counts.pop(stream.stream_id, None)
                if not isinstance(error, DatabaseError):  # else it is counted again when asked for
                    raise

    def reset(self) -> None:
        """All streams are read again."""
        with self._lock:
            self._roster = None
            self._counts = {}
            self._measured = {}

    def recount(self, streams: Iterable[AnyStream]) -> None:
        """The events of these ask for other resources, or at other times."""
        with self._lock, self._counting():
            if not self._is_up_to_date():
                return
            for stream in streams:
                count = self._counts.get(stream.stream_id)
                if count is not None:
                    self._count_again(count)

    def total_owed(self) -> int:
        """How many readings are owed and not acknowledged, over all streams.

        Where reports have their times, the values of those that are due.
        """
        with self._lock, self._counting():
            measured = self._measured_owed()
            newest = self._frames.last()
            if newest is None:
                return measured
            if not self._is_up_to_date():
                self._count_all(newest.roster)
            until_us = to_us(min(newest.taken_at, self._clock()))
            while self._next_due and self._next_due[0][0] <= until_us:
                due_us, stream_id = heapq.heappop(self._next_due)
                count = self._counts.get(stream_id)
                if count is not None and count.next_due_us == due_us:
                    count.next_due_us = None
                    self._count_again(count)
            return self._total + measured

    def _without_measured(
        self, changed: Sequence[AnyStream], removed: Sequence[AnyStream]
    ) -> tuple[Sequence[AnyStream], Sequence[AnyStream]]:
        """Of the others, after those of real meters are taken up."""
        for stream in changed:
            if isinstance(stream, MeasuredStream):
                self._measured[stream.stream_id] = stream
        for stream in removed:
            self._measured.pop(stream.stream_id, None)
        if not self._measured:  # as nearly always
            return changed, removed
        return (
            [stream for stream in changed if not isinstance(stream, MeasuredStream)],
            [stream for stream in removed if not isinstance(stream, MeasuredStream)],
        )

    def _measured_owed(self) -> int:
        if not self._measured:
            return 0
        self._arrivals.refresh()
        return sum(self._arrived(stream, None) for stream in self._measured.values())

    def _arrived(self, stream: MeasuredStream, through: int | None) -> int:
        """About how many readings of real meters a stream owes."""
        if not stream.owes:
            return 0
        ends = [end for end in (stream.last_frame, through) if end is not None]
        quantities = TOLD_OF.get(stream.request.quantity, ())
        after, last = stream.acked_frame.seq, min(ends, default=None)
        count = self._arrivals.count(stream.ven_name, quantities, after, last)
        return max(count - stream.acked_frame.column, 0)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """After an error, everything is counted again."""
        try:
            yield
        except BaseException:
            self._roster = None
            raise

    def _change(self, stream: AnyStream, *, counts: bool) -> None:
        count = self._counts.get(stream.stream_id)
        if count is None:
            count = self._counts[stream.stream_id] = _Count(stream)
            if counts:
                self._count(count)
            return
        before = count.stream
        if _owes_the_same(before, stream) or not counts:
            count.stream = stream
        elif advanced := _only_advanced(before, stream):
            self._total -= self._between(*advanced, count.scope)
            count.stream = stream
        else:
            self._discount(count)
            count.stream = stream
            self._count(count)

    def waiting_of(
        self,
        streams: Iterable[AnyStream],
        *,
        through: int | None = None,
        begun_before: datetime | None = None,
    ) -> int:
        """What these streams owe; `through`: of readings up to the frame of this number.

        `begun_before`: with reports at times of their own that are not due yet, if they are about
        a time before this instant.
        """
        self._arrivals.refresh()
        return sum(self._waiting(stream, through, begun_before) for stream in streams)

    def owed_since(self, streams: Iterable[AnyStream]) -> datetime | None:
        """Since when what real meters measured is owed to intervals; None: nothing is."""
        begins = []
        for stream in streams:
            if not isinstance(stream, IntervalStream) or not stream.is_open:
                continue
            if not self._requests.metered(stream.ven_name):
                continue
            active = self._requests.of(stream)
            if active is not None and active.schedule is not None:
                upcoming = active.schedule.next_after(stream.acked_report.key)
                begins += [] if upcoming is None else [upcoming.begins]
        return min(begins, default=None)

    def _waiting(
        self, stream: AnyStream, through: int | None, begun_before: datetime | None
    ) -> int:
        if isinstance(stream, MeasuredStream):
            return self._arrived(stream, None)
        if isinstance(stream, TelemetryStream):
            return self._owed(stream, through, self._requests.scope_of(stream))
        return self._due(stream, begun_before)[0]

    def owed(self, through: Mapping[TelemetryStream, int]) -> int:
        """How many readings these streams owe, each up to a frame's number."""
        self._arrivals.refresh()
        return sum(
            self._arrived(stream, last)
            if isinstance(stream, MeasuredStream)
            else self._owed(stream, last, self._requests.scope_of(stream))
            for stream, last in through.items()
        )

    def _is_up_to_date(self) -> bool:
        """Add what was metered since; False where all has to be counted, first or again."""
        if self._roster is None:
            return False
        newest_seq, new = self._frames.frames_after(self._counted_through)
        if any(roster is not self._roster for roster in new):
            self._roster = None
            return False
        self._total += self._grows_by * sum(new.values())
        self._counted_through = newest_seq
        return True

    def _count_all(self, roster: Roster) -> None:
        self._total = self._grows_by = 0
        self._next_due = []
        self._roster = roster
        self._counted_through, _ = self._frames.frames_after(0)
        for count in self._counts.values():
            count.values = count.grows_by = 0
            count.next_due_us = None
            self._count(count)

    def _count_again(self, count: _Count) -> None:
        self._discount(count)
        self._count(count)

    def _count(self, count: _Count) -> None:
        """Add what its stream owes to the total."""
        stream = count.stream
        if isinstance(stream, TelemetryStream):
            count.scope = self._requests.scope_of(stream)
            self._total += self._owed(stream, self._counted_through, count.scope)
            if stream.last_frame is None and self._roster is not None:
                names = self._roster.names(stream.ven_name)
                count.grows_by = _width(names, count.scope, aggregate=stream.request.aggregate)
                self._grows_by += count.grows_by
            return
        count.values, next_due = self._due(stream, None)
        self._total += count.values
        next_due_us = None if next_due is None else to_us(next_due)
        if next_due_us is not None and next_due_us != count.next_due_us:
            heapq.heappush(self._next_due, (next_due_us, stream.stream_id))
        count.next_due_us = next_due_us

    def _discount(self, count: _Count) -> None:
        """Take what its stream owes out of the total."""
        self._grows_by -= count.grows_by
        self._total -= count.values
        count.grows_by = count.values = 0
        if isinstance(count.stream, TelemetryStream):
            self._total -= self._owed(count.stream, self._counted_through, count.scope)

    def _between(self, before: TelemetryStream, after: TelemetryStream, scope: Scope) -> int:
        """What it owed and no longer owes."""
        readings = self._readings(before, after.acked_frame.seq, scope)
        return readings - before.acked_frame.column + after.acked_frame.column

    def _owed(self, stream: TelemetryStream, through: int | None, scope: Scope) -> int:
        if not stream.owes:
            return 0
        ends = [end for end in (stream.last_frame, through) if end is not None]
        readings = self._readings(stream, min(ends) if ends else None, scope)
        return max(readings - stream.acked_frame.column, 0)

    def _readings(self, stream: TelemetryStream, through: int | None, scope: Scope) -> int:
        aggregate = stream.request.aggregate
        return self._frames.readings_of(
            stream.ven_name,
            stream.acked_frame.seq,
            through,
            width=(
                len
                if scope.is_all and not aggregate
                else lambda names: _width(names, scope, aggregate=aggregate)
            ),
        )

    def _due(
        self, stream: IntervalStream, begun_before: datetime | None
    ) -> tuple[int, datetime | None]:
        """How many values are due, and when it will be more; None: never, or not as it stands."""
        active = self._requests.of(stream)
        newest = self._frames.last()
        if active is None or active.schedule is None or newest is None or not stream.is_open:
            return 0, None
        names = list(newest.roster.names(stream.ven_name))
        now = self._clock()
        if stream.request.is_forecast:
            intervals, next_due = _forecast_due(active, stream.acked_report.key, now)
            intervals = intervals if begun_before is None else 0
        else:
            until = min(newest.taken_at, now)
            before = None if begun_before is None else min(begun_before, now)
            upcoming = active.schedule.after(stream.acked_report.key)
            intervals, next_due = _intervals_due(upcoming, until, before)
        if begun_before is not None and intervals:  # they are no longer metered
            names += self._fleet.names_of_removed(stream.ven_name)
        width = _width(names, active.scope, aggregate=stream.request.aggregate)
        return max(intervals * width - stream.acked_report.cell, 0), next_due


def _owes_the_same(before: AnyStream, after: AnyStream) -> bool:
    """Whether only what is in flight is another, as with every report that is planned."""
    if before.is_open != after.is_open or before.request is not after.request:
        return False
    if isinstance(before, TelemetryStream) and isinstance(after, TelemetryStream):
        return (before.acked_frame, before.last_frame) == (after.acked_frame, after.last_frame)
    if isinstance(before, IntervalStream) and isinstance(after, IntervalStream):
        return before.acked_report == after.acked_report
    return False


def _only_advanced(
    before: AnyStream, after: AnyStream
) -> tuple[TelemetryStream, TelemetryStream] | None:
    """Both, where a telemetry stream went on, as with every report that is acknowledged."""
    if not isinstance(before, TelemetryStream) or not isinstance(after, TelemetryStream):
        return None
    grow = before.last_frame is None and after.last_frame is None
    same = before.is_open == after.is_open and before.request is after.request
    return (before, after) if grow and same and after.acked_frame >= before.acked_frame else None


def _width(names: Sequence[str], scope: Scope, *, aggregate: bool) -> int:
    """How many values an instant makes."""
    chosen = len(names) if scope.is_all else len(scope.of(names))
    return min(chosen, 1) if aggregate else chosen


def _forecast_due(active: ActiveRequest, done: int, now: datetime) -> tuple[int, datetime | None]:
    """The intervals of the newest forecast, if it is not told, and when the next one is due."""
    if active.schedule is None:
        return 0, None
    latest = active.schedule.latest(now)
    is_due = latest is not None and latest.key > done
    following = next(active.schedule.after(done if latest is None else latest.key), None)
    next_due = None if following is None else following.due
    return (len(latest.intervals) if latest is not None and is_due else 0), next_due


def _intervals_due(
    upcoming: Iterable[DueReport], until: datetime, before: datetime | None
) -> tuple[int, datetime | None]:
    """Of the reports that are due until then, or are about a time before the other instant; and
    when the next one is due."""
    due = others = 0
    next_due: datetime | None = None
    for report in upcoming:
        if report.due <= until or (before is not None and report.begins < before):
            due, others = due + len(report.intervals), 0
            continue
        next_due = next_due or report.due
        others += 1  # one that is due later may have begun earlier
        if before is None or others > MAX_OVERLAPPING:
            break
    return due, next_due
