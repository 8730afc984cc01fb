"""Reports of measurements that were told one by one, and are others now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from app.platform import to_us
from app.reporting.content import Corrected, NewReadings, Readings, RenderedReport, render_readings
from app.reporting.delivery.batching import Batch, SizeLimits
from app.reporting.delivery.measured import IDLE_NUMBERS, Window, asked_since_us, windows
from app.reporting.streams import (
    FramePosition,
    FramesInFlight,
    MeasuredStream,
    RequestIndex,
    Transition,
)


class CorrectionBuilder:
    """Makes a report of what was corrected since, once `every` has passed since the first of it.

    `tells`: whether corrections are told at all.
    """

    def __init__(
        self,
        *,
        new_readings: NewReadings,
        requests: RequestIndex,
        clock: Callable[[], datetime],
        limits: SizeLimits,
        every: timedelta,
        tells: bool,
    ) -> None:
        self._new = new_readings
        self._requests = requests
        self._clock = clock
        self._limits = limits
        self._every_us = every // timedelta(microseconds=1)
        self._tells = tells

    def add_to(self, batch: Batch, streams: Sequence[MeasuredStream]) -> None:
        """One report of each that none was made of, until the batch is full."""
        behind = [
            stream
            for stream in streams
            if stream.corrects_after < stream.acked_frame.seq
            and (stream.in_flight is None or stream.is_correcting)
        ]
        if not self._tells:
            for stream in behind:
                self._pass(batch, stream, stream.acked_frame.seq)
            return
        newest = max((stream.acked_frame.seq for stream in behind), default=0)
        for stream, window in windows(self._new, behind, lambda each: each.corrects_after, newest):
            if batch.is_full:
                break
            self._add(batch, stream, window)

    def _add(self, batch: Batch, stream: MeasuredStream, window: Window) -> None:
        flying = stream.in_flight
        through = min(stream.acked_frame.seq, window.arrivals.through)
        if not _corrects_any(window) and flying is None:
            self._pass(batch, stream, through)
            return
        through = through if flying is None else flying.through.seq
        if through > window.arrivals.through:
            return  # not all of it is at hand in this batch
        corrected, numbers = self._corrected(stream, window, through)
        if flying is not None:
            batch.put(stream, flying, self._render(stream, corrected.readings, 0, flying.name))
            return
        if corrected.first_number is None:
            self._pass(batch, stream, through)
            return
        since_us = _taken_at_us(window, corrected.first_number)
        if to_us(self._clock()) - since_us < self._every_us:
            return
        most = self._limits.most_readings
        report = self._render(stream, corrected.readings, since_us)
        while len(numbers) > 1 and (
            report.readings > most or len(report.body) > self._limits.most_bytes(stream.ven_name)
        ):
            numbers = numbers[: (len(numbers) + 1) // 2]
            through = numbers[-1]
            corrected, _ = self._corrected(stream, window, through)
            report = self._render(stream, corrected.readings, since_us)
        in_flight = FramesInFlight(
            name=report.name,
            through=FramePosition(through),
            planned_us=to_us(self._clock()),
            is_correction=True,
        )
        batch.put(stream, in_flight, report)

    def _corrected(
        self, stream: MeasuredStream, window: Window, through: int
    ) -> tuple[Corrected, list[int]]:
        """What is corrected, and the numbers with which something arrived."""
        after = stream.corrects_after
        metered = self._requests.metered(stream.ven_name)
        plan = self._new.plan(stream.request, metered, self._requests.scope_of(stream))
        arrived = self._new.arrived(plan, window.arrivals, window.batches, after)
        corrected = self._new.corrections(
            plan,
            arrived,
            through=through,
            since_us=asked_since_us(stream, self._requests),
            was_told=lambda seq, number: stream.was_told(seq, before=number),
        )
        return corrected, [seq for seq, _ in arrived.numbers() if seq <= through]

    def _pass(self, batch: Batch, stream: MeasuredStream, through: int) -> None:
        """Nothing is corrected up to there."""
        if through - stream.corrects_after >= IDLE_NUMBERS:
            batch.moved.append((stream, _passing(through)))

    def _render(
        self, stream: MeasuredStream, readings: Readings, since_us: int, name: str | None = None
    ) -> RenderedReport:
        return render_readings(
            ven_name=stream.ven_name,
            request=stream.request,
            readings=readings,
            name=name,
            corrected_since_us=since_us,
        )


def _corrects_any(window: Window) -> bool:
    """Whether anything corrects what arrived before; of an import that is not known."""
    has_imports = any(each.import_id is not None for each in window.arrivals.arrived)
    return has_imports or bool((window.batches.rows["seq"] < window.batches.arrival).any())


def _taken_at_us(window: Window, number: int) -> int:
    return next(each.taken_at_us for each in window.arrivals.arrived if each.seq == number)


def _passing(seq: int) -> Transition:
    return lambda now: now.pass_corrections(seq)
