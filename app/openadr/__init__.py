"""The protocol: wire models, the VTN client, authentication. Imports no other room."""

from app.openadr.auth import (
    ClientCredentialsByVen,
    SharedCredentials,
    TokenEndpoint,
    VenCredentials,
)
from app.openadr.client import VtnClient
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
