"""What crosses the wire: lenient in, strict out (rules.md, 'Reading what a VTN sends').

Unknown fields are ignored, null is absent, objectType is optional on what is read. Only an object
without an id is refused, an event also without programID or with a time that cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import isodate
from isodate import Duration

T = TypeVar("T")
INFINITE_YEARS = 9999
UNLIMITED = timedelta.max
Wire = Mapping[str, Any]


class WireError(ValueError):
    """An object that cannot be used; the message names it."""


@dataclass(frozen=True, kw_only=True)
class IntervalPeriod:
    """3.1.0 intervalPeriod, read."""

    start: datetime | None = None
    """Aware UTC; `datetime.min` in UTC stands for the year 1 ('now', User Guide 7.3)."""
    duration: timedelta | None = None
    """None: absent; `UNLIMITED`: 9999 years or more."""


@dataclass(frozen=True, kw_only=True)
class ReportDescriptor:
    """3.1.0 reportDescriptor, with the defaults of the specification filled in."""

    payload_type: str
    reading_type: str | None = None
    units: str | None = None
    aggregate: bool = False
    start_interval: int = -1
    num_intervals: int = -1
    historical: bool = True
    frequency: int = -1
    repeat: int = 1
    report_intervals: str = "INTERVALS"


@dataclass(frozen=True, kw_only=True)
class Event:
    """3.1.0 event, as far as it is understood; `raw` is all of it."""

    event_id: str
    program_id: str
    period: IntervalPeriod | None = None
    interval_count: int = 0
    report_descriptors: tuple[ReportDescriptor, ...] = ()
    raw: Wire = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class VtnVen:
    """A ven object at the VTN."""

    ven_id: str
    ven_name: str


@dataclass(frozen=True, kw_only=True)
class VtnResource:
    """A resource object at the VTN."""

    resource_id: str
    resource_name: str


@dataclass(frozen=True, kw_only=True)
class VtnReport:
    """A report object at the VTN, without its readings."""

    report_id: str
    report_name: str | None
    created_at: datetime | None = None
    """By the VTN's clock; None where it does not say."""


def read_event(wire: Wire) -> Event:
    """An event; WireError without id or programID, or with a time that cannot be read."""
    event_id = _id(wire, "event")
    program_id = _text(wire, "programID")
    if program_id is None:
        raise WireError(f"event {event_id!r} has no programID")
    try:
        period = _period(wire.get("intervalPeriod"))
        intervals = _objects(wire.get("intervals"))
        for interval in intervals:
            _period(interval.get("intervalPeriod"))
    except WireError as error:
        raise WireError(f"event {event_id!r}: {error}") from None
    return Event(
        event_id=event_id,
        program_id=program_id,
        period=period,
        interval_count=len(intervals),
        report_descriptors=tuple(_descriptors(wire)),
        raw=wire,
    )


def read_ven(wire: Wire) -> VtnVen:
    return VtnVen(ven_id=_id(wire, "ven"), ven_name=_text(wire, "venName") or "")


def read_resource(wire: Wire) -> VtnResource:
    return VtnResource(
        resource_id=_id(wire, "resource"), resource_name=_text(wire, "resourceName") or ""
    )


def read_report(wire: Wire) -> VtnReport:
    try:
        created_at = read_instant(str(wire.get("createdDateTime")))
    except WireError:
        created_at = None
    return VtnReport(
        report_id=_id(wire, "report"),
        report_name=_text(wire, "reportName"),
        created_at=created_at,
    )


def read_each(
    wires: Iterable[Any], read: Callable[[Wire], T], refused: Callable[[str], None]
) -> Iterator[T]:
    """The readable objects of a list; `refused` is told of each of the others, by name."""
    for wire in wires:
        try:
            yield read(wire if isinstance(wire, Mapping) else {})
        except WireError as error:
            refused(str(error))


def read_duration(text: str) -> timedelta:
    """An ISO 8601 duration; months and years by the mean Gregorian year, 9999 years: UNLIMITED.

    Durations are compared by value, since VTNs write them differently.
    """
    try:
        value = isodate.parse_duration(text)
    except (ValueError, TypeError, OverflowError):
        raise WireError(f"duration {text!r} cannot be read") from None
    if not isinstance(value, Duration):
        return timedelta(seconds=value.total_seconds())
    days = float(value.years) * 365.2425 + float(value.months) * 30.436875
    if abs(days) >= INFINITE_YEARS * 365:
        return UNLIMITED
    return timedelta(seconds=value.tdelta.total_seconds(), days=days)


def read_instant(text: str) -> datetime:
    """An RFC 3339 date-time in UTC; a date alone and a missing offset are read as UTC."""
    if re.match(r"0001-01-01", text):
        return datetime.min.replace(tzinfo=UTC)
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WireError(f"time {text!r} cannot be read") from None


def write_instant(instant: datetime) -> str:
    """RFC 3339 in UTC at microsecond resolution."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write_duration(duration: timedelta) -> str:
    """ISO 8601, in seconds at microsecond resolution: PT30S, PT0.25S."""
    microseconds = duration // timedelta(microseconds=1)
    seconds, rest = divmod(microseconds, 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"PT{seconds}{fraction}S"


def write_ven(*, ven_name: str) -> dict[str, Any]:
    """VenVenRequest: the VEN role's form."""
    return {"objectType": "VEN_VEN_REQUEST", "venName": ven_name}


def write_resource(
    *, resource_name: str, ven_id: str, attributes: Mapping[str, list[Any]]
) -> dict[str, Any]:
    """VenResourceRequest: the VEN role's form; attributes by type."""
    return {
        "objectType": "VEN_RESOURCE_REQUEST",
        "resourceName": resource_name,
        "venID": ven_id,
        "attributes": [{"type": kind, "values": values} for kind, values in attributes.items()],
    }


def _descriptors(wire: Wire) -> Iterator[ReportDescriptor]:
    for entry in _objects(wire.get("reportDescriptors")):
        payload_type = _text(entry, "payloadType")
        if payload_type is None:
            continue
        yield ReportDescriptor(
            payload_type=payload_type,
            reading_type=_text(entry, "readingType"),
            units=_text(entry, "units"),
            aggregate=entry.get("aggregate") is True,
            start_interval=_integer(entry, "startInterval", -1),
            num_intervals=_integer(entry, "numIntervals", -1),
            historical=entry.get("historical") is not False,
            frequency=_integer(entry, "frequency", -1),
            repeat=_integer(entry, "repeat", 1),
            report_intervals=_text(entry, "reportIntervals") or "INTERVALS",
        )


def _period(wire: Any) -> IntervalPeriod | None:
    if not isinstance(wire, Mapping):
        return None
    start, duration = wire.get("start"), wire.get("duration")
    return IntervalPeriod(
        start=None if start is None else read_instant(str(start)),
        duration=None if duration is None else read_duration(str(duration)),
    )


def _id(wire: Wire, kind: str) -> str:
    value = wire.get("id")
    if not isinstance(value, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", value):
        raise WireError(f"{kind} without a usable id ({_label(wire)})")
    return value


def _label(wire: Wire) -> str:
    for name in ("eventName", "venName", "resourceName", "reportName", "programID"):
        if wire.get(name):
            return f"{name} {str(wire[name])[:80]!r}"
    return "without a name"


def _objects(value: Any) -> list[Wire]:
    return (
        [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
    )


def _text(wire: Wire, name: str) -> str | None:
    value = wire.get(name)
    return value if isinstance(value, str) and value else None


def _integer(wire: Wire, name: str, default: int) -> int:
    value = wire.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31:
        return value
    return default
