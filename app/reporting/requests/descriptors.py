"""What an event asks to be reported, as far as it can be served (openadr.md, 'Reports')."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from app.events import SeenEvent
from app.openadr import Event, IntervalPeriod, ReportDescriptor, Timeline, WireDuration
from app.reporting.requests.quantities import DATA_QUALITY, FORECASTS, Quantity, served
from app.reporting.requests.schedule import ReportSchedule
from app.reporting.requests.scope import Scope

FORECAST = "FORECAST"
MIN_REPEAT = timedelta(seconds=1)
"""Of intervals that repeat: more often nothing is reported."""
DEFAULT_FORECAST = timedelta(hours=1)
"""What a VEN forecasts where it may choose, and how often."""


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """One report descriptor of one event, to be served as a stream of reports."""

    event_id: str
    payload_type: str
    reading_type: str | None
    units: str | None
    quantity: Quantity
    asked_reading_type: str | None
    """The readingType as the event asks for it; part of what makes a stream another one."""
    since: datetime | None = None
    """The start of the event, before which nothing is asked; None: as far back as there is."""
    until: datetime | None = None
    """The end of the event, after which nothing is asked; None: there is none."""
    most_reports: int | None = None
    """How many reports are asked for; None: no end."""
    history: bool = False
    """Whether readings are asked for that were taken before the event was seen."""
    program_id: str = ""
    aggregate: bool = False
    """Whether the resources are reported as one."""
    with_quality: bool = False
    """Whether each value is asked for with its quality."""
    is_planned: bool = False
    """Whether reports are due at certain times; else the VEN reports what it reads."""
    is_forecast: bool = False
    is_measured: bool = False
    """Whether what real meters measure is told one by one; else what is read of all at a tick."""
    particulars: str = ""
    """What tells apart descriptors of one payload type and readingType."""

    def measured(self) -> ReportRequest:
        """The same of real meters, which is told beside it."""
        return replace(self, is_measured=True, particulars=f"{self.particulars} measured".strip())

    @property
    def descriptor(self) -> str:
        """What tells the streams of one event apart."""
        text = f"{self.payload_type}/{self.asked_reading_type or ''}/{self.units or ''}"
        return f"{text}/{self.particulars}" if self.particulars else text


@dataclass(frozen=True, kw_only=True)
class ActiveRequest:
    """A request with what it takes to serve it now."""

    request: ReportRequest
    first_seen: datetime
    schedule: ReportSchedule | None
    """When reports are due, and what they cover; None: the VEN reports what it reads."""
    scope: Scope
    """The resources that are asked for."""
    sub_intervals: bool = False
    """Whether intervals are reported in pieces, from reading to reading."""


def requests_of(seen: SeenEvent) -> Iterator[ActiveRequest | str]:
    """The requests of an event; a line of text for each descriptor that is left out."""
    if seen.is_cancelled:
        return
    event = seen.event
    with_quality = any(
        report_descriptor.payload_type == DATA_QUALITY
        for report_descriptor in event.report_descriptors
    )
    alike = Counter[str]()
    for descriptor in event.report_descriptors:
        if descriptor.payload_type == DATA_QUALITY:
            continue
        active = _active_request(seen, descriptor, with_quality)
        if active is None:
            yield (
                f"{descriptor.payload_type} (readingType {descriptor.reading_type}, units"
                f" {descriptor.units}, aggregate {descriptor.aggregate}) cannot be reported"
            )
            continue
        same = active.request.descriptor
        number = alike[same]
        alike[same] += 1
        if number:
            particulars = f"{active.request.particulars} #{number}".strip()
            active = replace(active, request=replace(active.request, particulars=particulars))
        yield active


def _active_request(
    seen: SeenEvent, descriptor: ReportDescriptor, with_quality: bool
) -> ActiveRequest | None:
    what_is_served = served(descriptor.payload_type, descriptor.reading_type, descriptor.units)
    if what_is_served is None or (descriptor.aggregate and not what_is_served[0].sums):
        return None
    quantity, reading_type, units = what_is_served
    event = seen.event
    is_forecast = (
        not descriptor.historical
        or descriptor.payload_type in FORECASTS
        or descriptor.reading_type == FORECAST
    )
    ven_determined = _is_ven_determined(event, descriptor)
    about_the_future = descriptor.payload_type in FORECASTS or descriptor.reading_type == FORECAST
    schedule: ReportSchedule | None = None
    if not ven_determined:
        schedule = _schedule(seen, descriptor, is_forecast)
        if schedule is None:
            return None
    elif about_the_future:
        schedule = _usual_forecast(seen)
    timeline = seen.timeline
    begins = event.period is not None or bool(event.intervals)
    request = ReportRequest(
        event_id=event.event_id,
        program_id=event.program_id,
        payload_type=descriptor.payload_type,
        reading_type=reading_type,
        units=units,
        quantity=quantity,
        asked_reading_type=descriptor.reading_type,
        since=timeline.start if begins else None,
        until=timeline.end,
        most_reports=descriptor.repeat if ven_determined and descriptor.repeat >= 2 else None,
        history=ven_determined and _asks_for_history(descriptor),
        aggregate=descriptor.aggregate,
        with_quality=with_quality,
        is_planned=schedule is not None,
        is_forecast=schedule is not None and (is_forecast or ven_determined),
        particulars=_particulars(descriptor, schedule),
    )
    scope = seen.granted.scope(descriptor.targets)
    of_event = seen.scope
    if of_event is not None:
        scope = of_event if scope is None else scope & of_event
    return ActiveRequest(
        request=request,
        first_seen=seen.first_seen,
        schedule=schedule,
        scope=Scope(scope),
        sub_intervals=descriptor.report_intervals == "SUB_INTERVALS",
    )


def _schedule(
    seen: SeenEvent, descriptor: ReportDescriptor, is_forecast: bool
) -> ReportSchedule | None:
    implied = not seen.event.intervals
    timeline = seen.implied_timeline if implied else seen.timeline
    if timeline is None or _is_too_fast(timeline, implied=implied):
        return None
    try:
        return ReportSchedule(
            timeline=timeline,
            implied=implied,
            start_interval=descriptor.start_interval,
            num_intervals=descriptor.num_intervals,
            frequency=descriptor.frequency,
            repeat=descriptor.repeat,
            historical=not is_forecast,
        )
    except ValueError:
        return None


def _is_too_fast(timeline: Timeline, *, implied: bool) -> bool:
    """Whether intervals without end come faster than anything is metered."""
    if not (timeline.loops or implied):
        return False
    first = timeline.of_pass(0)
    ends = [interval.end for interval in first if interval.end is not None]
    return bool(ends) and max(ends) - first[0].start < MIN_REPEAT


def _usual_forecast(seen: SeenEvent) -> ReportSchedule:
    """Where the VEN determines the intervals of a forecast: the next hour, every hour."""
    hourly = replace(
        seen.event,
        period=IntervalPeriod(start=seen.first_seen, duration=WireDuration(rest=DEFAULT_FORECAST)),
        intervals=(),
        duration=None,
    )
    return ReportSchedule(
        timeline=cast(Timeline, replace(seen, event=hourly).implied_timeline),
        implied=True,
        start_interval=0,
        num_intervals=1,
        frequency=1,
        repeat=-1,
        historical=False,
    )


def _particulars(descriptor: ReportDescriptor, schedule: ReportSchedule | None) -> str:
    """Empty for telemetry of all resources, one by one.

    Not when and how often: an event that changes these continues with the streams that it has.
    """
    parts = ["aggregate"] if descriptor.aggregate else []
    if descriptor.targets:
        text = "\0".join(sorted(descriptor.targets)).encode()
        parts.append(hashlib.blake2b(text, digest_size=6).hexdigest())
    if schedule is not None:
        parts.append("on intervals" if descriptor.historical else "forecast")
    return " ".join(parts)


def _is_ven_determined(event: Event, descriptor: ReportDescriptor) -> bool:
    """openadr.md, 'Reports', VEN-determined: the VEN reports when it sees fit."""
    report_only = not event.intervals and event.period is None
    return (
        report_only or descriptor.frequency == 0 or descriptor.report_intervals == "OPEN_INTERVALS"
    )


def _asks_for_history(descriptor: ReportDescriptor) -> bool:
    """A startInterval that is set counts from the event's start (Definition, reportDescriptor).

    `historical` alone says nothing: true is its default, and VTNs write defaults out.
    """
    return descriptor.historical and descriptor.start_interval >= 0
