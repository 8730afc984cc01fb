"""Which report comes next in each stream, within bounds of size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from app.platform import to_us
from app.readings import Frame, ReadsFrames
from app.reporting.content import (
    Due,
    Outlook,
    PlannedReports,
    RenderedReport,
    Values,
    meant,
    render,
    values_of,
)
from app.reporting.delivery.lookup import Sought
from app.reporting.delivery.post import LEAST_BYTES, Parcel
from app.reporting.streams import Agenda, InFlight, Position, Stream

MOST_BYTES = 1 << 20
"""Of one report's body."""
WINDOW_BYTES = 32 << 20
"""Of the frames that are held in memory at a time."""
SLICE_WINDOW_BYTES = 1 << 20
WORTH_MOVING = 20
"""Frames, before a stream that waits for its time tells that it does not need them."""
ROUND_BYTES = 8 << 20
"""Of the bodies of one round; at most three are held: made, under way, and just sent."""


@dataclass(kw_only=True)
class Round:
    """One report of each stream that has something to report."""

    parcels: list[Parcel] = field(default_factory=list)
    moved: list[Stream] = field(default_factory=list)
    """Streams that go on without a report: nothing of their VEN is in these frames."""
    bytes: int = 0

    @property
    def is_full(self) -> bool:
        return self.bytes >= ROUND_BYTES


class ReportPlanner:
    """Makes the next reports, oldest readings first; their streams carry them as in flight.

    `most_readings`, `most_bytes`: of one report.
    """

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        agenda: Agenda,
        outlook: Outlook,
        planned: PlannedReports,
        clock: Callable[[], datetime],
        most_readings: int,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._frames = frames
        self._agenda = agenda
        self._outlook = outlook
        self._planned = planned
        self._clock = clock
        self._most_readings = most_readings
        self._most_bytes = most_bytes
        self._most_bytes_of: dict[str, int] = {}
        self._read: Sequence[Frame] = ()

    def make_smaller(self, ven_name: str, refused_bytes: int) -> int:
        """The VTN found a body of this VEN too large; the bound for its next ones, in bytes."""
        most = min(self._most_bytes_of.get(ven_name, self._most_bytes), refused_bytes // 2)
        self._most_bytes_of[ven_name] = max(most, LEAST_BYTES)
        return self._most_bytes_of[ven_name]

    def lost(self, streams: Sequence[Stream]) -> list[Stream]:
        """Those whose report in flight is of no interval that is still asked for."""
        return [each for each in streams if self._planned.is_lost(each)]

    def next_round(self, streams: Sequence[Stream]) -> Round:
        """One report per stream, until the round is full; the rest comes with the next one."""
        made = Round()
        before = Counter[tuple[str, str]]()
        for stream in streams:
            before[stream.ven_name, stream.request.event_id] += stream.reports_sent
        read = [each for each in streams if not each.request.is_planned]
        for stream, frames in self._with_frames(read):
            if made.is_full:
                break
            self._add(made, stream, frames, before[stream.ven_name, stream.request.event_id])
        if not made.is_full:
            planned = [each for each in streams if each.request.is_planned]
            self._add_planned(made, planned, before)
        return made

    def _with_frames(self, streams: Sequence[Stream]) -> Iterator[tuple[Stream, Sequence[Frame]]]:
        """Each stream with the frames from its cursor on, read once for all that stand near."""
        sliced = self._frames.sliced_through()
        behind = [each for each in streams if each.cursor.seq < sliced.get(each.ven_name, 0)]
        for stream in behind:
            yield (
                stream,
                self._frames.slices_since(
                    stream.ven_name, stream.cursor.seq, most_bytes=SLICE_WINDOW_BYTES
                ),
            )
        newest = self._frames.newest_seq()
        late = {stream.stream_id for stream in behind}
        rest = sorted(
            (each for each in streams if each.stream_id not in late),
            key=lambda stream: stream.cursor,
        )
        while rest and rest[0].cursor.seq < newest:
            window = self._window(rest[0].cursor.seq, newest)
            end = window[-1].seq
            # What was moved out while it was read may be missing in it: left to the next round.
            sliced = self._frames.sliced_through()
            for stream in rest:
                if sliced.get(stream.ven_name, 0) <= stream.cursor.seq < end:
                    yield stream, window
            rest = [stream for stream in rest if stream.cursor.seq >= end]

    def _window(self, seq: int, newest: int) -> Sequence[Frame]:
        """Frames from there on; those of the last round again, as long as they are the newest."""
        known = self._read
        if not known or known[0].seq != seq or known[-1].seq != newest:
            self._read = self._frames.since(seq, most_bytes=WINDOW_BYTES)
        return self._read

    def _add(
        self, made: Round, stream: Stream, frames: Sequence[Frame], reports_before: int
    ) -> None:
        if stream.until is not None:
            frames = [frame for frame in frames if frame.seq <= stream.until]
        if not frames or frames[-1].seq <= stream.cursor.seq:
            if stream.until is not None:
                made.moved.append(replace(stream, cursor=Position(stream.until)))
            return
        request = stream.request
        scope = self._agenda.scope_of(stream)
        values = [
            due
            for due in self._values(stream, frames)
            if len(due.numbers)
            and (request.since is None or due.start + due.duration >= request.since)
            and (request.until is None or due.start < request.until)
        ]
        if scope is not None or request.aggregate or request.with_quality:
            values = [meant(due, request, scope) for due in values]
            values = [due for due in values if len(due.numbers)]
        if stream.in_flight is not None:
            if not values or values[-1].seq < stream.in_flight.through.seq:
                return  # its frames are not all at hand in this round
            report = self._render(
                stream, values, stream.in_flight.through, name=stream.in_flight.name
            )
            self._put(made, stream, report, reports_before)
        elif values:
            through, report = self._fitting(stream, values)
            in_flight = InFlight(name=report.name, through=through, planned_us=to_us(self._clock()))
            self._put(made, replace(stream, in_flight=in_flight), report, reports_before, new=True)
        else:
            over = request.until is not None and frames[-1].taken_at > request.until
            if not over or frames[-1].seq - stream.cursor.seq >= WORTH_MOVING:
                made.moved.append(replace(stream, cursor=Position(frames[-1].seq)))

    def _values(self, stream: Stream, frames: Sequence[Frame]) -> Iterator[Values]:
        return values_of(
            stream.request.quantity,
            stream.ven_name,
            frames,
            stream.cursor.seq,
            outlook=self._outlook,
        )

    def _put(
        self,
        made: Round,
        stream: Stream,
        report: RenderedReport,
        reports_before: int,
        *,
        new: bool = False,
        is_smallest: bool = False,
    ) -> None:
        """Into the round; `new`: it was never sent."""
        in_flight = cast(InFlight, stream.in_flight)
        made.bytes += len(report.body)
        made.parcels.append(
            Parcel(
                source=stream,
                ven_name=stream.ven_name,
                program_id=stream.request.program_id,
                report=report,
                sought=Sought(
                    ven_name=stream.ven_name,
                    event_id=stream.request.event_id,
                    name=report.name,
                    body_bytes=len(report.body),
                    reports_before=reports_before,
                    earlier=stream.last_report,
                ),
                in_doubt_us=None if new else in_flight.planned_us,
                again=in_flight.again,
                is_smallest=is_smallest,
            )
        )

    def _add_planned(
        self, made: Round, streams: Sequence[Stream], before: Mapping[tuple[str, str], int]
    ) -> None:
        """Reports whose time has come."""
        due = self._planned.due(streams)
        for each in [each for each in due if each.is_over and each.stream.in_flight is None]:
            done = Position(each.report.key)
            made.moved.append(replace(each.stream, done=done))
        to_make = [each for each in due if not each.is_over or each.stream.in_flight is not None]
        for each, values in self._planned.values(to_make):
            if made.is_full:
                return
            key = each.stream.ven_name, each.stream.request.event_id
            request = each.stream.request
            told = [meant(one, request, None) for one in values] if request.aggregate else values
            self._add_due(made, each, told, before[key])
        waiting = {each.stream.stream_id for each in due}
        for stream in streams:
            if stream.stream_id not in waiting and stream.in_flight is None:
                needed = self._planned.needed_from(stream, stream.done.seq)
                if needed - stream.cursor.seq >= WORTH_MOVING:
                    made.moved.append(replace(stream, cursor=Position(needed)))

    def _add_due(self, made: Round, due: Due, values: list[Values], reports_before: int) -> None:
        """A report, or the next part of it: so many cells of the table resources x intervals."""
        stream, key = due.stream, due.report.key
        width = len(values)
        cells = width * (len(values[0].quoted_names) if values else 0)
        start = stream.done.column if stream.done.seq == key - 1 else 0
        if stream.in_flight is not None:
            stop = stream.in_flight.done.column or cells
            report = self._cells(stream, values, start, stop, stream.in_flight.name)
            self._put(made, stream, report, reports_before)
            return
        done, cursor = Position(key), Position(self._planned.needed_from(stream, key))
        if start >= cells:  # nobody is asked for, or nobody is left
            made.moved.append(replace(stream, done=done, cursor=max(stream.cursor, cursor)))
            return
        # The rest of one resource, or as many whole ones as fit; of one that does not fit, a part.
        stop = start + width - start % width if start % width else cells
        report = self._cells(stream, values, start, stop)
        most_bytes = self._most_bytes_of.get(stream.ven_name, self._most_bytes)
        while stop - start > 1 and (
            len(report.body) > most_bytes or report.readings > self._most_readings
        ):
            half = (stop - start) // 2
            stop = start + (half - half % width if half >= width else half)
            report = self._cells(stream, values, start, stop)
        whole = stop >= cells
        in_flight = InFlight(
            name=report.name,
            through=max(cursor, stream.cursor) if whole else stream.cursor,
            done=done if whole else Position(key - 1, stop),
            planned_us=to_us(self._clock()),
            key=key,
        )
        self._put(
            made,
            replace(stream, in_flight=in_flight),
            report,
            reports_before,
            new=True,
            is_smallest=stop - start == 1,
        )

    def _cells(
        self,
        stream: Stream,
        values: Sequence[Values],
        start: int,
        stop: int,
        name: str | None = None,
    ) -> RenderedReport:
        """The report of these cells: whole resources, or some intervals of one."""
        width = max(len(values), 1)
        resource, first = divmod(start, width)
        if start % width or stop % width:
            values = values[first : first + stop - start]
            columns = slice(resource, resource + 1)
        else:
            columns = slice(resource, stop // width)
        return render(
            ven_name=stream.ven_name,
            request=stream.request,
            values=values,
            columns=columns,
            name=name,
        )

    def _fitting(self, stream: Stream, values: Sequence[Values]) -> tuple[Position, RenderedReport]:
        """The longest report within the bounds, and how far it goes."""
        most = self._most_readings
        through = _through(stream, values, most)
        report = self._render(stream, values, through)
        most_bytes = self._most_bytes_of.get(stream.ven_name, self._most_bytes)
        while len(report.body) > most_bytes and most > 1:
            most = max(min(most, report.readings) // 2, 1)
            through = _through(stream, values, most)
            report = self._render(stream, values, through)
        return through, report

    def _render(
        self,
        stream: Stream,
        values: Sequence[Values],
        through: Position,
        name: str | None = None,
    ) -> RenderedReport:
        """The report from the stream's cursor to there."""
        start = stream.cursor.column
        if start or through.column:
            # A part of one frame; the last part ends with the frame.
            due, columns = values[:1], slice(start, through.column or len(values[0].numbers))
        else:
            due = [each for each in values if each.seq <= through.seq]
            columns = slice(0, max(len(each.numbers) for each in due))
        return render(
            ven_name=stream.ven_name, request=stream.request, values=due, columns=columns, name=name
        )


def _through(stream: Stream, values: Sequence[Values], most: int) -> Position:
    """How far the next report of at most so many readings goes."""
    first = values[0]
    column = stream.cursor.column
    if column or len(first.numbers) > most:
        stop = column + most
        return (
            Position(first.seq) if stop >= len(first.numbers) else Position(stream.cursor.seq, stop)
        )
    through = first.seq
    for due in values:
        most -= len(due.numbers)
        if most < 0:
            break
        through = due.seq
    return Position(through)
