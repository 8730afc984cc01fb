"""Reports of what real meters measure: what arrived behind each stream's cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from app.intake import END_US, Arrivals
from app.platform import to_us
from app.reporting.content import (
    ArrivedRows,
    NewReadings,
    ReadingPlan,
    Readings,
    RenderedReport,
    render_readings,
)
from app.reporting.delivery.batching import Batch, SizeLimits
from app.reporting.streams import (
    FramePosition,
    FramesInFlight,
    MeasuredStream,
    RequestIndex,
    Transition,
)

WINDOW_ROWS = 200_000
"""Of what arrived, that are held in memory at a time."""
IDLE_NUMBERS = 100
"""Of others' measurements, before a stream tells that it does not need them."""


class Window(NamedTuple):
    """What arrived after a number."""

    arrivals: Arrivals
    batches: ArrivedRows


def windows(
    new: NewReadings,
    streams: Sequence[MeasuredStream],
    after: Callable[[MeasuredStream], int],
    through: int,
) -> Iterator[tuple[MeasuredStream, Window]]:
    """Each stream with what arrived after where it stands, read once for all that stand near."""
    rest = sorted(streams, key=after)
    while rest and after(rest[0]) < through:
        arrivals = new.arrivals(after(rest[0]), most_rows=WINDOW_ROWS)
        window = Window(arrivals, ArrivedRows.of(arrivals))
        for stream in rest:
            if after(stream) < arrivals.through:
                yield stream, window
        rest = [stream for stream in rest if after(stream) >= arrivals.through]


def asked_since_us(stream: MeasuredStream, requests: RequestIndex) -> int:
    """What ends later is told."""
    active = requests.of(stream)
    begins = [active.first_seen] if active is not None else []
    begins += [stream.request.since] if stream.request.since is not None else []
    return max(map(to_us, begins), default=0)


@dataclass(frozen=True, kw_only=True)
class _Owed:
    """What arrived for one stream, and what is told of it."""

    new: NewReadings
    plan: ReadingPlan
    arrived: ArrivedRows
    after: int
    through: int
    since_us: int
    """What ends later is told, and what is to be told however long ago it ended."""
    until_us: int
    """What begins earlier is told."""

    @cached_property
    def numbers(self) -> list[tuple[int, int]]:
        """(number, how many rows arrived with it) of the stream's series, rising."""
        return [each for each in self.arrived.numbers() if each[0] <= self.through]

    def up_to(self, last: int) -> Readings:
        """What is new up to a number."""
        made = self.new.readings(
            self.plan, self.arrived, after=self.after, through=last, since_us=self.since_us
        )
        return made.part(made.start_us < self.until_us)

    def last_of(self, most: int) -> int:
        """The last number up to which there are not more rows; at least the first one."""
        last = self.numbers[0][0]
        for seq, count in self.numbers:
            most -= count
            if most < 0:
                break
            last = seq
        return last


class MeasuredBuilder:
    """Makes the next report of each stream of measurements."""

    def __init__(
        self,
        *,
        new_readings: NewReadings,
        requests: RequestIndex,
        clock: Callable[[], datetime],
        limits: SizeLimits,
    ) -> None:
        self._new = new_readings
        self._requests = requests
        self._clock = clock
        self._limits = limits

    def add_to(self, batch: Batch, streams: Sequence[MeasuredStream]) -> None:
        """One report of each, until the batch is full."""
        newest = self._new.newest_seq() if streams else 0
        told = [stream for stream in streams if not stream.is_correcting]
        for stream, window in windows(self._new, told, lambda each: each.acked_frame.seq, newest):
            if batch.is_full:
                break
            self._add(batch, stream, window)

    def _add(self, batch: Batch, stream: MeasuredStream, window: Window) -> None:
        owed = self._owed(stream, window)
        flying, column = stream.in_flight, stream.acked_frame.column
        if flying is not None:
            # In doubt: with the name and the span that it had.
            last, stop = flying.through
            if stop or column:
                last = owed.numbers[0][0] if owed.numbers else last
            if last <= window.arrivals.through:  # else not all of it is at hand in this batch
                made = owed.up_to(last).part(slice(column, stop or None))
                batch.put(stream, flying, _render(stream, made, flying.name))
            return
        fitting = self._fitting(stream, owed)
        if fitting is not None:
            position, report = fitting
            planned_us = to_us(self._clock())
            in_flight = FramesInFlight(name=report.name, through=position, planned_us=planned_us)
            batch.put(stream, in_flight, report, is_smallest=report.readings <= 1)
        elif (
            owed.numbers
            or owed.through - owed.after >= IDLE_NUMBERS
            or owed.through == stream.last_frame
            or any(each.import_id is not None for each in window.arrivals.arrived)
        ):
            # Of a batch that was told in part, nothing is left: its meters are others' now.
            last = owed.numbers[0][0] if column and owed.numbers else owed.through
            batch.moved.append((stream, _advancing(last)))

    def _owed(self, stream: MeasuredStream, window: Window) -> _Owed:
        request, after = stream.request, stream.acked_frame.seq
        metered = self._requests.metered(stream.ven_name)
        plan = self._new.plan(request, metered, self._requests.scope_of(stream))
        through = window.arrivals.through
        return _Owed(
            new=self._new,
            plan=plan,
            arrived=self._new.arrived(plan, window.arrivals, window.batches, after),
            after=after,
            through=through if stream.last_frame is None else min(through, stream.last_frame),
            since_us=asked_since_us(stream, self._requests),
            until_us=END_US if request.until is None else to_us(request.until),
        )

    def _fitting(
        self, stream: MeasuredStream, owed: _Owed
    ) -> tuple[FramePosition, RenderedReport] | None:
        """The longest report within the bounds, and how far it goes; None: there is nothing new."""
        column = stream.acked_frame.column
        most = self._limits.most_readings
        if not owed.numbers:
            return None
        first, last = owed.numbers[0][0], owed.last_of(1 if column else most)
        made = owed.up_to(last).part(slice(column, None))
        while not len(made) and not column and last < owed.numbers[-1][0]:
            most *= 2
            last = owed.last_of(most)
            made = owed.up_to(last)
        most = self._limits.most_readings
        most_bytes = self._limits.most_bytes(stream.ven_name)
        while len(made):
            report = _render(stream, made.part(slice(0, most)))
            fits = len(report.body) <= most_bytes or len(made) == 1
            if len(made) <= most and fits:
                is_last = last == owed.numbers[-1][0] and not column
                return FramePosition(owed.through if is_last else last), report
            if last == first:
                if fits or most == 1:
                    return FramePosition(owed.after, column + most), report
                most = max(min(most, len(made)) // 2, 1)
            else:
                fewer = len(made) if len(made) > most else len(made) // 2
                last = min(owed.last_of(max(fewer // 2, 1)), _before(owed.numbers, last))
                made = owed.up_to(last)
        return None


def _before(numbers: Sequence[tuple[int, int]], last: int) -> int:
    """The number before that one."""
    return max(seq for seq, _ in numbers if seq < last)


def _advancing(seq: int) -> Transition:
    return lambda now: now.advance(FramePosition(seq))


def _render(stream: MeasuredStream, readings: Readings, name: str | None = None) -> RenderedReport:
    return render_readings(
        ven_name=stream.ven_name, request=stream.request, readings=readings, name=name
    )
