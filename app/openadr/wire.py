"""What crosses the wire: lenient in, strict out (rules.md, 'Reading what a VTN sends').

Unknown fields are ignored, null is absent, objectType is optional on what is read. Refused is an
object without an id, an event also without programID, and what cannot be read where absent would
mean more: times, targets, intervals, and the numbers of a report descriptor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from app.openadr.object_id import is_object_id
from app.openadr.times import (
    YEAR_1,
    IntervalPeriod,
    WireDuration,
    WireError,
    read_duration,
    read_instant,
    read_period,
)

T = TypeVar("T")
Wire = Mapping[str, Any]
Targets = frozenset[str]


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
    units: Mapping[str, str] = field(default_factory=dict)
    """By payload type: the defaults of its events (User Guide 7.6)."""


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


@dataclass(frozen=True, kw_only=True)
class VtnReport:
    """A report object at the VTN, without its readings."""

    report_id: str
    report_name: str | None
    created_at: datetime | None = None
    """By the VTN's clock; None where it does not say."""


def read_event(wire: Wire) -> Event:
    """An event. WireError without id or programID, or with times, targets or intervals that cannot
    be read; of less importance is what stands in `unread`.
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
            event_name=_text(wire, "eventName") or "",
            priority=_priority(wire, unread),
            targets=read_targets(wire),
            created_at=_instant(wire, "createdDateTime"),
            modified_at=_instant(wire, "modificationDateTime"),
            duration=None if duration is None else read_duration(str(duration)),
            period=read_period(wire.get("intervalPeriod")),
            intervals=tuple(_intervals(wire, unread)),
            units=_units(wire),
            report_descriptors=tuple(_descriptors(wire, unread)),
            unread=tuple(unread),
            raw=wire,
        )
    except WireError as error:
        raise WireError(f"event {event_id!r}: {error}") from None


def read_program(wire: Wire) -> Program:
    return Program(
        program_id=_id(wire, "program"),
        program_name=_text(wire, "programName") or "",
        units=_units(wire),
    )


def read_ven(wire: Wire) -> VtnVen:
    return VtnVen(
        ven_id=_id(wire, "ven"),
        ven_name=_text(wire, "venName") or "",
        targets=_targets_if_readable(wire),
    )


def read_resource(wire: Wire) -> VtnResource:
    return VtnResource(
        resource_id=_id(wire, "resource"),
        resource_name=_text(wire, "resourceName") or "",
        targets=_targets_if_readable(wire),
    )


def read_report(wire: Wire) -> VtnReport:
    return VtnReport(
        report_id=_id(wire, "report"),
        report_name=_text(wire, "reportName"),
        created_at=_instant(wire, "createdDateTime"),
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


def read_targets(wire: Wire) -> Targets:
    """The targets of an object: 3.1.0 has strings, 3.0.1 has values by type ('TYPE=value').

    A string is a list of one. WireError for all else that is no list of such: an object without
    targets concerns everybody (rules.md, 'Time' and 'Targets').
    """
    value = wire.get("targets")
    if value is None:
        return frozenset()
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list):
        raise WireError(f"targets {str(value)[:80]} cannot be read")
    found = set[str]()
    for entry in entries:
        if isinstance(entry, str):
            found.add(entry)
        elif isinstance(entry, Mapping) and _is_typed_target(entry):
            found.update(typed_target(entry["type"], each) for each in entry["values"])
        else:
            raise WireError(f"targets {str(value)[:80]} cannot be read")
    return frozenset(found)


def _is_typed_target(entry: Wire) -> bool:
    values = entry.get("values")
    return (
        isinstance(entry.get("type"), str)
        and isinstance(values, list)
        and all(isinstance(each, str | int | float) for each in values)
    )


def _targets_if_readable(wire: Wire) -> Targets | None:
    try:
        return read_targets(wire)
    except WireError:
        return None


def typed_target(kind: str, value: Any) -> str:
    """A target of 3.0.1, in the form in which both dialects are compared."""
    return f"{kind}={value}"


def _intervals(wire: Wire, unread: list[str]) -> Iterator[EventInterval]:
    given = wire.get("intervals")
    entries = [] if given is None else given
    if not isinstance(entries, list) or not all(isinstance(each, Mapping) for each in entries):
        raise WireError("intervals cannot be read")
    for place, entry in enumerate(entries):
        try:
            period = read_period(entry.get("intervalPeriod"))
        except WireError as error:
            raise WireError(f"interval {place}: {error}") from None
        interval_id = _integer(entry, "id")
        if interval_id is None and entry.get("id") is not None:
            unread.append(f"interval {place}: id {_shown(entry, 'id')} is not an integer")
        payloads = []
        for payload in _objects(entry.get("payloads")):
            kind, values = _text(payload, "type"), payload.get("values")
            if kind is None or not isinstance(values, list):
                unread.append(f"interval {place}: a payload cannot be read")
            else:
                payloads.append(Payload(type=kind, values=tuple(values)))
        yield EventInterval(
            interval_id=place if interval_id is None else interval_id,
            period=period,
            payloads=tuple(payloads),
        )


def _descriptors(wire: Wire, unread: list[str]) -> Iterator[ReportDescriptor]:
    for place, entry in enumerate(_objects(wire.get("reportDescriptors"))):
        try:
            descriptor = _descriptor(entry)
        except WireError as error:
            unread.append(f"report descriptor {place}: {error}; it is not followed")
            continue
        if descriptor is not None:
            yield descriptor


def _descriptor(wire: Wire) -> ReportDescriptor | None:
    """None without a payload type; WireError where a default would tell more than was asked for."""
    payload_type = _payload_type(wire)
    if payload_type is None:
        return None
    reading_type, units, intervals = (
        _given_text(wire, name) for name in ("readingType", "units", "reportIntervals")
    )
    return ReportDescriptor(
        payload_type=payload_type,
        reading_type=reading_type,
        units=units,
        targets=read_targets(wire),
        aggregate=_given_boolean(wire, "aggregate", default=False),
        start_interval=_given_integer(wire, "startInterval", -1),
        num_intervals=_given_integer(wire, "numIntervals", -1),
        historical=_given_boolean(wire, "historical", default=True),
        frequency=_given_integer(wire, "frequency", -1),
        repeat=_given_integer(wire, "repeat", 1),
        report_intervals=intervals or "INTERVALS",
    )


def _units(wire: Wire) -> dict[str, str]:
    return {
        kind: units
        for entry in _objects(wire.get("payloadDescriptors"))
        if (kind := _payload_type(entry)) and (units := _text(entry, "units"))
    }


def _payload_type(wire: Wire) -> str | None:
    """The User Guide's own examples spell it in two ways."""
    return _text(wire, "payloadType") or _text(wire, "payLoadType")


def _priority(wire: Wire, unread: list[str]) -> int | None:
    priority = _integer(wire, "priority")
    if priority is None and wire.get("priority") is not None:
        unread.append(f"priority {_shown(wire, 'priority')} is not an integer: it is the lowest")
    return priority if priority is not None and priority >= 0 else None


def _instant(wire: Wire, name: str) -> datetime | None:
    try:
        return read_instant(str(wire.get(name)))
    except WireError:
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


def _objects(value: Any) -> list[Wire]:
    return (
        [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
    )


def _text(wire: Wire, name: str) -> str | None:
    value = wire.get(name)
    return value if isinstance(value, str) and value else None


def _integer(wire: Wire, name: str) -> int | None:
    """A whole number of 32 bits, which may be written 1.0; None for all else."""
    value = wire.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < 2**31 and value == int(value) else None


def _given_integer(wire: Wire, name: str, default: int) -> int:
    if wire.get(name) is None:
        return default
    number = _integer(wire, name)
    if number is None:
        raise WireError(f"{name} {_shown(wire, name)} is not an integer")
    return number


def _given_boolean(wire: Wire, name: str, *, default: bool) -> bool:
    value = wire.get(name)
    if value is not None and not isinstance(value, bool):
        raise WireError(f"{name} {_shown(wire, name)} is not true or false")
    return default if value is None else value


def _given_text(wire: Wire, name: str) -> str | None:
    value = wire.get(name)
    if value is not None and not isinstance(value, str):
        raise WireError(f"{name} {_shown(wire, name)} is not a text")
    return value or None


def _shown(wire: Wire, name: str) -> str:
    return repr(wire.get(name))[:80]
