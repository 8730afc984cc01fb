"""What an event asks to be reported, as far as it can be served (rules.md, 'Reports')."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from app.openadr import Event, ReportDescriptor


class Quantity(Enum):
    """How a value is made of readings."""

    INSTANT_POWER = "the power at the instant of a reading"
    MEAN_POWER = "the mean power between a reading and the one before it"
    ENERGY = "the energy between a reading and the one before it"


_SERVED = {
    ("READING", None): (Quantity.INSTANT_POWER, "DIRECT_READ", "KW"),
    ("READING", "DIRECT_READ"): (Quantity.INSTANT_POWER, "DIRECT_READ", "KW"),
    ("DEMAND", None): (Quantity.MEAN_POWER, "MEAN", "KW"),
    ("DEMAND", "MEAN"): (Quantity.MEAN_POWER, "MEAN", "KW"),
    ("USAGE", None): (Quantity.ENERGY, "DIRECT_READ", "KWH"),
    ("USAGE", "DIRECT_READ"): (Quantity.ENERGY, "DIRECT_READ", "KWH"),
}


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """One report descriptor of one event, to be served as a stream of reports."""

    event_id: str
    payload_type: str
    reading_type: str
    units: str
    quantity: Quantity
    asked_reading_type: str | None
    """The readingType as the event asks for it; part of what makes a stream another one."""
    since: datetime | None
    """The start of the event, before which nothing is asked; None: as far back as there is."""
    most_reports: int | None
    """How many reports are asked for; None: no end."""
    history: bool = False
    """Whether readings are asked for that were taken before the event was seen."""

    @property
    def descriptor(self) -> str:
        """What tells the streams of one event apart."""
        return f"{self.payload_type}/{self.asked_reading_type or ''}/{self.units}"


def requests_of(event: Event) -> Iterator[ReportRequest | str]:
    """The requests of an event; a line of text for each descriptor that is left out."""
    for descriptor in event.report_descriptors:
        if not _is_ven_determined(event, descriptor):
            kind = "implied" if event.interval_count == 0 else "the event's"
            yield f"{descriptor.payload_type} on {kind} intervals is not reported yet"
            continue
        served = _SERVED.get((descriptor.payload_type, descriptor.reading_type))
        if served is None or descriptor.units not in (None, served[2]) or descriptor.aggregate:
            yield (
                f"{descriptor.payload_type} (readingType {descriptor.reading_type}, units"
                f" {descriptor.units}, aggregate {descriptor.aggregate}) cannot be reported"
            )
            continue
        quantity, reading_type, units = served
        yield ReportRequest(
            event_id=event.event_id,
            payload_type=descriptor.payload_type,
            reading_type=reading_type,
            units=units,
            quantity=quantity,
            asked_reading_type=descriptor.reading_type,
            since=event.period.start if event.period else None,
            most_reports=descriptor.repeat if descriptor.repeat >= 2 else None,
            history=_asks_for_history(descriptor),
        )


def _is_ven_determined(event: Event, descriptor: ReportDescriptor) -> bool:
    """rules.md, 'Reports', VEN-determined: the VEN reports when it sees fit."""
    report_only = event.interval_count == 0 and event.period is None
    return (
        report_only or descriptor.frequency == 0 or descriptor.report_intervals == "OPEN_INTERVALS"
    )


def _asks_for_history(descriptor: ReportDescriptor) -> bool:
    """A startInterval that is set counts from the event's start (Definition, reportDescriptor).

    `historical` alone says nothing: true is its default, and VTNs write defaults out.
    """
    return descriptor.historical and descriptor.start_interval >= 0
