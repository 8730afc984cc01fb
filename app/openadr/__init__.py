"""The protocol: wire models, the VTN client, authentication. Imports no other room."""

from app.openadr.auth import (
    ClientCredentialsByVen,
    SharedCredentials,
    TokenEndpoint,
    VenCredentials,
)
from app.openadr.circuit import Circuit
from app.openadr.client import ReportPage, VtnClient
from app.openadr.credentials import (
    ClientCredentials,
    CredentialsFile,
    CredentialsTemplate,
    slug,
)
from app.openadr.errors import (
    CredentialsError,
    OutcomeUnknown,
    VtnError,
    VtnRejected,
    VtnUnauthorised,
    VtnUnavailable,
    VtnUnreachable,
)
from app.openadr.http import NoCredentials, VtnHttp, VtnState, make_session
from app.openadr.wire import (
    UNLIMITED,
    Event,
    IntervalPeriod,
    ReportDescriptor,
    VtnReport,
    VtnResource,
    VtnVen,
    WireError,
    read_duration,
    read_event,
    read_instant,
    write_duration,
    write_instant,
)

__all__ = [
    "UNLIMITED",
    "Circuit",
    "ClientCredentials",
    "ClientCredentialsByVen",
    "CredentialsError",
    "CredentialsFile",
    "CredentialsTemplate",
    "Event",
    "IntervalPeriod",
    "NoCredentials",
    "OutcomeUnknown",
    "ReportDescriptor",
    "ReportPage",
    "SharedCredentials",
    "TokenEndpoint",
    "VenCredentials",
    "VtnClient",
    "VtnError",
    "VtnHttp",
    "VtnRejected",
    "VtnReport",
    "VtnResource",
    "VtnState",
    "VtnUnauthorised",
    "VtnUnavailable",
    "VtnUnreachable",
    "VtnVen",
    "WireError",
    "make_session",
    "read_duration",
    "read_event",
    "read_instant",
    "slug",
    "write_duration",
    "write_instant",
]
