"""Reports of what VENs read: the frames behind each stream's cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from app.platform import to_us
from app.readings import Frame, ReadsFrames
from app.reporting.content import (
    RenderedReport,
    ResourceModel,
    Values,
    render,
    select_resources,
    values_of,
)
from app.reporting.delivery.batching import WORTH_MOVING, Batch, SizeLimits
from app.reporting.streams import (
    FramePosition,
    FramesInFlight,
    RequestIndex,
    TelemetryStream,
    Transition,
)

WINDOW_BYTES = 32 << 20
"""Of the frames that are held in memory at a time."""
SLICE_WINDOW_BYTES = 1 << 20


class TelemetryBuilder:
    """Makes the next report of each telemetry stream."""

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        requests: RequestIndex,
        model: ResourceModel,
        clock: Callable[[], datetime],
        limits: SizeLimits,
    ) -> None:
        self._frames = frames
        self._requests = requests
        self._model = model
        self._clock = clock
        self._limits = limits
        self._read: Sequence[Frame] = ()

    def add_to(self, batch: Batch, streams: Sequence[TelemetryStream]) -> None:
        """One report of each, until the batch is full."""
        for stream, frames in self._with_frames(streams):
            if batch.is_full:
                break
            self._add(batch, stream, frames)

    def _with_frames(
        self, streams: Sequence[TelemetryStream]
    ) -> Iterator[tuple[TelemetryStream, Sequence[Frame]]]:
        """Each stream with the frames from its cursor on, read once for all that stand near."""
        sliced = self._frames.sliced_through()
        behind = [
            stream for stream in streams if stream.acked_frame.seq < sliced.get(stream.ven_name, 0)
        ]
        for stream in behind:
            yield (
                stream,
                self._frames.slices_since(
                    stream.ven_name, stream.acked_frame.seq, most_bytes=SLICE_WINDOW_BYTES
                ),
            )
        newest = self._frames.newest_seq()
        late = {stream.stream_id for stream in behind}
        rest = sorted(
            (stream for stream in streams if stream.stream_id not in late),
            key=lambda stream: stream.acked_frame,
        )
        while rest and rest[0].acked_frame.seq < newest:
            window = self._window(rest[0].acked_frame.seq, newest)
            end = window[-1].seq
            # What was moved out while it was read may be missing in it: left to the next batch.
            sliced = self._frames.sliced_through()
            for stream in rest:
                if sliced.get(stream.ven_name, 0) <= stream.acked_frame.seq < end:
                    yield stream, window
            rest = [stream for stream in rest if stream.acked_frame.seq >= end]

    def _window(self, seq: int, newest: int) -> Sequence[Frame]:
        """Frames from there on; those of the last batch again, as long as they are the newest."""
        known = self._read
        if not known or known[0].seq != seq or known[-1].seq != newest:
            self._read = self._frames.since(seq, most_bytes=WINDOW_BYTES)
        return self._read

    def _add(self, batch: Batch, stream: TelemetryStream, frames: Sequence[Frame]) -> None:
        if stream.last_frame is not None:
            frames = [frame for frame in frames if frame.seq <= stream.last_frame]
        if not frames or frames[-1].seq <= stream.acked_frame.seq:
            if stream.last_frame is not None:
                batch.moved.append((stream, _advancing(stream.last_frame)))
            return
        values = self._values(stream, frames)
        if stream.in_flight is not None:
            # In doubt: with the name and the span that it had.
            if not values or values[-1].seq < stream.in_flight.through.seq:
                return  # its frames are not all at hand in this batch
            report = _render(stream, values, stream.in_flight.through, name=stream.in_flight.name)
            batch.put(stream, stream.in_flight, report)
        elif values:
            through, report = self._fitting(stream, values)
            planned_us = to_us(self._clock())
            in_flight = FramesInFlight(name=report.name, through=through, planned_us=planned_us)
            batch.put(stream, in_flight, report)
        else:
            until = stream.request.until
            over = until is not None and frames[-1].taken_at > until
            if not over or frames[-1].seq - stream.acked_frame.seq >= WORTH_MOVING:
                batch.moved.append((stream, _advancing(frames[-1].seq)))

    def _values(self, stream: TelemetryStream, frames: Sequence[Frame]) -> list[Values]:
        """What is asked for of these frames, oldest first."""
        request = stream.request
        scope = self._requests.scope_of(stream)
        values = [
            due
            for due in values_of(
                request.quantity,
                stream.ven_name,
                frames,
                stream.acked_frame.seq,
                model=self._model,
                with_metered=request.aggregate,
            )
            if len(due.numbers)
            and (request.since is None or due.start + due.duration >= request.since)
            and (request.until is None or due.start < request.until)
        ]
        if scope.is_all and not request.aggregate and not request.with_quality:
            return values
        chosen = (select_resources(due, request, scope) for due in values)
        return [due for due in chosen if len(due.numbers)]

    def _fitting(
        self, stream: TelemetryStream, values: Sequence[Values]
    ) -> tuple[FramePosition, RenderedReport]:
        """The longest report within the bounds, and how far it goes."""
        most = self._limits.most_readings
        through = _through(stream, values, most)
        report = _render(stream, values, through)
        most_bytes = self._limits.most_bytes(stream.ven_name)
        while len(report.body) > most_bytes and most > 1:
            most = max(min(most, report.readings) // 2, 1)
            through = _through(stream, values, most)
            report = _render(stream, values, through)
        return through, report


def _advancing(seq: int) -> Transition:
    return lambda now: now.advance(FramePosition(seq))


def _render(
    stream: TelemetryStream,
    values: Sequence[Values],
    through: FramePosition,
    name: str | None = None,
) -> RenderedReport:
    """The report from the stream's cursor to there."""
    start = stream.acked_frame.column
    if start or through.column:
        # A part of one frame; the last part ends with the frame.
        due, columns = values[:1], slice(start, through.column or len(values[0].numbers))
    else:
        due = [value for value in values if value.seq <= through.seq]
        columns = slice(0, max(len(values.numbers) for values in due))
    return render(
        ven_name=stream.ven_name, request=stream.request, values=due, columns=columns, name=name
    )


def _through(stream: TelemetryStream, values: Sequence[Values], most: int) -> FramePosition:
    """How far the next report of at most so many readings goes."""
    first = values[0]
    column = stream.acked_frame.column
    if column or len(first.numbers) > most:
        stop = column + most
        if stop >= len(first.numbers):
            return FramePosition(first.seq)
        return FramePosition(stream.acked_frame.seq, stop)
    through = first.seq
    for due in values:
        most -= len(due.numbers)
        if most < 0:
            break
        through = due.seq
    return FramePosition(through)
