"""Who a VEN is to the VTN: bearer tokens and OAuth2 client credentials (Definition, Security)."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol, TypeGuard
from urllib.parse import urlsplit

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error

from app.openadr.answer import Answer
from app.openadr.credentials import ClientCredentials, CredentialSource
from app.openadr.errors import (
    ClientRefused,
    CredentialsError,
    MissingCredentials,
    NotJson,
    VtnRejected,
    VtnUnauthorised,
    VtnUnavailable,
)
from app.openadr.http import BrokerToken, NoCredentials, VenAuth

logger = logging.getLogger(__name__)

RENEW_BEFORE_S = 30.0
READS_AGAIN_S = 60.0
"""How often credentials are read again that are refused."""
CLIENT_CODES = ("invalid_client", "unauthorized_client")
"""RFC 6749, 5.2: it is the client that is refused, and not what it asks for."""
IN_A_HEADER = re.compile(r"[\x21-\x7e]+")
"""What a token is made of (RFC 6750, 2.1)."""


class VenCredentials(Protocol):
    """How each VEN proves who it is."""

    @property
    def per_ven(self) -> bool:
        """Whether each VEN has credentials of its own."""

    def auth(self, ven_name: str) -> VenAuth:
        """What signs the requests of this VEN; the same object for the same credentials."""

    def check(self, ven_names: Iterable[str]) -> None:
        """CredentialsError when two VENs would be one client."""


class BearerAuth(VenAuth):
    """A static token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def authorization(self) -> str:
        return f"Bearer {self._token}"

    def broker_token(self) -> BrokerToken:
        return BrokerToken(client_id=None, token=self._token)


class SharedCredentials:
    """One identity for all VENs: a static token, or none."""

    per_ven = False

    def __init__(self, token: str | None) -> None:
        self._auth = BearerAuth(token) if token else NoCredentials()

    def auth(self, ven_name: str) -> VenAuth:  # noqa: ARG002 - the same for every VEN
        return self._auth

    def check(self, ven_names: Iterable[str]) -> None:
        """Nothing can be wrong here."""


class TokenHttp(Protocol):
    """HTTP towards the VTN, for who has no token yet."""

    base_url: str

    def get_for_token(self, path: str) -> Any: ...

    def post_form(self, url: str, *, form: str) -> Answer: ...


class GivesTokens(Protocol):
    """Where tokens come from."""

    def fetch(self, credentials: ClientCredentials) -> tuple[str, float | None]: ...


class TokenEndpoint:
    """Where tokens come from: the configured URL, what `/auth/server` says, or base + path."""

    def __init__(self, *, http: TokenHttp, token_url: str | None, scopes: str | None) -> None:
        self._http = http
        self._token_url = token_url
        self._scopes = scopes

    def fetch(self, credentials: ClientCredentials) -> tuple[str, float | None]:
        """A token and its lifetime in seconds, None where the answer names none.

        Credentials go into the form body only, `scope` only if it is set (openadr.md, 'Roles,
        credentials, enrolment').
        """
        client = BackendApplicationClient(client_id=credentials.client_id)
        form = client.prepare_request_body(
            include_client_id=True, client_secret=credentials.client_secret, scope=self._scopes
        )
        answer = self._http.post_form(self._url(), form=form)
        if answer.status in (400, 401, 403):
            code = _error_code(answer)
            kind = (
                ClientRefused if answer.status == 401 or code in CLIENT_CODES else VtnUnauthorised
            )
            raise kind(
                f"client {credentials.client_id!r} gets no token: {answer.status} {code}".rstrip(),
                status=answer.status,
            )
        try:
            if answer.status >= 300:
                raise ValueError
            token = client.parse_request_body_response(answer.content.decode("utf-8-sig"))
            lifetime_s = float(token["expires_in"]) if token.get("expires_in") else None
            if not IN_A_HEADER.fullmatch(token["access_token"]):
                raise ValueError
        except (OAuth2Error, ValueError, TypeError, AttributeError, KeyError):
            raise VtnUnavailable(
                f"the token endpoint answers {answer.status}, no token; see VTN__TOKEN_URL"
            ) from None
        return token["access_token"], lifetime_s

    def _url(self) -> str:
        if self._token_url is None:
            self._token_url = self._asked() or f"{self._http.base_url}/auth/token"
        return self._token_url

    def _asked(self) -> str | None:
        """What `/auth/server` says; None where there is no such path."""
        try:
            answer = self._http.get_for_token("/auth/server")
        except (VtnRejected, VtnUnauthorised):
            return None
        except VtnUnavailable as error:
            if error.status != 404:
                raise
            return None
        url = answer.get("tokenURL") if isinstance(answer, dict) else None
        if not _is_url(url):
            return None
        if self._http.base_url.startswith("https://") and not url.startswith("https://"):
            raise VtnUnavailable(
                "GET /auth/server: the VTN names a token endpoint without TLS, where no secret is"
                " sent; see VTN__TOKEN_URL"
            )
        return url


class TokenAuth(VenAuth):
    """Signs with a token that is kept until shortly before it expires; one fetch at a time."""

    def __init__(
        self,
        *,
        credentials: ClientCredentials,
        read_again: Callable[[], ClientCredentials],
        endpoint: GivesTokens,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._read_again = read_again
        self._reads_again_at_s = -math.inf
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at_s = 0.0

    def authorization(self) -> str:
        return f"Bearer {self._current()}"

    def broker_token(self) -> BrokerToken:
        token = self._current()
        return BrokerToken(
            client_id=self._credentials.client_id, token=token, renew_at_s=self._renew_at_s
        )

    def refused(self, authorization: str | None) -> bool:
        """Forget the token if it is still that one; another thread may have renewed it."""
        with self._lock:
            if authorization == f"Bearer {self._token}":
                self._token = None
        return True

    def _current(self) -> str:
        with self._lock:
            if self._token is None or self._monotonic() >= self._renew_at_s:
                self._token, lifetime_s = self._fetched()
                if lifetime_s is None:
                    self._renew_at_s = float("inf")
                else:
                    early_s = min(RENEW_BEFORE_S, lifetime_s / 2)
                    self._renew_at_s = self._monotonic() + lifetime_s - early_s
            return self._token

    def _fetched(self) -> tuple[str, float | None]:
        """A token; with a secret that was changed meanwhile, where the old one is refused."""
        try:
            return self._endpoint.fetch(self._credentials)
        except ClientRefused:
            now_s = self._monotonic()
            if now_s < self._reads_again_at_s:
                raise
            self._reads_again_at_s = now_s + READS_AGAIN_S
            now = self._read_again()
            if now == self._credentials:
                raise
            logger.info("client %s: its secret has changed and was read again", now.client_id)
            self._credentials = now
            return self._endpoint.fetch(now)


class ClientCredentialsByVen:
    """OAuth2 client credentials; VENs that are the same client share its token."""

    def __init__(
        self,
        *,
        source: CredentialSource,
        endpoint: GivesTokens,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._by_client: dict[str, TokenAuth] = {}

    @property
    def per_ven(self) -> bool:
        return self._source.per_ven

    def auth(self, ven_name: str) -> VenAuth:
        credentials = self._source.of(ven_name)
        with self._lock:
            if credentials.client_id not in self._by_client:
                self._by_client[credentials.client_id] = TokenAuth(
                    credentials=credentials,
                    read_again=partial(self._now, ven_name),
                    endpoint=self._endpoint,
                    monotonic=self._monotonic,
                )
            return self._by_client[credentials.client_id]

    def _now(self, ven_name: str) -> ClientCredentials:
        self._source.read_again()
        return self._source.of(ven_name)

    def check(self, ven_names: Iterable[str]) -> None:
        if not self.per_ven:
            return
        taken: dict[str, str] = {}
        for ven_name in ven_names:
            try:
                client_id = self._source.of(ven_name).client_id
            except MissingCredentials:
                continue  # told when this VEN is enrolled
            other = taken.setdefault(client_id, ven_name)
            if other != ven_name:
                raise CredentialsError(
                    f"the VENs {other!r} and {ven_name!r} have the same client id {client_id!r};"
                    " rename one of them"
                )


def _is_url(url: object) -> TypeGuard[str]:
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _error_code(answer: Answer) -> str:
    """RFC 6749 `error`; never the description, which may echo what was sent."""
    try:
        problem: Any = answer.json()
    except NotJson:
        return ""
    code = problem.get("error") if isinstance(problem, dict) else None
    return code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,40}", code) else ""
