"""The protocol: wire models, the VTN client, authentication. Stands on
platform and observability, and knows no other room."""

from app.openadr.answer import Answer
from app.openadr.auth import (
    ClientCredentialsByVen,
    SharedCredentials,
    TokenEndpoint,
    VenCredentials,
)
from app.openadr.business import BusinessLogic
from app.openadr.circuit import Circuit
from app.openadr.client import ReportPage, VtnClient, ping_as
from app.openadr.container import OpenadrContainer
from app.openadr.credentials import (
    ClientCredentials,
    CredentialsFile,
    CredentialsTemplate,
    normalized_name,
    slug,
)
from app.openadr.dialects import Dialect310
from app.openadr.discovery import SERVICE_TYPE, discover
from app.openadr.errors import (
    CredentialsError,
    OutcomeUnknown,
    VtnDown,
    VtnError,
    VtnRejected,
    VtnUnauthorised,
    VtnUnavailable,
    VtnUnreachable,
    WireError,
)
from app.openadr.fields import Targets, typed_target
from app.openadr.http import BrokerToken, NoCredentials, VtnHttp
from app.openadr.intervals import Interval
from app.openadr.lists import SharedReadings, VtnLists, by_id
from app.openadr.notifiers import (
    BrokerAddress,
    MqttBinding,
    Notifiers,
    broker_addresses,
    read_notification,
)
from app.openadr.object_id import is_object_id
from app.openadr.pages import PAGE, Page
from app.openadr.scheduled_event import ScheduledEvent
from app.openadr.timeline import Timeline, lasts_untold
from app.openadr.times import (
    YEAR_1,
    IntervalPeriod,
    WireDuration,
    read_duration,
    read_instant,
    write_duration,
    write_instant,
)
from app.openadr.transport import HttpTransport, make_session
from app.openadr.vtn_clock import VtnClock
from app.openadr.wire import (
    Event,
    Program,
    ReportDescriptor,
    VtnReport,
    VtnResource,
    VtnVen,
    read_event,
)

__all__ = [
    "PAGE",
    "SERVICE_TYPE",
    "YEAR_1",
    "Answer",
    "BrokerAddress",
    "BrokerToken",
    "BusinessLogic",
    "Circuit",
    "ClientCredentials",
    "ClientCredentialsByVen",
    "CredentialsError",
    "CredentialsFile",
    "CredentialsTemplate",
    "Dialect310",
    "Event",
    "HttpTransport",
    "Interval",
    "IntervalPeriod",
    "MqttBinding",
    "NoCredentials",
    "Notifiers",
    "OpenadrContainer",
    "OutcomeUnknown",
    "Page",
    "Program",
    "ReportDescriptor",
    "ReportPage",
    "ScheduledEvent",
    "SharedCredentials",
    "SharedReadings",
    "Targets",
    "Timeline",
    "TokenEndpoint",
    "VenCredentials",
    "VtnClient",
    "VtnClock",
    "VtnDown",
    "VtnError",
    "VtnHttp",
    "VtnLists",
    "VtnRejected",
    "VtnReport",
    "VtnResource",
    "VtnUnauthorised",
    "VtnUnavailable",
    "VtnUnreachable",
    "VtnVen",
    "WireDuration",
    "WireError",
    "broker_addresses",
    "by_id",
    "discover",
    "is_object_id",
    "lasts_untold",
    "make_session",
    "normalized_name",
    "ping_as",
    "read_duration",
    "read_event",
    "read_instant",
    "read_notification",
    "slug",
    "typed_target",
    "write_duration",
    "write_instant",
]
