"""The settings of the VTN."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.platform import LOOPBACK, TextFileError, read_text
from app.settings.base import IN_A_HEADER, Section

EMBEDDED_301 = "/openadr3/3.0.1"
"""Where the embedded VTN speaks 3.0.1."""


class VtnSettings(Section):
    """The VTN, and how it is spoken to."""

    base_url: str | None = None
    """All that stands before `/programs`; None: an embedded VTN on loopback."""
    embedded_port: int = Field(default=8081, ge=1, le=65535)
    api_version: Literal["3.1.0", "3.0.1"] = "3.1.0"
    bearer_token: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    credentials_file: Path | None = None
    token_url: str | None = None
    scopes: str | None = None
    verify_tls: bool | Path = True
    allow_http: bool = False
    """Whether secrets and readings may go over plain http to other machines."""
    timeout_s: float = Field(default=10.0, gt=0, le=600)
    max_connections: int = Field(default=10, ge=1, le=1000)
    compress: bool = False
    """Whether larger reports go as gzip, as long as the VTN takes that."""
    push: Literal["auto", "off"] = "auto"
    """Whether the VTN may tell of changes, by what it offers."""
    push_poll_s: float = Field(default=300.0, ge=1)
    """How often VENs are polled for which push works."""
    targets_max_age_s: float = Field(default=300.0, ge=0)
    """For how long the targets of a VEN and of its resources may be used that were read."""
    mqtt_url: SecretStr | None = None
    """The broker that the embedded VTN publishes to, with user and password; None: none."""
    private_callbacks: bool = False
    """Whether the embedded VTN calls webhooks that are not on the open internet."""
    announce: bool = False
    """Whether the embedded VTN announces itself by mDNS."""

    @field_validator("bearer_token")
    @classmethod
    def _a_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not IN_A_HEADER.fullmatch(token.get_secret_value()):
            raise ValueError("has a character that no header can carry, such as a space")
        return token

    @property
    def most_retries(self) -> int:
        """How many connections VENs that the VTN fails may use at a time."""
        return max(self.max_connections // 4, 1)

    @field_validator("mqtt_url")
    @classmethod
    def _an_mqtt_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            try:
                parts = urlsplit(url.get_secret_value())
                _ = parts.port
            except ValueError:
                raise ValueError("is not a URL") from None
            if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
                raise ValueError("must be a URL that begins with mqtt:// or mqtts:// and a host")
        return url

    @field_validator("base_url", "token_url")
    @classmethod
    def _an_http_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            if parts.port == 0:
                raise ValueError
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a URL that begins with http:// or https:// and a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not carry user-info; use VTN__CLIENT_ID and VTN__CLIENT_SECRET")
        if parts.query or parts.fragment:
            raise ValueError("must end before any '?' or '#'")
        return url.rstrip("/")

    @field_validator("verify_tls")
    @classmethod
    def _a_ca_file(cls, verify: bool | Path) -> bool | Path:
        if isinstance(verify, Path) and not verify.is_file():
            raise ValueError("must be true, false or a CA file that is there")
        return verify

    @field_validator("credentials_file")
    @classmethod
    def _a_private_file(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        try:
            read_text(path, private=True)
        except TextFileError as error:
            raise ValueError(f"names a file that {error}") from None
        return path

    @model_validator(mode="after")
    def _no_plain_http(self) -> VtnSettings:
        for name, url in (("VTN__BASE_URL", self.base_url), ("VTN__TOKEN_URL", self.token_url)):
            parts = urlsplit(url or "")
            if parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.allow_http:
                raise ValueError(
                    f"{name} is plain http to another machine; use https, or set"
                    " VTN__ALLOW_HTTP=true"
                )
        return self

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> VtnSettings:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("VTN__CLIENT_ID and VTN__CLIENT_SECRET go together; one is missing")
        if self.bearer_token and (self.client_id or self.credentials_file):
            raise ValueError("VTN__BEARER_TOKEN excludes client credentials; give one of them")
        return self

    @property
    def uses_embedded(self) -> bool:
        """True when no VTN is named, so that the embedded one is started."""
        return self.base_url is None

    @property
    def kind(self) -> Literal["embedded", "remote"]:
        """Which VTN the container chooses."""
        return "embedded" if self.uses_embedded else "remote"

    @property
    def url(self) -> str:
        """The base URL of the VTN that is used, the embedded one included."""
        if self.base_url is not None:
            return self.base_url
        root = f"http://127.0.0.1:{self.embedded_port}"
        return root + EMBEDDED_301 if self.is_301 else root

    @property
    def is_301(self) -> bool:
        """Whether the VTN speaks 3.0.1."""
        return self.api_version == "3.0.1"

    @property
    def dialect(self) -> Literal["openadr_310", "openadr_301"]:
        """How the VTN is spoken to."""
        return "openadr_301" if self.is_301 else "openadr_310"

    @property
    def verifies_tls(self) -> bool:
        """Whether the VTN has to prove who it is."""
        return self.verify_tls is not False

    @property
    def plain_hosts(self) -> tuple[str, ...] | None:
        """Hosts that may be reached without TLS; None: all."""
        return None if self.allow_http else LOOPBACK

    @property
    def broker_url(self) -> str | None:
        """The broker that the embedded VTN publishes to, with its password."""
        return None if self.mqtt_url is None else self.mqtt_url.get_secret_value()

    @property
    def callbacks_go(self) -> Literal["anywhere", "public"]:
        """Where the embedded VTN calls back."""
        return "anywhere" if self.private_callbacks else "public"

    @property
    def credentials_kind(self) -> Literal["file", "template", "token", "embedded", "none"]:
        """How VENs prove who they are to the VTN."""
        if self.credentials_file is not None:
            return "file"
        if self.client_id is not None:
            return "template"
        if self.bearer_token is not None:
            return "token"
        return "embedded" if self.uses_embedded else "none"

    @property
    def credentials_scheme(self) -> Literal["client", "token", "none"]:
        """Whether VENs are OAuth2 clients, show a token, or nothing."""
        kind = self.credentials_kind
        return kind if kind in ("token", "none") else "client"
