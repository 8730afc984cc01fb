"""Reports that are due at the times that events set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from app.platform import to_us
from app.reporting.content import (
    Due,
    DueReports,
    IntervalReports,
    RenderedReport,
    ToldCells,
    Values,
    render,
    select_resources,
)
from app.reporting.delivery.batching import WORTH_MOVING, Batch, SizeLimits
from app.reporting.delivery.metered_reports import MeteredReport
from app.reporting.requests import EVERYTHING
from app.reporting.streams import (
    IntervalsInFlight,
    IntervalStream,
    ReportPosition,
    Transition,
)

LEAST_CELL_BYTES = 50
"""What a value takes of a report's body at least."""


class IntervalBuilder:
    """Makes the next report of each interval stream whose time has come."""

    def __init__(
        self,
        *,
        due: DueReports,
        reports: IntervalReports,
        clock: Callable[[], datetime],
        limits: SizeLimits,
    ) -> None:
        self._due = due
        self._reports = reports
        self._clock = clock
        self._limits = limits
        self._cells_that_fit: dict[int, int] = {}
        """By stream whose report goes in parts: how many cells one held at most."""

    def is_lost(self, stream: IntervalStream) -> bool:
        """Whether the event changed under a report that may be at the VTN: it is only looked up."""
        return self._due.is_lost(stream)

    def add_to(self, batch: Batch, streams: Sequence[IntervalStream]) -> None:
        """One report of each that is due, until the batch is full."""
        due = self._due.due(streams)
        for each in [each for each in due if each.is_over and each.stream.in_flight is None]:
            batch.moved.append((each.stream, _advancing(to=ReportPosition(each.report.key))))
        to_make = [one for one in due if not one.is_over or one.stream.in_flight is not None]
        for report, values in self._reports.values(to_make):
            if batch.is_full:
                return
            request = report.stream.request
            selected = (
                [select_resources(one, request, EVERYTHING) for one in values]
                if request.aggregate
                else values
            )
            self._add(batch, report, selected)
        waiting = {one.stream.stream_id for one in due}
        for stream in streams:
            if stream.stream_id not in waiting and stream.in_flight is None:
                needed = self._due.needed_from(stream, stream.acked_report.key)
                if needed - stream.needed_after >= WORTH_MOVING:
                    batch.moved.append((stream, _advancing(needed_after=needed)))

    def _add(self, batch: Batch, due: Due, values: list[Values]) -> None:
        """A report, or the next part of it: so many cells of the table resources x intervals."""
        stream, key = due.stream, due.report.key
        width = len(values)
        cells = width * (len(values[0].quoted_names) if values else 0)
        start = stream.acked_report.cell if stream.acked_report.key == key - 1 else 0
        if stream.in_flight is not None:
            # In doubt: with the name and the span that it had.
            stop = stream.in_flight.through.cell or cells
            report = _cells(stream, values, start, stop, stream.in_flight.name)
            metered = self._metered_report(due, values, start, stop, report)
            batch.put(stream, stream.in_flight, report, metered=metered)
            return
        whole = ReportPosition(key)
        needed_after = self._due.needed_from(stream, key)
        if start >= cells:  # nobody is asked for, or nobody is left
            batch.moved.append((stream, _advancing(to=whole, needed_after=needed_after)))
            return
        most_bytes = self._limits.most_bytes(stream.ven_name)
        # The rest of one resource, or as many whole ones as fit; of one that does not fit, a part.
        stop = start + width - start % width if start % width else cells
        fits = self._cells_that_fit.get(stream.stream_id, most_bytes // LEAST_CELL_BYTES)
        stop = first = min(stop, _aligned(start, fits, width))
        report = _cells(stream, values, start, stop)
        while stop - start > 1 and (
            len(report.body) > most_bytes or report.readings > self._limits.most_readings
        ):
            stop = _aligned(start, (stop - start) // 2, width)
            report = _cells(stream, values, start, stop)
        is_whole = stop >= cells
        if is_whole:
            self._cells_that_fit.pop(stream.stream_id, None)
        elif stop < first:
            self._cells_that_fit[stream.stream_id] = stop - start
        in_flight = IntervalsInFlight(
            name=report.name,
            key=key,
            through=whole if is_whole else ReportPosition(key - 1, stop),
            needed_after=needed_after if is_whole else stream.needed_after,
            planned_us=to_us(self._clock()),
        )
        metered = self._metered_report(due, values, start, stop, report)
        batch.put(stream, in_flight, report, is_smallest=stop - start == 1, metered=metered)

    def _metered_report(
        self, due: Due, values: Sequence[Values], start: int, stop: int, report: RenderedReport
    ) -> MeteredReport | None:
        """What is remembered of what it says of real meters."""
        if not due.metered:
            return None
        chosen, columns = _part(values, start, stop)
        told = (
            ToldCells.of_aggregate(chosen, due.metered, first=start)
            if due.stream.request.aggregate
            else ToldCells.of(chosen, columns, due.metered)
        )
        if not told.count:
            return None
        ends = max(end for _, end in (piece.span for piece in told.pieces))
        return MeteredReport(
            ven_name=due.stream.ven_name,
            event_id=due.stream.request.event_id,
            descriptor=due.stream.request.descriptor,
            key=due.report.key,
            first_cell=start,
            program_id=due.stream.request.program_id,
            report_name=report.name,
            told=told,
            late_until_us=to_us(ends + due.late),
            is_sent=not report.is_empty,
            is_complete=due.is_complete,
            seen_seq=due.seen_seq,
        )


def _advancing(*, to: ReportPosition | None = None, needed_after: int | None = None) -> Transition:
    return lambda now: now.advance(to=to, needed_after=needed_after)


def _aligned(start: int, cells: int, width: int) -> int:
    """Where a part of so many cells at most ends: with a whole resource, if it holds one."""
    return start + max(cells - cells % width if cells >= width else cells, 1)


def _cells(
    stream: IntervalStream,
    values: Sequence[Values],
    start: int,
    stop: int,
    name: str | None = None,
) -> RenderedReport:
    """The report of these cells: whole resources, or some intervals of one."""
    values, columns = _part(values, start, stop)
    return render(
        ven_name=stream.ven_name,
        request=stream.request,
        values=values,
        columns=columns,
        name=name,
    )


def _part(values: Sequence[Values], start: int, stop: int) -> tuple[Sequence[Values], slice]:
    """The intervals and the columns of these cells."""
    width = max(len(values), 1)
    resource, first = divmod(start, width)
    if start % width or stop % width:
        return values[first : first + stop - start], slice(resource, resource + 1)
    return values, slice(resource, stop // width)
