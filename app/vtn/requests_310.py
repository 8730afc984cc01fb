"""The requests of OpenADR 3.1.0 (`openadr3.yaml`, components/schemas), as the VTN accepts them."""

# Annotations stay evaluated here: pydantic reads them.
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from app.vtn.wire import (
    STRICT,
    Confidence,
    DateTime,
    Duration,
    Integer,
    Name,
    ObjectId,
    ObjectOperation,
    Priority,
    ProgramDescription,
    ValuesMap,
)


class IntervalPeriod(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    start: NotRequired[DateTime]
    duration: NotRequired[Duration]
    randomizeStart: NotRequired[Duration]


class Interval(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    id: Integer
    intervalPeriod: NotRequired[IntervalPeriod]
    payloads: list[ValuesMap]


class ReportResource(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    resourceName: Name
    intervalPeriod: NotRequired[IntervalPeriod]
    intervals: list[Interval]


class EventPayloadDescriptor(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: Literal["EVENT_PAYLOAD_DESCRIPTOR"]
    payloadType: Name
    units: NotRequired[Name | None]
    currency: NotRequired[str | None]


class ReportPayloadDescriptor(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: Literal["REPORT_PAYLOAD_DESCRIPTOR"]
    payloadType: Name
    readingType: NotRequired[Name | None]
    units: NotRequired[Name | None]
    accuracy: NotRequired[float | None]
    confidence: NotRequired[Confidence | None]


class ReportDescriptor(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    payloadType: Name
    readingType: NotRequired[Name | None]
    units: NotRequired[Name | None]
    targets: NotRequired[list[Name] | None]
    aggregate: NotRequired[bool]
    startInterval: NotRequired[Integer]
    numIntervals: NotRequired[Integer]
    historical: NotRequired[bool]
    frequency: NotRequired[Integer]
    repeat: NotRequired[Integer]
    reportIntervals: NotRequired[Literal["INTERVALS", "SUB_INTERVALS", "OPEN_INTERVALS"]]


class ProgramRequest(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    programName: Name
    intervalPeriod: NotRequired[IntervalPeriod]
    programDescriptions: NotRequired[list[ProgramDescription] | None]
    payloadDescriptors: NotRequired[list[EventPayloadDescriptor | ReportPayloadDescriptor] | None]
    attributes: NotRequired[list[ValuesMap] | None]
    targets: NotRequired[list[Name] | None]


class EventRequest(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    programID: ObjectId
    eventName: NotRequired[str | None]
    duration: NotRequired[Duration]
    priority: NotRequired[Priority | None]
    targets: NotRequired[list[Name] | None]
    reportDescriptors: NotRequired[list[ReportDescriptor] | None]
    payloadDescriptors: NotRequired[list[EventPayloadDescriptor] | None]
    intervalPeriod: NotRequired[IntervalPeriod]
    intervals: NotRequired[list[Interval]]


class ReportRequest(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    eventID: ObjectId
    clientName: Name
    reportName: NotRequired[str | None]
    payloadDescriptors: NotRequired[list[ReportPayloadDescriptor] | None]
    resources: list[ReportResource]


class SubscriptionRequest(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    clientName: Name
    programID: NotRequired[ObjectId]
    objectOperations: list[ObjectOperation]
    targets: NotRequired[list[Name] | None]


class VenVenRequest(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: Literal["VEN_VEN_REQUEST"]
    venName: Name
    attributes: NotRequired[list[ValuesMap] | None]


class BlVenRequest(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: Literal["BL_VEN_REQUEST"]
    clientID: Name
    targets: NotRequired[list[Name] | None]
    venName: Name
    attributes: NotRequired[list[ValuesMap] | None]


class VenResourceRequest(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: Literal["VEN_RESOURCE_REQUEST"]
    resourceName: Name
    venID: ObjectId
    attributes: NotRequired[list[ValuesMap] | None]


class BlResourceRequest(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: Literal["BL_RESOURCE_REQUEST"]
    clientID: Name
    targets: NotRequired[list[Name] | None]
    resourceName: Name
    venID: ObjectId
    attributes: NotRequired[list[ValuesMap] | None]
