"""Reports of what real meters measure: what arrived behind each stream's cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from app.intake import END_US, Arrivals
from app.platform import from_us, to_us
from app.reporting.content import (
    ArrivalRange,
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
Render = Callable[[Readings], RenderedReport]


class Window(NamedTuple):
    """What arrived after a number."""

    arrivals: Arrivals
    batches: ArrivedRows

    def taken_at(self, number: int) -> datetime:
        """When that arrived which has this number."""
        (taken_at_us,) = (each.taken_at_us for each in self.arrivals.arrived if each.seq == number)
        return from_us(taken_at_us)

    @property
    def has_imports(self) -> bool:
        """Whether some of it is imported; of whom is not known without reading it."""
        return any(each.import_id is not None for each in self.arrivals.arrived)


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


class MeasuredRequests:
    """What streams of measurements are asked for."""

    def __init__(self, *, new_readings: NewReadings, requests: RequestIndex) -> None:
        self._new = new_readings
        self._requests = requests

    def plan(self, stream: MeasuredStream) -> ReadingPlan:
        """Which series are told."""
        metered = self._requests.metered(stream.ven_name)
        return self._new.plan(stream.request, metered, self._requests.scope_of(stream))

    def since_us(self, stream: MeasuredStream) -> int:
        """What ends later is told."""
        active = self._requests.of(stream)
        begins = [active.first_seen] if active is not None else []
        begins += [stream.request.since] if stream.request.since is not None else []
        return max(map(to_us, begins), default=0)

    def in_time(self, stream: MeasuredStream, readings: Readings) -> Readings:
        """Those that begin before the event ends."""
        until = stream.request.until
        return readings.part(readings.start_us < (END_US if until is None else to_us(until)))


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What is to be told behind a cursor."""

    cursor: FramePosition
    through: int
    """Nothing else is known of yet that arrived later."""
    numbers: Sequence[tuple[int, int]]
    """(number, how many rows arrived with it) of the stream's series, rising, up to `through`."""
    up_to: Callable[[int], Readings]
    """What is to be told up to a number, all that was told of the first of them included."""

    @property
    def told_of_first(self) -> int:
        """How many readings of what arrived next are told; none, where that is no longer of the
        stream's series."""
        is_next = bool(self.numbers) and self.numbers[0][0] == self.cursor.seq + 1
        return self.cursor.column if is_next else 0

    def of_flight(self, flying: FramesInFlight) -> Readings:
        """What a report in flight is made of."""
        return self.up_to(flying.last_frame).part(
            slice(self.told_of_first, flying.through.column or None)
        )

    def fitting(
        self, render: Render, *, most_readings: int, most_bytes: int
    ) -> tuple[FramePosition, RenderedReport] | None:
        """The longest report within the bounds, and how far it goes; None: there is nothing to
        tell."""
        if not self.numbers:
            return None
        told = self.told_of_first
        first, last = self.numbers[0][0], self._last_of(1 if told else most_readings)
        made = self.up_to(last).part(slice(told, None))
        rows = most_readings
        while not len(made) and last < self.numbers[-1][0]:
            told, rows = 0, 2 * rows
            last = self._last_of(rows)
            made = self.up_to(last)
        most = most_readings
        while len(made):
            report = render(made.part(slice(0, most)))
            fits = len(report.body) <= most_bytes or len(made) == 1
            if len(made) <= most and fits:
                is_all = last == self.numbers[-1][0]
                return FramePosition(self.through if is_all else last), report
            if last > first:
                fewer = len(made) if len(made) > most else len(made) // 2
                last = min(self._last_of(max(fewer // 2, 1)), self._before(last))
                made = self.up_to(last)
            elif fits or most == 1:
                return FramePosition(first - 1, told + most), report
            else:
                most = max(min(most, len(made)) // 2, 1)
        return None

    def _last_of(self, most: int) -> int:
        """The last number up to which there are not more rows; at least the first one."""
        last = self.numbers[0][0]
        for seq, count in self.numbers:
            most -= count
            if most < 0:
                break
            last = seq
        return last

    def _before(self, last: int) -> int:
        """The number before that one."""
        return max(seq for seq, _ in self.numbers if seq < last)


class MeasuredBuilder:
    """Makes the next report of each stream of measurements."""

    def __init__(
        self,
        *,
        new_readings: NewReadings,
        requests: MeasuredRequests,
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
        render = partial(render_readings, ven_name=stream.ven_name, request=stream.request)
        flying = stream.in_flight
        if flying is not None:
            # In doubt: with the name and the span that it had, when all of that is at hand.
            if flying.last_frame <= window.arrivals.through:
                report = render(readings=owed.of_flight(flying), name=flying.name)
                batch.put(stream, flying, report)
            return
        fitting = owed.fitting(
            lambda readings: render(readings=readings),
            most_readings=self._limits.most_readings,
            most_bytes=self._limits.most_bytes(stream.ven_name),
        )
        if fitting is not None:
            position, report = fitting
            planned_us = to_us(self._clock())
            in_flight = FramesInFlight(name=report.name, through=position, planned_us=planned_us)
            batch.put(stream, in_flight, report, is_smallest=report.readings <= 1)
        elif (
            owed.numbers
            or owed.through - owed.cursor.seq >= IDLE_NUMBERS
            or owed.through == stream.last_frame
            or window.has_imports
        ):
            batch.moved.append((stream, _advancing(owed.through)))

    def _owed(self, stream: MeasuredStream, window: Window) -> Owed:
        after, last = stream.acked_frame.seq, stream.last_frame
        through = window.arrivals.through if last is None else min(window.arrivals.through, last)
        plan = self._requests.plan(stream)
        arrived = self._new.arrived(plan, *window, after)
        since_us = self._requests.since_us(stream)

        def up_to(number: int) -> Readings:
            readings = self._new.readings(plan, arrived, ArrivalRange(after, number, since_us))
            return self._requests.in_time(stream, readings)

        return Owed(
            cursor=stream.acked_frame,
            through=through,
            numbers=arrived.numbers(through),
            up_to=up_to,
        )


def _advancing(seq: int) -> Transition:
    return lambda now: now.advance(FramePosition(seq))
