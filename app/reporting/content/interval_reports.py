"""The values of reports that are due at times that events set."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson

from app.control import Span
from app.openadr import Interval, WireDuration
from app.readings import Frame, ReadsFrames
from app.reporting.content.aggregate import TOLERANCE, SpanSum, SpanSums
from app.reporting.content.due import AHEAD, Due
from app.reporting.content.instant import (
    ESTIMATED,
    MISSING,
    OK,
    ResourceModel,
    Values,
    instant,
    of_forecast,
)
from app.reporting.content.metered import MIN_MEASURED_SHARE
from app.reporting.content.of_frame import Numbers
from app.reporting.content.told import Piece
from app.reporting.requests import Quantity
from app.reporting.streams import RequestIndex

WINDOW_BYTES = 16 << 20
MAX_CELLS = 2_000_000
"""Resources times spans that are added up at a time."""
KEPT_CELLS = 2_000_000
"""Of forecasts that may go in parts: each is made once."""
SMALL_CELLS = 1_000
"""What goes at once is not kept."""
SHARED_BY = 3
"""By how many VENs a span must be asked for to be added up for the whole fleet at once."""


class IntervalReports:
    """Knows what reports hold that are due. `clock`: aware UTC."""

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        requests: RequestIndex,
        model: ResourceModel,
        clock: Callable[[], datetime],
    ) -> None:
        self._frames = frames
        self._requests = requests
        self._model = model
        self._clock = clock
        self._forecasts: OrderedDict[int, tuple[tuple[object, ...], list[Values]]] = OrderedDict()
        """By stream: what the last one is about, and its values, if it may go in parts."""

    def values(self, due: Sequence[Due]) -> Iterator[tuple[Due, list[Values]]]:
        """The values of each of these reports: one entry per interval, all with the same names."""
        history: list[Due] = []
        for one in due:
            if one.stream.request.is_forecast:
                yield one, self._forecast_once(one)
            else:
                history.append(one)
        sliced = self._frames.sliced_through()
        rest: list[Due] = []
        for each in history:
            if each.stream.needed_after >= sliced.get(each.stream.ven_name, 0):
                rest.append(each)
                continue
            spans = [(piece.span, each.stream.ven_name) for piece in each.pieces]
            sums = SpanSums(spans=spans).sweep(self._windows(spans, each.stream.ven_name))
            yield each, self._made(each, sums.done)
        for each in rest:
            if not each.needs_frames:
                nothing: list[list[SpanSum]] = [[] for _ in each.pieces]
                yield each, self._made(each, nothing)
        newest = self._frames.last()
        fleet = 0 if newest is None else newest.roster.size
        batch: list[Due] = []
        cells = 0
        for each in rest:
            if newest is None or not each.needs_frames:
                continue
            size = len(each.pieces) * len(newest.roster.names(each.stream.ven_name))
            if batch and cells + size > MAX_CELLS:
                yield from self._of_frames(batch, fleet)
                batch, cells = [], 0
            batch.append(each)
            cells += size
        yield from self._of_frames(batch, fleet)

    def _of_frames(self, due: Sequence[Due], fleet: int) -> Iterator[tuple[Due, list[Values]]]:
        """Of whole frames: in one sweep for all, a span of much of the fleet once."""
        vens_by_span = Counter(piece.span for one in due for piece in one.pieces)
        many = {span for span, count in vens_by_span.items() if count > SHARED_BY}
        if len(many) * fleet > MAX_CELLS:
            many = set()
        places: dict[tuple[Span, str | None], int] = {}
        for one in due:
            for piece in one.pieces:
                key = piece.span, _whose(one, piece, many)
                places.setdefault(key, len(places))
        if not places:
            return
        spans = list(places)
        sums = SpanSums(spans=spans).sweep(self._windows(spans, None))
        for one in due:
            sums_of_pieces = [
                sums.done[places[piece.span, _whose(one, piece, many)]] for piece in one.pieces
            ]
            yield one, self._made(one, sums_of_pieces)

    def _windows(
        self, spans: Sequence[tuple[Span, str | None]], ven_name: str | None
    ) -> Iterator[Sequence[Frame]]:
        """The frames around these spans; of a VEN whose part was moved out, that part first."""
        start = min(start for (start, _), _ in spans)
        end = max(end for (_, end), _ in spans)
        latest = self._clock() + AHEAD
        seq = 0
        carried: Frame | None = None
        if ven_name is not None:
            while len(part := self._slices(ven_name, seq)) and part[-1].seq > seq:
                credible = [frame for frame in part if frame.taken_at <= latest]
                window = sorted(
                    (frame for frame in credible if frame.taken_at <= end),
                    key=lambda frame: frame.taken_at,
                )
                if window:
                    yield window
                    carried = window[-1]
                seq = part[-1].seq
                if credible and credible[-1].taken_at >= end:
                    return
        if carried is not None:
            start = max(start, carried.taken_at)
        for window in self._frames.by_time(
            start, end, no_later_than=latest, most_bytes=WINDOW_BYTES
        ):
            if carried is None:
                yield window
                continue
            rest = [frame for frame in window if frame.taken_at > carried.taken_at]
            if rest:
                yield [carried.on(rest[0].roster), *rest]
            carried = None

    def _slices(self, ven_name: str, seq: int) -> list[Frame]:
        return self._frames.slices_since(ven_name, seq, most_bytes=WINDOW_BYTES)

    def _made(self, due: Due, sums: Sequence[Sequence[SpanSum]]) -> list[Values]:
        by_piece = [
            _by_name(due.stream.ven_name, due.stream.request.quantity, each, self._model)
            for each in sums
        ]
        names = dict.fromkeys(name for found in by_piece for name in found)
        metered = self._requests.metered(due.stream.ven_name)
        if metered and not due.stream.request.quantity.is_described:
            for found in by_piece:
                for name in metered.keys() & found.keys():
                    del found[name]
            names = dict.fromkeys(name for name in names if name not in metered)
            for name, cells in due.metered.items():
                names[name] = None
                for found, cell in zip(by_piece, cells, strict=True):
                    found[name] = cell
        kept = due.active.scope.of(names)
        quoted = [orjson.dumps(name) for name in kept]
        return [
            _piece_values(due, piece, found, kept, quoted)
            for piece, found in zip(due.pieces, by_piece, strict=True)
        ]

    def _forecast_once(self, due: Due) -> list[Values]:
        """Made when its first part is due; the other parts are of the same, while it is asked."""
        stream, about = due.stream, self._about(due)
        done = stream.acked_report
        if done.cell and done.key == due.report.key - 1:
            kept_about, kept = self._forecasts.get(stream.stream_id, (None, []))
            if kept_about == about:
                return kept
        made = self._forecast(due)
        self._forecasts.pop(stream.stream_id, None)
        if _cells(made) > SMALL_CELLS:
            self._forecasts[stream.stream_id] = about, made
            while len(self._forecasts) > 1 and self._kept_cells() > KEPT_CELLS:
                self._forecasts.popitem(last=False)
        return made

    def _about(self, due: Due) -> tuple[object, ...]:
        """What a forecast depends on, but for the time at which it is made."""
        ven_name = due.stream.ven_name
        metered = frozenset(self._requests.metered(ven_name))
        return ven_name, due.stream.request, due.report, due.active.scope, metered

    def _kept_cells(self) -> int:
        return sum(_cells(values) for _, values in self._forecasts.values())

    def _forecast(self, due: Due) -> list[Values]:
        request, ven_name = due.stream.request, due.stream.ven_name
        spans = [(interval.start, _end_of(interval)) for interval in due.report.intervals]
        scope, metered = due.active.scope, self._requests.metered(ven_name)
        made: list[Values] = []
        named: tuple[Sequence[str], list[int], list[bytes]] | None = None
        for interval, span, forecast in zip(
            due.report.intervals, spans, self._model.forecast(ven_name, spans), strict=True
        ):
            if named is None or named[0] is not forecast.names:
                kept = [
                    place
                    for place, name in enumerate(forecast.names)
                    if name in scope and name not in metered
                ]
                named = forecast.names, kept, [orjson.dumps(forecast.names[each]) for each in kept]
            _, kept, quoted_names = named
            hours = (span[1] - span[0]) / timedelta(hours=1)
            numbers = of_forecast(request.quantity, forecast, hours, self._model, ven_name)
            made.append(
                Values(
                    seq=0,
                    start=span[0],
                    duration=span[1] - span[0],
                    quoted_names=quoted_names,
                    numbers=numbers[kept],
                    interval_id=interval.interval_id,
                    quality=[ESTIMATED] * len(kept) if request.with_quality else None,
                )
            )
        return made


def _cells(values: Sequence[Values]) -> int:
    """How many there are in the table resources x intervals."""
    return len(values) * len(values[0].quoted_names) if values else 0


ENDLESS = WireDuration(rest=timedelta(hours=1))
"""What is forecast of an interval without end, as far as the calendar goes."""
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


def _end_of(interval: Interval) -> datetime:
    return interval.end or ENDLESS.after(interval.start) or LAST_INSTANT


def _whose(due: Due, piece: Piece, many: Set[Span]) -> str | None:
    return None if piece.span in many else due.stream.ven_name


def _by_name(
    ven_name: str, quantity: Quantity, sums: Sequence[SpanSum], model: ResourceModel
) -> dict[str, tuple[object, str]]:
    """(value, quality) of each resource; what was measured of several rosters is one."""
    if not quantity.spans:
        return _last_instant(ven_name, quantity, sums, model)
    totals: dict[str, list[float]] = {}
    for span_sum in sums:
        names = span_sum.roster.names(ven_name)
        begin = span_sum.roster.columns(ven_name).start - span_sum.columns.start
        part = slice(begin, begin + len(names))
        arrays = (span_sum.energy_kwh, span_sum.baseline_kwh, span_sum.hours, span_sum.peak_kw)
        for name, *found in zip(names, *(array[part].tolist() for array in arrays), strict=True):
            before = totals.setdefault(name, [0.0, 0.0, 0.0, float("nan")])
            before[:3] = [one + other for one, other in zip(before, found[:3], strict=False)]
            before[3] = found[3] if before[3] != before[3] else max(before[3], found[3])
    if not sums:
        return {}
    whole_h = (sums[0].end - sums[0].start) / timedelta(hours=1)
    has_gap = any(span_sum.has_gap for span_sum in sums)
    return {
        name: _value(quantity, *total, whole_h=whole_h, has_gap=has_gap)
        for name, total in totals.items()
    }


def _value(
    quantity: Quantity,
    energy_kwh: float,
    baseline_kwh: float,
    hours: float,
    peak_kw: float,
    *,
    whole_h: float,
    has_gap: bool,
) -> tuple[object, str]:
    """A value with its quality; none where too little of the span was measured."""
    if hours <= 0 or hours < MIN_MEASURED_SHARE * whole_h:
        return None, MISSING
    is_whole = hours >= whole_h - TOLERANCE / timedelta(hours=1)
    quality = OK if is_whole and not has_gap else ESTIMATED
    if quantity is Quantity.PEAK_POWER:
        return peak_kw, quality
    if quantity in (Quantity.MEAN_POWER, Quantity.BASELINE_POWER):
        return (energy_kwh if quantity is Quantity.MEAN_POWER else baseline_kwh) / hours, quality
    energy = {
        Quantity.ENERGY: energy_kwh,
        Quantity.BASELINE_ENERGY: baseline_kwh,
        Quantity.DELTA_ENERGY: energy_kwh - baseline_kwh,
    }[quantity]
    return energy if is_whole else energy * whole_h / hours, quality


def _last_instant(
    ven_name: str, quantity: Quantity, sums: Sequence[SpanSum], model: ResourceModel
) -> dict[str, tuple[object, str]]:
    """The value at the last reading in the span of each resource."""
    by_name: dict[str, tuple[object, str]] = {}
    for span_sum in sums:
        if span_sum.last is None:
            continue
        values = instant(quantity, ven_name, span_sum.last, model).tolist()
        for name, value in zip(span_sum.last.roster.names(ven_name), values, strict=True):
            if value is not None and value == value:
                by_name[name] = value, OK
            else:
                by_name.setdefault(name, (None, MISSING))
    return by_name


def _piece_values(
    due: Due,
    piece: Piece,
    by_name: dict[str, tuple[object, str]],
    names: Sequence[str],
    quoted: Sequence[bytes],
) -> Values:
    nothing = (None, MISSING)
    values = [by_name.get(name, nothing) for name in names]
    is_words = any(isinstance(value, str) for value, _ in values)
    numbers: Numbers = (
        np.array([value for value, _ in values], dtype=object)
        if is_words
        else np.array([np.nan if value is None else value for value, _ in values], dtype=np.float64)
    )
    whole = not is_words and all(isinstance(value, int) for value, _ in values) and values
    return Values(
        seq=0,
        start=piece.span[0],
        duration=piece.span[1] - piece.span[0],
        quoted_names=quoted,
        numbers=numbers.astype(np.int64) if whole else numbers,
        interval_id=piece.interval_id,
        quality=[quality for _, quality in values] if due.stream.request.with_quality else None,
    )
