"""What crosses the wire: lenient in, strict out (openadr.md, 'Reading what a VTN sends').

Unknown fields are ignored, null is absent, objectType is optional on what is read. Refused is an
object without an id, an event also without programID, and what cannot be read where absent would
mean more: times, targets, intervals, and the numbers of a report descriptor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from app.openadr.errors import WireError
from app.openadr.fields import (
    Targets,
    Wire,
    given_boolean,
    given_integer,
    given_objects,
    given_targets,
    given_text,
    given_units,
    instant,
    integer,
    payload_type,
    shown,
    targets,
    text,
)
from app.openadr.object_id import is_object_id
from app.openadr.times import YEAR_1, IntervalPeriod, WireDuration, read_duration, read_period

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A valuesMap: values of one type."""

    type: str
    values: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class EventInterval:
    """3.1.0 interval of an event, read."""

    interval_id: int
    """As the event gives it; its place in the list where it gives none that can be used."""
    period: IntervalPeriod | None = None
    payloads: tuple[Payload, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportDescriptor:
    """3.1.0 reportDescriptor, with the defaults of the specification filled in."""

    payload_type: str
    reading_type: str | None = None
    units: str | None = None
    targets: Targets = frozenset()
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
    event_name: str = ""
    priority: int | None = None
    """Lower numbers come first; None: the lowest priority."""
    targets: Targets = frozenset()
    created_at: datetime | None = None
    modified_at: datetime | None = None
    """By the VTN's clock; None where it does not say."""
    duration: WireDuration | None = None
    """How long the whole event lasts; None: as long as its intervals."""
    period: IntervalPeriod | None = None
    intervals: tuple[EventInterval, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    """By payload type, as its own payloadDescriptors say."""
    report_descriptors: tuple[ReportDescriptor, ...] = ()
    unread: tuple[str, ...] = ()
    """What of it could not be read and is left out, in words."""
    raw: Wire = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def differs_by_ven(self) -> bool:
        """Whether it may mean something else to each VEN: by targets, or by starts that are
        drawn."""
        periods = self.period, *(interval.period for interval in self.intervals)
        return (
            bool(self.targets)
            or any(descriptor.targets for descriptor in self.report_descriptors)
            or any(period.randomize for period in periods if period is not None)
        )

    @property
    def is_marked_as_cancelled(self) -> bool:
        """Start of the year 1 and no duration (User Guide 7.9); live events may carry it, too."""
        period = self.period
        return period is not None and period.start == YEAR_1 and not period.duration


@dataclass(frozen=True, kw_only=True)
class Program:
    """3.1.0 program, as far as it is understood."""

    program_id: str
    program_name: str
    units: Mapping[str, str] | None = field(default_factory=dict)
    """By payload type: the defaults of its events (User Guide 7.6). None: they cannot be read."""


@dataclass(frozen=True, kw_only=True)
class VtnVen:
    """A ven object at the VTN."""

    ven_id: str
    ven_name: str
    targets: Targets | None = frozenset()
    """None: they cannot be read."""


@dataclass(frozen=True, kw_only=True)
class VtnResource:
    """A resource object at the VTN."""

    resource_id: str
    resource_name: str
    targets: Targets | None = frozenset()
    """None: they cannot be read."""
    ven_id: str | None = None
    """Whose it is, where the VTN says so."""


@dataclass(frozen=True, kw_only=True)
class VtnReport:
    """A report object at the VTN, without its readings."""

    report_id: str
    report_name: str | None
    created_at: datetime | None = None
    """By the VTN's clock; None where it does not say."""


def read_event(wire: Wire) -> Event:
    """An event. WireError without id or programID, or with times, targets, intervals or units that
    cannot be read; of less importance is what stands in `unread`.
    """
    event_id = _id(wire, "event")
    program_id = wire.get("programID")
    if not is_object_id(program_id):
        raise WireError(f"event {event_id!r} has no usable programID")
    unread: list[str] = []
    try:
        duration = wire.get("duration")
        return Event(
            event_id=event_id,
            program_id=program_id,
            event_name=text(wire, "eventName") or "",
            priority=_priority(wire, unread),
            targets=given_targets(wire),
            created_at=instant(wire, "createdDateTime"),
            modified_at=instant(wire, "modificationDateTime"),
            duration=None if duration is None else read_duration(str(duration)),
            period=read_period(wire.get("intervalPeriod")),
            intervals=tuple(_intervals(wire, unread)),
            units=given_units(wire),
            report_descriptors=tuple(_descriptors(wire, unread)),
            unread=tuple(unread),
            raw=wire,
        )
    except WireError as error:
        raise WireError(f"event {event_id!r}: {error}") from None


def read_program(wire: Wire) -> Program:
    try:
        units: dict[str, str] | None = given_units(wire)
    except WireError:
        units = None
    return Program(
        program_id=_id(wire, "program"),
        program_name=text(wire, "programName") or "",
        units=units,
    )


def read_ven(wire: Wire) -> VtnVen:
    return VtnVen(
        ven_id=_id(wire, "ven"),
        ven_name=text(wire, "venName") or "",
        targets=targets(wire),
    )


def read_resource(wire: Wire) -> VtnResource:
    return VtnResource(
        resource_id=_id(wire, "resource"),
        resource_name=text(wire, "resourceName") or "",
        targets=targets(wire),
        ven_id=text(wire, "venID"),
    )


def read_report(wire: Wire) -> VtnReport:
    return VtnReport(
        report_id=_id(wire, "report"),
        report_name=text(wire, "reportName"),
        created_at=instant(wire, "createdDateTime"),
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


def _intervals(wire: Wire, unread: list[str]) -> Iterator[EventInterval]:
    for place, entry in enumerate(given_objects(wire, "intervals")):
        try:
            period = read_period(entry.get("intervalPeriod"))
        except WireError as error:
            raise WireError(f"interval {place}: {error}") from None
        interval_id = integer(entry, "id")
        if interval_id is None and entry.get("id") is not None:
            unread.append(f"interval {place}: id {shown(entry, 'id')} is not an integer")
        yield EventInterval(
            interval_id=place if interval_id is None else interval_id,
            period=period,
            payloads=tuple(_payloads(entry.get("payloads"), place, unread)),
        )


def _payloads(given: Any, place: int, unread: list[str]) -> Iterator[Payload]:
    entries = [] if given is None else given
    for entry in entries if isinstance(entries, list) else [entries]:
        payload = entry if isinstance(entry, Mapping) else {}
        kind, values = text(payload, "type"), payload.get("values")
        if kind is None or not isinstance(values, list):
            unread.append(f"interval {place}: a payload cannot be read")
        else:
            yield Payload(type=kind, values=tuple(values))


def _descriptors(wire: Wire, unread: list[str]) -> Iterator[ReportDescriptor]:
    given = wire.get("reportDescriptors")
    entries = [] if given is None else given
    for place, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        try:
            yield _descriptor(entry)
        except WireError as error:
            unread.append(f"report descriptor {place}: {error}; it is not followed")


def _descriptor(wire: Any) -> ReportDescriptor:
    """WireError where a default would tell more than was asked for."""
    asked = payload_type(wire) if isinstance(wire, Mapping) else None
    if asked is None:
        raise WireError("it has no payloadType")
    reading_type, units, intervals = (
        given_text(wire, name) for name in ("readingType", "units", "reportIntervals")
    )
    return ReportDescriptor(
        payload_type=asked,
        reading_type=reading_type,
        units=units,
        targets=given_targets(wire),
        aggregate=given_boolean(wire, "aggregate", default=False),
        start_interval=given_integer(wire, "startInterval", -1),
        num_intervals=given_integer(wire, "numIntervals", -1),
        historical=given_boolean(wire, "historical", default=True),
        frequency=given_integer(wire, "frequency", -1),
        repeat=given_integer(wire, "repeat", 1),
        report_intervals=intervals or "INTERVALS",
    )


def _priority(wire: Wire, unread: list[str]) -> int | None:
    priority = integer(wire, "priority")
    if priority is not None and priority >= 0:
        return priority
    if wire.get("priority") is not None:
        unread.append(f"priority {shown(wire, 'priority')} is none: it is the lowest")
    return None


def _id(wire: Wire, kind: str) -> str:
    value = wire.get("id")
    if not is_object_id(value):
        raise WireError(f"{kind} without a usable id ({_label(wire)})")
    return value


def _label(wire: Wire) -> str:
    for name in ("eventName", "venName", "resourceName", "reportName", "programID"):
        if wire.get(name):
            return f"{name} {str(wire[name])[:80]!r}"
    return "without a name"
