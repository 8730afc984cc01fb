"""The requests of OpenADR 3.0.1 (`openadr3.yaml`, components/schemas), as the VTN accepts them."""

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
    start: DateTime
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
    objectType: NotRequired[Literal["EVENT_PAYLOAD_DESCRIPTOR"]]
    payloadType: Name
    units: NotRequired[str | None]
    currency: NotRequired[str | None]


class ReportPayloadDescriptor(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: NotRequired[Literal["REPORT_PAYLOAD_DESCRIPTOR"]]
    payloadType: Name
    readingType: NotRequired[str | None]
    units: NotRequired[str | None]
    accuracy: NotRequired[float | None]
    confidence: NotRequired[Confidence | None]


class ReportDescriptor(TypedDict):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    payloadType: Name
    readingType: NotRequired[str | None]
    units: NotRequired[str | None]
    targets: NotRequired[list[ValuesMap] | None]
    aggregate: NotRequired[bool]
    startInterval: NotRequired[Integer]
    numIntervals: NotRequired[Integer]
    historical: NotRequired[bool]
    frequency: NotRequired[Integer]
    repeat: NotRequired[Integer]


class Metadata(TypedDict):
    """What the VTN provides. Clients may send it along; it has to be right, and does not count."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    id: NotRequired[ObjectId]
    createdDateTime: NotRequired[DateTime]
    modificationDateTime: NotRequired[DateTime]


class Program(Metadata):
    __pydantic_config__ = STRICT  # type: ignore[misc]
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
    programDescriptions: NotRequired[list[ProgramDescription] | None]
    bindingEvents: NotRequired[bool | None]
    localPrice: NotRequired[bool | None]
    payloadDescriptors: NotRequired[list[EventPayloadDescriptor | ReportPayloadDescriptor] | None]
    targets: NotRequired[list[ValuesMap] | None]


class Event(Metadata):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: NotRequired[Literal["EVENT"]]
    programID: ObjectId
    eventName: NotRequired[str | None]
    priority: NotRequired[Priority | None]
    targets: NotRequired[list[ValuesMap] | None]
    reportDescriptors: NotRequired[list[ReportDescriptor] | None]
    payloadDescriptors: NotRequired[list[EventPayloadDescriptor] | None]
    intervalPeriod: NotRequired[IntervalPeriod]
    intervals: list[Interval]


class Report(Metadata):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: NotRequired[Literal["REPORT"]]
    programID: ObjectId
    eventID: ObjectId
    clientName: Name
    reportName: NotRequired[str | None]
    payloadDescriptors: NotRequired[list[ReportPayloadDescriptor] | None]
    resources: list[ReportResource]


class Subscription(Metadata):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: NotRequired[Literal["SUBSCRIPTION"]]
    clientName: Name
    programID: ObjectId
    objectOperations: list[ObjectOperation]
    targets: NotRequired[list[ValuesMap] | None]


class Resource(Metadata):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: NotRequired[Literal["RESOURCE"]]
    resourceName: Name
    venID: NotRequired[ObjectId]
    attributes: NotRequired[list[ValuesMap] | None]
    targets: NotRequired[list[ValuesMap] | None]


class Ven(Metadata):
    __pydantic_config__ = STRICT  # type: ignore[misc]
    objectType: NotRequired[Literal["VEN"]]
    venName: Name
    attributes: NotRequired[list[ValuesMap] | None]
    targets: NotRequired[list[ValuesMap] | None]
    resources: NotRequired[list[Resource] | None]
