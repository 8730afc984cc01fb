"""A stream as a row of its table: a field is stored in the column of its name, unless it is listed
here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import orjson
from sqlalchemy import Row

from app.platform import from_us, to_us
from app.reporting.requests import Quantity, ReportRequest
from app.reporting.streams.measured import MeasuredStream
from app.reporting.streams.spans import FramePosition, Span
from app.reporting.streams.stream import (
    FramesInFlight,
    InFlight,
    IntervalsInFlight,
    IntervalStream,
    ReportPosition,
    TelemetryStream,
)

AnyStream = TelemetryStream | IntervalStream
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "acked_frame": ("cursor_seq", "cursor_column"),
    "acked_report": ("done_us", "done_column"),
    "needed_after": ("cursor_seq",),
    "first_frame": ("start_seq",),
    "last_frame": ("until_seq",),
    "inherited_from": ("heir_of",),
    "corrected_through": ("done_us", "done_column"),
}
"""Where fields stand that are not named as their columns."""
PROGRESS = {
    *("acked_frame", "acked_report", "needed_after", "corrected_through", "told"),
    *("in_flight", "reports_left", "reports_sent", "last_report"),
}
WITHOUT = {
    "heir_of": "",
    "has": "[]",
    "told": "[]",
    "start_seq": 0,
    "cursor_column": 0,
    "done_us": 0,
    "done_column": 0,
}
"""What stands in columns that a stream of the other kind has no field for."""
FIELDS: Mapping[type[AnyStream], tuple[str, ...]] = {
    kind: tuple(
        sorted((field.name for field in fields(kind)), key=lambda name: name not in COLUMNS)
    )
    for kind in (TelemetryStream, MeasuredStream, IntervalStream)
}
"""The cursor first, where a statement is read in a log."""
PROGRESS_FIELDS = {
    kind: tuple(name for name in names if name in PROGRESS) for kind, names in FIELDS.items()
}


def new_row(stream: AnyStream) -> dict[str, Any]:
    """All of a stream that is not stored yet, but for its number, which the table gives."""
    values = dict(WITHOUT)
    values |= {
        "event_id": stream.request.event_id,
        "descriptor": stream.request.descriptor,
        "until_seq": None,
        "reports_left": None,
    }
    _write(values, FIELDS[type(stream)], vars(stream))
    del values["stream_id"]
    return values


def changed_columns(before: AnyStream, after: AnyStream) -> dict[str, Any]:
    """What is different of the two; of its progress, all of it.

    A server that crashed may have undone what was not durable: a report in flight that is written
    without its cursor would continue from an older one.
    """
    old, new = vars(before), vars(after)
    all_names = FIELDS[type(after)]
    different = {
        name for name in all_names if new[name] is not old[name] and new[name] != old[name]
    }
    names: Iterable[str]
    if PROGRESS.isdisjoint(different):
        names = [name for name in all_names if name in different]
    elif different <= PROGRESS:
        names = PROGRESS_FIELDS[type(after)]
    else:
        names = [name for name in all_names if name in different or name in PROGRESS]
    values: dict[str, Any] = {}
    _write(values, names, new)
    return values


def read_row(row: Row[Any]) -> AnyStream:
    """The stream of a row that `new_row` made, also by an earlier version."""
    request = _read_request(row.request)
    kind: type[AnyStream] = MeasuredStream if request.is_measured else TelemetryStream
    if request.is_planned:
        kind = IntervalStream
    columns: dict[str, Any] = {}
    for name in FIELDS[kind]:
        stored = (getattr(row, column) for column in COLUMNS.get(name, (name,)))
        columns[name] = _READ[name](*stored) if name in _READ else next(stored)
    columns["request"] = request
    columns["in_flight"] = None
    stream = kind(**columns)
    flying: Any = _read_in_flight(row.in_flight, planned=request.is_planned)
    if flying is None or stream.has_passed(flying):
        return stream
    return replace(stream, in_flight=flying)


def _write(values: dict[str, Any], names: Iterable[str], fields_: Mapping[str, Any]) -> None:
    """These fields into their columns."""
    for name in names:
        value = fields_[name]
        if value is not None and name in _WRITE:
            value = _WRITE[name](value)
        columns = COLUMNS.get(name)
        if columns is None:
            values[name] = value
        elif len(columns) == 1:
            values[columns[0]] = value
        else:
            values.update(zip(columns, value, strict=True))


def _write_in_flight(in_flight: InFlight) -> str:
    values = {**vars(in_flight), "through": list(in_flight.through)}
    if isinstance(in_flight, IntervalsInFlight):  # in the words of the first version that had them
        values["done"] = values["through"]
        values["through"] = [values.pop("needed_after"), 0]
    return orjson.dumps(values).decode()


def _read_in_flight(stored: str | None, *, planned: bool) -> InFlight | None:
    if stored is None:
        return None
    values = orjson.loads(stored)
    columns = {
        "name": values["name"],
        "planned_us": values["planned_us"],
        "again": values.get("again", False),
    }
    if planned:
        return IntervalsInFlight(
            through=ReportPosition(*values["done"]),
            needed_after=values["through"][0],
            key=values["key"],
            **columns,
        )
    return FramesInFlight(
        through=FramePosition(*values["through"]),
        is_correction=values.get("is_correction", False),
        **columns,
    )


@functools.lru_cache(maxsize=4096)
def _write_request(request: ReportRequest) -> str:
    values = asdict(request)
    values["quantity"] = request.quantity.name
    for name in ("since", "until"):
        values[name] = None if values[name] is None else to_us(values[name])
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()


def _read_request(stored: str) -> ReportRequest:
    values = orjson.loads(stored)
    values["quantity"] = Quantity[values["quantity"]]
    for name in ("since", "until"):
        instant = values.get(name)
        values[name] = None if instant is None else from_us(instant)
    return ReportRequest(**values)


def _read_spans(stored: str) -> tuple[Span, ...]:
    return tuple(Span(after, FramePosition(*until)) for after, until in orjson.loads(stored))


_WRITE: Mapping[str, Callable[[Any], Any]] = {
    "told": lambda numbers: orjson.dumps(numbers).decode(),
    "has": lambda spans: orjson.dumps([[after, list(until)] for after, until in spans]).decode(),
    "request": _write_request,
    "in_flight": _write_in_flight,
}
_READ: Mapping[str, Callable[..., Any]] = {
    "has": _read_spans,
    "told": lambda stored: tuple(orjson.loads(stored)),
    "acked_frame": FramePosition,
    "corrected_through": FramePosition,
    "acked_report": ReportPosition,
    # Earlier versions could count below zero.
    "reports_left": lambda stored: None if stored is None else max(stored, 0),
}
