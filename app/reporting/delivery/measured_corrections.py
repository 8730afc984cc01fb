"""Reports of measurements that were told one by one, and are others now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from app.platform import to_us
from app.reporting.content import (
    ArrivalRange,
    Corrected,
    NewReadings,
    Readings,
    RenderedReport,
    render_readings,
)
from app.reporting.delivery.batching import Batch, SizeLimits
from app.reporting.delivery.measured import IDLE_NUMBERS, MeasuredRequests, Owed, Window, windows
from app.reporting.streams import FramePosition, FramesInFlight, MeasuredStream, Transition


class CorrectionBuilder:
    """Makes a report of what was corrected since, once `every` has passed since the first of it.

    `tells`: whether corrections are told at all.
    """

    def __init__(
        self,
        *,
        new_readings: NewReadings,
        requests: MeasuredRequests,
        clock: Callable[[], datetime],
        limits: SizeLimits,
        every: timedelta,
        tells: bool,
    ) -> None:
        self._new = new_readings
        self._requests = requests
        self._clock = clock
        self._limits = limits
        self._every = every
        self._tells = tells

    def add_to(self, batch: Batch, streams: Sequence[MeasuredStream]) -> None:
        """One report of each that none was made of, until the batch is full."""
        behind = [
            stream
            for stream in streams
            if stream.corrects_after.seq < stream.acked_frame.seq
            and (stream.in_flight is None or stream.is_correcting)
        ]
        if not self._tells:
            for stream in behind:
                _pass(batch, stream, stream.acked_frame.seq)
            return
        newest = max((stream.acked_frame.seq for stream in behind), default=0)
        for stream, window in windows(
            self._new, behind, lambda each: each.corrects_after.seq, newest
        ):
            if batch.is_full:
                break
            self._add(batch, stream, window)

    def _add(self, batch: Batch, stream: MeasuredStream, window: Window) -> None:
        flying = stream.in_flight
        through = min(stream.acked_frame.seq, window.arrivals.through)
        if flying is None and not _corrects_any(window):
            _pass(batch, stream, through)
            return
        corrected = self._corrected(stream, window)
        owed = Owed(
            cursor=stream.corrects_after,
            through=through,
            numbers=corrected(through).numbers,
            up_to=lambda number: self._requests.in_time(stream, corrected(number).readings),
        )
        render = partial(render_readings, ven_name=stream.ven_name, request=stream.request)
        if flying is not None:
            if flying.last_frame <= window.arrivals.through:  # all of it is at hand
                report = render(readings=owed.of_flight(flying), name=flying.name)
                batch.put(stream, flying, report)
            return
        if not owed.numbers:
            _pass(batch, stream, through)
            return
        since = window.taken_at(owed.numbers[0][0])
        if self._clock() - since < self._every:
            return

        def of_corrections(readings: Readings) -> RenderedReport:
            return render(readings=readings, corrected_since=since)

        fitting = owed.fitting(
            of_corrections,
            most_readings=self._limits.most_readings,
            most_bytes=self._limits.most_bytes(stream.ven_name),
        )
        if fitting is None:
            _pass(batch, stream, through)
            return
        position, report = fitting
        in_flight = FramesInFlight(
            name=report.name,
            through=position,
            planned_us=to_us(self._clock()),
            is_correction=True,
        )
        batch.put(stream, in_flight, report, is_smallest=report.readings <= 1)

    def _corrected(self, stream: MeasuredStream, window: Window) -> Callable[[int], Corrected]:
        """What is corrected, up to a number."""
        after = stream.corrects_after.seq
        plan = self._requests.plan(stream)
        arrived = self._new.arrived(plan, *window, after)
        since_us = self._requests.since_us(stream)
        return lambda number: self._new.corrections(
            plan,
            arrived,
            ArrivalRange(after, number, since_us),
            was_told=lambda seq, before: stream.was_told(seq, before=before),
        )


def _pass(batch: Batch, stream: MeasuredStream, through: int) -> None:
    """Nothing is corrected up to there."""
    if through - stream.corrects_after.seq >= IDLE_NUMBERS:
        batch.moved.append((stream, _passing(through)))


def _corrects_any(window: Window) -> bool:
    """Whether anything corrects what arrived before; of an import that is not known."""
    rows, arrival = window.batches.rows, window.batches.arrival
    return window.has_imports or bool((rows["seq"] < arrival).any())


def _passing(seq: int) -> Transition:
    return lambda now: now.pass_corrections(FramePosition(seq))
