"""The requests of OpenADR 3.0.1 (`openadr3.yaml`, components/schemas), as the VTN accepts them."""

# Annotations stay evaluated here: pydantic reads them.
from typing import Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from app.vtn.wire import (
    STRICT,
    Confidence,
    DateTime,
    Duration,
    Integer,
    Many,
    Name,
    ObjectId,
    ObjectOperations,
    Priority,
    ProgramDescription,
    ValuesMap,
)


@with_config(STRICT)
class IntervalPeriod(TypedDict):
    start: DateTime
    duration: NotRequired[Duration]
    randomizeStart: NotRequired[Duration]


@with_config(STRICT)
class Interval(TypedDict):
    id: Integer
    intervalPeriod: NotRequired[IntervalPeriod]
    payloads: Many[ValuesMap]


@with_config(STRICT)
class ReportResource(TypedDict):
    resourceName: Name
    intervalPeriod: NotRequired[IntervalPeriod]
    intervals: Many[Interval]


@with_config(STRICT)
class EventPayloadDescriptor(TypedDict):
    objectType: NotRequired[Literal["EVENT_PAYLOAD_DESCRIPTOR"]]
    payloadType: Name
    units: NotRequired[str | None]
    currency: NotRequired[str | None]


@with_config(STRICT)
class ReportPayloadDescriptor(TypedDict):
    objectType: NotRequired[Literal["REPORT_PAYLOAD_DESCRIPTOR"]]
    payloadType: Name
    readingType: NotRequired[str | None]
    units: NotRequired[str | None]
    accuracy: NotRequired[float | None]
    confidence: NotRequired[Confidence | None]


@with_config(STRICT)
class ReportDescriptor(TypedDict):
    payloadType: Name
    readingType: NotRequired[str | None]
    units: NotRequired[str | None]
    targets: NotRequired[Many[ValuesMap] | None]
    aggregate: NotRequired[bool]
    startInterval: NotRequired[Integer]
    numIntervals: NotRequired[Integer]
    historical: NotRequired[bool]
    frequency: NotRequired[Integer]
    repeat: NotRequired[Integer]


@with_config(STRICT)
class Metadata(TypedDict):
    """What the VTN provides. Clients may send it along; it has to be right, and does not count."""

    id: NotRequired[ObjectId]
    createdDateTime: NotRequired[DateTime]
    modificationDateTime: NotRequired[DateTime]


@with_config(STRICT)
class Program(Metadata):
    objectType: NotRequired[Literal["PROGRAM"]]
    programName: Name
    programLongName: NotRequired[str | None]
    retailerName: NotRequired[str | None]
    retailerLongName: NotRequired[str | None]
    programType: NotRequired[str | None]
    country: NotRequired[str | None]
    principalSubdivision: NotRequired[str | None]
    timeZoneOffset: NotRequired[Duration]
    intervalPeriod: NotRequired[IntervalPeriod]
    programDescriptions: NotRequired[Many[ProgramDescription] | None]
    bindingEvents: NotRequired[bool | None]
    localPrice: NotRequired[bool | None]
    payloadDescriptors: NotRequired[Many[EventPayloadDescriptor | ReportPayloadDescriptor] | None]
    targets: NotRequired[Many[ValuesMap] | None]


@with_config(STRICT)
class Event(Metadata):
    objectType: NotRequired[Literal["EVENT"]]
    programID: ObjectId
    eventName: NotRequired[str | None]
    priority: NotRequired[Priority | None]
    targets: NotRequired[Many[ValuesMap] | None]
    reportDescriptors: NotRequired[Many[ReportDescriptor] | None]
    payloadDescriptors: NotRequired[Many[EventPayloadDescriptor] | None]
    intervalPeriod: NotRequired[IntervalPeriod]
    intervals: Many[Interval]


@with_config(STRICT)
class Report(Metadata):
    objectType: NotRequired[Literal["REPORT"]]
    programID: ObjectId
    eventID: ObjectId
    clientName: Name
    reportName: NotRequired[str | None]
    payloadDescriptors: NotRequired[Many[ReportPayloadDescriptor] | None]
    resources: Many[ReportResource]


@with_config(STRICT)
class Subscription(Metadata):
    objectType: NotRequired[Literal["SUBSCRIPTION"]]
    clientName: Name
    programID: ObjectId
    objectOperations: ObjectOperations
    targets: NotRequired[Many[ValuesMap] | None]


@with_config(STRICT)
class Resource(Metadata):
    objectType: NotRequired[Literal["RESOURCE"]]
    resourceName: Name
    venID: NotRequired[ObjectId]
    attributes: NotRequired[Many[ValuesMap] | None]
    targets: NotRequired[Many[ValuesMap] | None]


@with_config(STRICT)
class Ven(Metadata):
    objectType: NotRequired[Literal["VEN"]]
    venName: Name
    attributes: NotRequired[Many[ValuesMap] | None]
    targets: NotRequired[Many[ValuesMap] | None]
    resources: NotRequired[Many[Resource] | None]
    """Not kept: each is made under its own path."""
