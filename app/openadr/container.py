"""The wiring of this room."""

from __future__ import annotations

from functools import partial

from dependency_injector import containers, providers

from app.openadr.auth import ClientCredentialsByVen, SharedCredentials, TokenEndpoint
from app.openadr.business import BusinessLogic
from app.openadr.circuit import Circuit
from app.openadr.client import VtnClient
from app.openadr.credentials import CredentialsFile, CredentialsTemplate, GivesCredentials
from app.openadr.dialects import Dialect301, Dialect310
from app.openadr.http import VtnHttp
from app.openadr.lists import VtnLists
from app.openadr.transport import HttpTransport, make_session
from app.openadr.vtn_clock import VtnClock
from app.platform import port


class OpenadrContainer(containers.DeclarativeContainer):
    """HTTP to one VTN, credentials, dialect, and clients for VENs and for business logic."""

    platform = providers.DependenciesContainer()
    embedded_ven_credentials = port(GivesCredentials)
    embedded_business_credentials = port(GivesCredentials)

    http_session = providers.ThreadSafeSingleton(
        make_session,
        base_url=platform.settings.provided.vtn.url,
        max_connections=platform.settings.provided.vtn.max_connections,
    )
    transport = providers.ThreadSafeSingleton(
        HttpTransport,
        http_session,
        timeout_s=platform.settings.provided.vtn.timeout_s,
        verify_tls=platform.settings.provided.vtn.verify_tls,
    )
    circuit = providers.ThreadSafeSingleton(Circuit, monotonic=platform.monotonic)
    write_circuit = providers.ThreadSafeSingleton(Circuit, monotonic=platform.monotonic)
    vtn_clock = providers.ThreadSafeSingleton(
        VtnClock, clock=platform.clock, monotonic=platform.monotonic
    )
    http = providers.ThreadSafeSingleton(
        VtnHttp,
        vtn_clock=vtn_clock,
        transport=transport,
        base_url=platform.settings.provided.vtn.url,
        shutdown=platform.shutdown,
        circuit=circuit,
        writes=write_circuit,
        fence=platform.fence,
        compresses=platform.settings.provided.vtn.compress,
    )
    token_endpoint = providers.ThreadSafeSingleton(
        TokenEndpoint,
        http=http,
        token_url=platform.settings.provided.vtn.token_url,
        scopes=platform.settings.provided.vtn.scopes,
    )
    credentials = providers.Selector(
        platform.settings.provided.vtn.credentials_scheme,
        client=providers.ThreadSafeSingleton(
            ClientCredentialsByVen,
            source=providers.Selector(
                platform.settings.provided.vtn.credentials_kind,
                embedded=embedded_ven_credentials,
                template=providers.Factory(
                    CredentialsTemplate,
                    platform.settings.provided.vtn.client_id,
                    platform.settings.provided.vtn.client_secret.get_secret_value.call(),
                    secret_now=providers.Callable(
                        partial, platform.settings.provided.secret_now, "VTN__CLIENT_SECRET"
                    ),
                ),
                file=providers.Factory(
                    CredentialsFile, platform.settings.provided.vtn.credentials_file
                ),
            ),
            endpoint=token_endpoint,
            monotonic=platform.monotonic,
        ),
        token=providers.ThreadSafeSingleton(
            SharedCredentials, platform.settings.provided.vtn.bearer_token.get_secret_value.call()
        ),
        none=providers.ThreadSafeSingleton(SharedCredentials, None),
    )
    dialect = providers.Selector(
        platform.settings.provided.vtn.dialect,
        openadr_310=providers.ThreadSafeSingleton(Dialect310),
        openadr_301=providers.ThreadSafeSingleton(Dialect301),
    )
    lists = providers.ThreadSafeSingleton(VtnLists, http)
    client_for = providers.ThreadSafeSingleton(
        partial,
        VtnClient,
        http=http,
        credentials=credentials,
        dialect=dialect,
        log_once=platform.log_once,
        lists=lists,
    )
    business_credentials = providers.Selector(
        platform.settings.provided.business_scheme,
        client=providers.ThreadSafeSingleton(
            ClientCredentialsByVen,
            source=providers.Selector(
                platform.settings.provided.business_kind,
                embedded=embedded_business_credentials,
                given=providers.Factory(
                    CredentialsTemplate,
                    platform.settings.provided.bl.client_id,
                    platform.settings.provided.bl.client_secret.get_secret_value.call(),
                    secret_now=providers.Callable(
                        partial, platform.settings.provided.secret_now, "BL__CLIENT_SECRET"
                    ),
                ),
            ),
            endpoint=token_endpoint,
            monotonic=platform.monotonic,
        ),
        none=providers.ThreadSafeSingleton(SharedCredentials, None),
    )
    business_logic = providers.Factory(
        BusinessLogic,
        http=http,
        credentials=business_credentials,
        is_301=platform.settings.provided.vtn.is_301,
        lists=lists,
    )
