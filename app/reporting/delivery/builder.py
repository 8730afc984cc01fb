"""Which report comes next in each stream, within bounds of size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from app.readings import ReadsFrames
from app.reporting.content import DueReports, IntervalReports, NewReadings, ResourceModel
from app.reporting.delivery.batching import Batch, SizeLimits
from app.reporting.delivery.intervals import IntervalBuilder
from app.reporting.delivery.measured import MeasuredBuilder, MeasuredRequests
from app.reporting.delivery.measured_corrections import CorrectionBuilder
from app.reporting.delivery.telemetry import TelemetryBuilder
from app.reporting.streams import (
    AnyStream,
    IntervalStream,
    MeasuredStream,
    RequestIndex,
    TelemetryStream,
)


class ReportBuilder:
    """Makes the next report of each stream, oldest readings first; `limits` bound each report."""

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        requests: RequestIndex,
        model: ResourceModel,
        due_reports: DueReports,
        interval_reports: IntervalReports,
        new_readings: NewReadings,
        clock: Callable[[], datetime],
        limits: SizeLimits,
        correct_every: timedelta,
        corrects: bool,
    ) -> None:
        self._telemetry = TelemetryBuilder(
            frames=frames, requests=requests, model=model, clock=clock, limits=limits
        )
        measured = MeasuredRequests(new_readings=new_readings, requests=requests)
        self._measured = MeasuredBuilder(
            new_readings=new_readings, requests=measured, clock=clock, limits=limits
        )
        self._corrections = CorrectionBuilder(
            new_readings=new_readings,
            requests=measured,
            clock=clock,
            limits=limits,
            every=correct_every,
            tells=corrects,
        )
        self._intervals = IntervalBuilder(
            due=due_reports, reports=interval_reports, clock=clock, limits=limits
        )
        self._limits = limits

    def make_smaller(self, ven_name: str, refused_bytes: int) -> int:
        """The VTN found a body of this VEN too large; the bound for its next ones, in bytes."""
        return self._limits.make_smaller(ven_name, refused_bytes)

    def lost(self, streams: Sequence[AnyStream]) -> list[IntervalStream]:
        """Those whose report in flight is of no interval that is still asked for."""
        return [
            stream
            for stream in streams
            if isinstance(stream, IntervalStream) and self._intervals.is_lost(stream)
        ]

    def next_batch(self, streams: Sequence[AnyStream]) -> Batch:
        """One report per stream, until the batch is full; the rest comes with the next one."""
        batch = Batch()
        for stream in streams:
            batch.acknowledged[stream.ven_name, stream.request.event_id] += stream.reports_sent
        measured = [stream for stream in streams if isinstance(stream, MeasuredStream)]
        frames = [stream for stream in streams if isinstance(stream, TelemetryStream)]
        if measured:
            frames = [stream for stream in frames if not isinstance(stream, MeasuredStream)]
        self._telemetry.add_to(batch, frames)
        if not batch.is_full:
            self._measured.add_to(batch, measured)
        if not batch.is_full:
            made = {report.stream.stream_id for report in batch.reports}
            self._corrections.add_to(
                batch, [stream for stream in measured if stream.stream_id not in made]
            )
        if not batch.is_full:
            self._intervals.add_to(
                batch, [stream for stream in streams if isinstance(stream, IntervalStream)]
            )
        return batch
