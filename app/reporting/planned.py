"""The values of reports that are due at times that events set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from app.events import Interval
from app.metering import Frame, FrameStore, Span
from app.reporting.agenda import Agenda
from app.reporting.plan import DueReport
from app.reporting.quantities import Quantity
from app.reporting.requests import Asked
from app.reporting.spans import SpanSum, SpanSums
from app.reporting.streams import Stream
from app.reporting.values import (
    ESTIMATED,
    MISSING,
    OK,
    Numbers,
    Outlook,
    Values,
    instant,
    of_forecast,
)

WINDOW_BYTES = 16 << 20
SHARED_BY = 3
"""By how many VENs a span must be asked for to be added up for the whole fleet at once."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """A report whose time has come."""

    stream: Stream
    asked: Asked
    report: DueReport
    is_over: bool = False
    """Whether it is a forecast of what has passed: nobody needs it any more."""


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A span of a report: an interval, or a part of one."""

    interval_id: int
    span: Span


class PlannedReports:
    """Knows which reports are due, and what they hold. `clock`: aware UTC."""

    def __init__(
        self,
        *,
        frames: FrameStore,
        agenda: Agenda,
        outlook: Outlook,
        clock: Callable[[], datetime],
    ) -> None:
        self._frames = frames
        self._agenda = agenda
        self._outlook = outlook
        self._clock = clock

    def due(self, streams: Sequence[Stream]) -> list[Due]:
        """The next report of each stream that has one now."""
        newest = self._frames.last()
        found = (self._next(stream, newest) for stream in streams)
        return [each for each in found if each is not None]

    def needed_from(self, stream: Stream, key: int) -> int:
        """The frames up to this number are of no use to the reports after that key."""
        newest = self._frames.newest_seq()
        asked = self._agenda.of(stream)
        if asked is None or asked.plan is None or stream.request.is_forecast:
            return newest
        upcoming = next(iter(asked.plan.after(key)), None)
        if upcoming is None:
            return newest
        first = self._frames.last_before(upcoming.intervals[0].start)
        return min(newest, max(first - 1, 0))

    def values(self, due: Sequence[Due]) -> Iterator[tuple[Due, list[Values]]]:
        """The values of each of these reports: one entry per interval, all with the same names."""
        history: list[Due] = []
        for each in due:
            if each.stream.request.is_forecast:
                yield each, self._forecast(each)
            else:
                history.append(each)
        sliced = self._frames.sliced_through()
        pieces = [self._pieces(each) for each in history]
        late = [
            number
            for number, each in enumerate(history)
            if each.stream.cursor.seq < sliced.get(each.stream.ven_name, 0)
        ]
        for number in late:
            each = history[number]
            spans = [(piece.span, each.stream.ven_name) for piece in pieces[number]]
            sums = SpanSums(spans=spans).sweep(self._windows(spans, each.stream.ven_name))
            yield each, self._made(each, pieces[number], sums.done)
        yield from self._of_frames(
            [(history[n], pieces[n]) for n in range(len(history)) if n not in late]
        )

    def _of_frames(
        self, due: Sequence[tuple[Due, Sequence[_Piece]]]
    ) -> Iterator[tuple[Due, list[Values]]]:
        """Of whole frames: in one sweep for all, each span of many VENs once."""
        shared = Counter(piece.span for _, pieces in due for piece in pieces)
        places: dict[tuple[Span, str | None], int] = {}
        for each, pieces in due:
            for piece in pieces:
                key = piece.span, _whose(each, shared[piece.span])
                places.setdefault(key, len(places))
        if not places:
            return
        spans = list(places)
        sums = SpanSums(spans=spans).sweep(self._windows(spans, None))
        for each, pieces in due:
            found = [
                sums.done[places[piece.span, _whose(each, shared[piece.span])]] for piece in pieces
            ]
            yield each, self._made(each, pieces, found)

    def _next(self, stream: Stream, newest: Frame | None) -> Due | None:
        asked = self._agenda.of(stream)
        if asked is None or asked.plan is None:
            return None
        now = self._clock()
        in_flight = stream.in_flight
        if in_flight is not None:
            again = next(iter(asked.plan.after(in_flight.key - 1)), None)
            if again is not None and again.key == in_flight.key:
                return Due(stream=stream, asked=asked, report=again)
        if stream.request.is_forecast:
            latest = asked.plan.latest(now)
            if latest is None or latest.key <= stream.done.seq:
                return None
            end = latest.intervals[-1].end
            is_over = end is not None and end <= now
            return Due(stream=stream, asked=asked, report=latest, is_over=is_over)
        report = next(iter(asked.plan.after(stream.done.seq)), None)
        if report is None or report.due > now or newest is None or newest.taken_at < report.due:
            return None
        return Due(stream=stream, asked=asked, report=report)

    def _pieces(self, due: Due) -> list[_Piece]:
        pieces: list[_Piece] = []
        for interval in due.report.intervals:
            end = interval.end or due.report.due
            cuts = [interval.start, end]
            if due.asked.sub_intervals:
                taken = self._frames.instants(due.stream.ven_name, interval.start, end)
                cuts = sorted({*cuts, *taken})
            pieces += [
                _Piece(interval_id=interval.interval_id, span=span) for span in pairwise(cuts)
            ]
        return pieces

    def _windows(
        self, spans: Sequence[tuple[Span, str | None]], ven_name: str | None
    ) -> Iterator[Sequence[Frame]]:
        """The frames around these spans; of a VEN whose part was moved out, that part first."""
        start = min(start for (start, _), _ in spans)
        end = max(end for (_, end), _ in spans)
        seq = 0
        carried: Frame | None = None
        if ven_name is not None:
            while len(part := self._slices(ven_name, seq)) and part[-1].seq > seq:
                window = [frame for frame in part if frame.taken_at <= end]
                if window:
                    yield window
                seq = part[-1].seq
                carried = part[-1]
                if carried.taken_at >= end:
                    return
            seq = carried.seq + 1 if carried is not None else 0
        if carried is None:
            seq = max(self._frames.last_before(start), 1)
        while len(window := self._frames.since(seq, most_bytes=WINDOW_BYTES)):
            whole = window if carried is None else [carried.on(window[0].roster), *window]
            carried = None
            yield whole
            if window[-1].taken_at >= end or window[-1].seq == seq or len(window) < 2:
                return
            seq = window[-1].seq

    def _slices(self, ven_name: str, seq: int) -> list[Frame]:
        return self._frames.slices_since(ven_name, seq, most_bytes=WINDOW_BYTES)

    def _made(
        self, due: Due, pieces: Sequence[_Piece], sums: Sequence[Sequence[SpanSum]]
    ) -> list[Values]:
        by_piece = [
            _by_name(due.stream.ven_name, due.stream.request.quantity, each, self._outlook)
            for each in sums
        ]
        names = dict.fromkeys(name for found in by_piece for name in found)
        scope = due.asked.scope
        kept = [name for name in names if scope is None or name in scope]
        quoted = [orjson.dumps(name) for name in kept]
        return [
            _piece_values(due, piece, found, kept, quoted)
            for piece, found in zip(pieces, by_piece, strict=True)
        ]

    def _forecast(self, due: Due) -> list[Values]:
        request, ven_name = due.stream.request, due.stream.ven_name
        spans = [(each.start, _end_of(each)) for each in due.report.intervals]
        scope = due.asked.scope
        made: list[Values] = []
        for interval, span, forecast in zip(
            due.report.intervals, spans, self._outlook.forecast(ven_name, spans), strict=True
        ):
            kept = [
                place for place, name in enumerate(forecast.names) if scope is None or name in scope
            ]
            hours = (span[1] - span[0]) / timedelta(hours=1)
            numbers = of_forecast(request.quantity, forecast, hours, self._outlook, ven_name)
            made.append(
                Values(
                    seq=0,
                    start=span[0],
                    duration=span[1] - span[0],
                    quoted_names=[orjson.dumps(forecast.names[place]) for place in kept],
                    numbers=numbers[kept],
                    interval_id=interval.interval_id,
                    quality=[ESTIMATED] * len(kept) if request.with_quality else None,
                )
            )
        return made


ENDLESS = timedelta(hours=1)
"""What is forecast of an interval without end."""


def _end_of(interval: Interval) -> datetime:
    return interval.end if interval.end is not None else interval.start + ENDLESS


def _whose(due: Due, shared: int) -> str | None:
    return None if shared > SHARED_BY else due.stream.ven_name


def _by_name(
    ven_name: str, quantity: Quantity, sums: Sequence[SpanSum], outlook: Outlook
) -> dict[str, tuple[object, str]]:
    """(value, quality) of each resource; what was measured of several rosters is added up."""
    found: dict[str, tuple[object, str]] = {}
    for each in sums:
        names = each.roster.names(ven_name)
        begin = each.roster.columns(ven_name).start - each.columns.start
        part = slice(begin, begin + len(names))
        values = _numbers(quantity, each, part, ven_name, outlook)
        for name, value, measured in zip(
            names, values.tolist(), each.quality[part].tolist(), strict=True
        ):
            quality = measured if quantity.spans else _there(value)
            before = found.get(name)
            if before is None or before[1] == MISSING:
                found[name] = value, quality
            elif quality != MISSING:
                joined = _joined(quantity, before[0], value) if quantity.spans else value
                found[name] = joined, ESTIMATED
    return found


def _there(value: object) -> str:
    return MISSING if value is None or value != value else OK


def _joined(quantity: Quantity, earlier: Any, value: float) -> Any:
    """What two parts of a span come to, measured before and after the fleet changed."""
    if quantity is Quantity.PEAK_POWER:
        return max(earlier, value)
    if quantity in (Quantity.MEAN_POWER, Quantity.BASELINE_POWER):
        return (earlier + value) / 2
    return earlier + value


def _numbers(
    quantity: Quantity, sums: SpanSum, part: slice, ven_name: str, outlook: Outlook
) -> Numbers:
    if not quantity.spans:
        if sums.last is None:
            return np.full(part.stop - part.start, np.nan)
        return instant(quantity, ven_name, sums.last, outlook)
    hours = sums.hours[part]
    if quantity is Quantity.PEAK_POWER:
        return sums.peak_kw[part]
    with np.errstate(invalid="ignore", divide="ignore"):
        energy = np.where(hours > 0, sums.energy_kwh[part], np.nan)
        base = np.where(hours > 0, sums.baseline_kwh[part], np.nan)
        if quantity is Quantity.ENERGY:
            return energy
        if quantity is Quantity.BASELINE_ENERGY:
            return base
        if quantity is Quantity.DELTA_ENERGY:
            return energy - base
        return (energy if quantity is Quantity.MEAN_POWER else base) / hours


def _piece_values(
    due: Due,
    piece: _Piece,
    found: dict[str, tuple[object, str]],
    names: Sequence[str],
    quoted: Sequence[bytes],
) -> Values:
    nothing = (None, MISSING)
    told = [found.get(name, nothing) for name in names]
    is_words = any(isinstance(value, str) for value, _ in told)
    numbers: Numbers = (
        np.array([value for value, _ in told], dtype=object)
        if is_words
        else np.array([np.nan if value is None else value for value, _ in told], dtype=np.float64)
    )
    whole = not is_words and all(isinstance(value, int) for value, _ in told) and told
    return Values(
        seq=0,
        start=piece.span[0],
        duration=piece.span[1] - piece.span[0],
        quoted_names=quoted,
        numbers=numbers.astype(np.int64) if whole else numbers,
        interval_id=piece.interval_id,
        quality=[quality for _, quality in told] if due.stream.request.with_quality else None,
    )
