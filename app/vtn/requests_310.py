"""The requests of OpenADR 3.1.0 (`openadr3.yaml`, components/schemas), as the VTN accepts them."""

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
    start: NotRequired[DateTime]
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
    objectType: Literal["EVENT_PAYLOAD_DESCRIPTOR"]
    payloadType: Name
    units: NotRequired[Name | None]
    currency: NotRequired[str | None]


@with_config(STRICT)
class ReportPayloadDescriptor(TypedDict):
    objectType: Literal["REPORT_PAYLOAD_DESCRIPTOR"]
    payloadType: Name
    readingType: NotRequired[Name | None]
    units: NotRequired[Name | None]
    accuracy: NotRequired[float | None]
    confidence: NotRequired[Confidence | None]


@with_config(STRICT)
class ReportDescriptor(TypedDict):
    payloadType: Name
    readingType: NotRequired[Name | None]
    units: NotRequired[Name | None]
    targets: NotRequired[Many[Name] | None]
    aggregate: NotRequired[bool]
    startInterval: NotRequired[Integer]
    numIntervals: NotRequired[Integer]
    historical: NotRequired[bool]
    frequency: NotRequired[Integer]
    repeat: NotRequired[Integer]
    reportIntervals: NotRequired[Literal["INTERVALS", "SUB_INTERVALS", "OPEN_INTERVALS"]]


@with_config(STRICT)
class ProgramRequest(TypedDict):
    programName: Name
    intervalPeriod: NotRequired[IntervalPeriod]
    programDescriptions: NotRequired[Many[ProgramDescription] | None]
    payloadDescriptors: NotRequired[Many[EventPayloadDescriptor | ReportPayloadDescriptor] | None]
    attributes: NotRequired[Many[ValuesMap] | None]
    targets: NotRequired[Many[Name] | None]


@with_config(STRICT)
class EventRequest(TypedDict):
    programID: ObjectId
    eventName: NotRequired[str | None]
    duration: NotRequired[Duration]
    priority: NotRequired[Priority | None]
    targets: NotRequired[Many[Name] | None]
    reportDescriptors: NotRequired[Many[ReportDescriptor] | None]
    payloadDescriptors: NotRequired[Many[EventPayloadDescriptor] | None]
    intervalPeriod: NotRequired[IntervalPeriod]
    intervals: NotRequired[Many[Interval]]


@with_config(STRICT)
class ReportRequest(TypedDict):
    eventID: ObjectId
    clientName: Name
    reportName: NotRequired[str | None]
    payloadDescriptors: NotRequired[Many[ReportPayloadDescriptor] | None]
    resources: Many[ReportResource]


@with_config(STRICT)
class SubscriptionRequest(TypedDict):
    clientName: Name
    programID: NotRequired[ObjectId]
    objectOperations: ObjectOperations
    targets: NotRequired[Many[Name] | None]


@with_config(STRICT)
class VenVenRequest(TypedDict):
    objectType: Literal["VEN_VEN_REQUEST"]
    venName: Name
    attributes: NotRequired[Many[ValuesMap] | None]


@with_config(STRICT)
class BlVenRequest(TypedDict):
    objectType: Literal["BL_VEN_REQUEST"]
    clientID: Name
    targets: NotRequired[Many[Name] | None]
    venName: Name
    attributes: NotRequired[Many[ValuesMap] | None]


@with_config(STRICT)
class VenResourceRequest(TypedDict):
    objectType: Literal["VEN_RESOURCE_REQUEST"]
    resourceName: Name
    venID: ObjectId
    attributes: NotRequired[Many[ValuesMap] | None]


@with_config(STRICT)
class BlResourceRequest(TypedDict):
    objectType: Literal["BL_RESOURCE_REQUEST"]
    clientID: NotRequired[Name]  # demanded by the file, and left out by clients: it is the ven's
    targets: NotRequired[Many[Name] | None]
    resourceName: Name
    venID: ObjectId
    attributes: NotRequired[Many[ValuesMap] | None]
