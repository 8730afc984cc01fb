"""Which reports are due at times that events set, and what they are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

from app.intake import Metered
from app.readings import Frame, ReadsFrames
from app.reporting.content.metered import Asked, Cell, MeteredIntervals
from app.reporting.content.told import Piece
from app.reporting.requests import ActiveRequest, DueReport
from app.reporting.streams import IntervalStream, RequestIndex

AHEAD = timedelta(minutes=5)
"""What is dated later than so much after now, a wrong clock has dated."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """A report whose time has come."""

    stream: IntervalStream
    active: ActiveRequest
    report: DueReport
    is_over: bool = False
    """Whether it is a forecast of what has passed: nobody needs it any more."""
    needs_frames: bool = True
    """Whether it is about more than what real meters measure."""
    pieces: Sequence[Piece] = ()
    """The spans that it is about; none, of a forecast."""
    metered: Mapping[str, Sequence[Cell]] = field(default_factory=dict)
    """What real meters say of each of these pieces, by resource."""
    is_complete: bool = True
    """Whether all is measured that it asks of real meters."""
    late: timedelta = timedelta(0)
    """How late more may come of that."""
    seen_seq: int = 0
    """What came up to this number is taken into account."""


class DueReports:
    """Knows which reports are due. `clock`: aware UTC."""

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        requests: RequestIndex,
        metered: MeteredIntervals,
        clock: Callable[[], datetime],
    ) -> None:
        self._frames = frames
        self._requests = requests
        self._metered = metered
        self._waiting: dict[int, tuple[int, int, datetime]] = {}
        """By stream: the report that waits for meters, what had come when it was looked at, and
        until when it waits."""
        self._clock = clock

    def due(self, streams: Sequence[IntervalStream]) -> list[Due]:
        """The next report of each stream that has one now and waits for no real meter."""
        newest = self._frames.last()
        upcoming = (self._next(stream, newest) for stream in streams)
        return self._with_meters([report for report in upcoming if report is not None])

    def is_lost(self, stream: IntervalStream) -> bool:
        """Whether the event changed under a report that may be at the VTN: it is only looked up."""
        if stream.in_flight is None:
            return False
        active = self._requests.of(stream)
        if active is None or active.schedule is None:
            return False
        key = stream.in_flight.key
        following = active.schedule.next_after(key - 1)
        return following is None or following.key != key

    def needed_from(self, stream: IntervalStream, key: int) -> int:
        """The frames up to this number are of no use to the reports after that key."""
        newest = self._frames.newest_seq()
        active = self._requests.of(stream)
        if active is None or active.schedule is None or stream.request.is_forecast:
            return newest
        upcoming = active.schedule.next_after(key)
        if upcoming is None:
            return newest
        first = self._frames.last_before(upcoming.begins)
        return min(newest, max(first - 1, 0))

    def _with_meters(self, due: Sequence[Due]) -> list[Due]:
        """Those that real meters are not waited for, with what these say."""
        ready: dict[int, Due] = {}
        asking: list[tuple[int, Asked]] = []
        now, seen_seq = self._clock(), 0
        self._waiting = {key: each for key, each in self._waiting.items() if now < each[2]}
        for number, one in enumerate(due):
            request, metered = one.stream.request, self._meters_of(one)
            if metered:
                seen_seq = seen_seq or self._metered.newest_seq()
                if self._waits(one, seen_seq):
                    continue
            pieces = [] if request.is_forecast else self._pieces(one)
            ready[number] = replace(one, pieces=pieces)
            if metered:
                spans = [piece.span for piece in pieces]
                asking.append((number, Asked(request=request, spans=spans, metered=metered)))
        found = self._metered.cells([each for _, each in asking])
        for (number, asked), each in zip(asking, found, strict=True):
            one = ready[number]
            stream_id, is_begun = one.stream.stream_id, _is_begun(one)
            if each.wait is not None and not is_begun:
                ready_at = one.report.due + each.wait
                if now < ready_at:
                    self._waiting[stream_id] = one.report.key, seen_seq, ready_at
                    del ready[number]
                    continue
            self._waiting.pop(stream_id, None)
            if not is_begun:
                self._metered.told(each)
            ready[number] = replace(
                one,
                metered=each.cells,
                is_complete=each.wait is None,
                late=self._metered.longest_late(asked.metered),
                seen_seq=seen_seq,
            )
        return list(ready.values())

    def _pieces(self, due: Due) -> list[Piece]:
        pieces: list[Piece] = []
        for interval in due.report.intervals:
            end = interval.end or due.report.due
            cuts = [interval.start, end]
            if due.active.sub_intervals and due.needs_frames:
                taken = self._frames.instants(due.stream.ven_name, interval.start, end)
                cuts = sorted({*cuts, *taken})
            pieces += [
                Piece(interval_id=interval.interval_id, span=span) for span in pairwise(cuts)
            ]
        return pieces

    def _waits(self, due: Due, seen_seq: int) -> bool:
        """Whether it was waited for when it was looked at last, and nothing came since."""
        key, seen, _ = self._waiting.get(due.stream.stream_id, (None, 0, None))
        return (key, seen) == (due.report.key, seen_seq) and not _is_begun(due)

    def _meters_of(self, due: Due) -> list[Metered]:
        """The resources that it is about whose values real meters measure."""
        request = due.stream.request
        if not request.quantity.is_measured or request.is_forecast:
            return []
        of_ven = self._requests.metered(due.stream.ven_name)
        return [of_ven[name] for name in sorted(of_ven) if name in due.active.scope]

    def _next(self, stream: IntervalStream, newest: Frame | None) -> Due | None:
        active = self._requests.of(stream)
        if active is None or active.schedule is None:
            return None
        now = self._clock()
        in_flight = stream.in_flight
        if in_flight is not None or stream.acked_report.cell:
            # Begun: to be made again, or to be gone on with.
            key = stream.acked_report.key + 1 if in_flight is None else in_flight.key
            begun = active.schedule.next_after(key - 1)
            if begun is not None and begun.key == key:
                needs_frames = self._needs_frames(stream, active, newest)
                return Due(stream=stream, active=active, report=begun, needs_frames=needs_frames)
            if in_flight is not None:
                return None
        if stream.request.is_forecast:
            latest = active.schedule.latest(now)
            if latest is None or latest.key <= stream.acked_report.key:
                return None
            end = latest.intervals[-1].end
            is_over = end is not None and end <= now
            return Due(stream=stream, active=active, report=latest, is_over=is_over)
        report = active.schedule.next_after(stream.acked_report.key)
        if report is None or report.due > now:
            return None
        needs_frames = self._needs_frames(stream, active, newest)
        if needs_frames and (newest is None or not report.due <= newest.taken_at <= now + AHEAD):
            return None  # nothing was metered since then
        return Due(stream=stream, active=active, report=report, needs_frames=needs_frames)

    def _needs_frames(
        self, stream: IntervalStream, active: ActiveRequest, newest: Frame | None
    ) -> bool:
        metered = self._requests.metered(stream.ven_name)
        if not metered or stream.request.quantity.is_described:
            return True
        names = () if newest is None else newest.roster.names(stream.ven_name)
        return any(name not in metered for name in active.scope.of(names))


def _is_begun(due: Due) -> bool:
    """Whether a part of it was sent, or may have been."""
    return due.stream.in_flight is not None or due.stream.acked_report.cell > 0
