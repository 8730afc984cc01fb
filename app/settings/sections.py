"""The sections of the settings: names, types, defaults, and what each refuses."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import isodate
from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from app.platform import TextFileError, read_text
from app.settings.layers import SCHEDULE_FIELDS


def _duration(value: object) -> object:
    """ISO 8601, or a number of seconds."""
    if not isinstance(value, str):
        return value
    try:
        return timedelta(seconds=float(value))
    except (ValueError, OverflowError):
        pass
    try:
        parsed = isodate.parse_duration(value)
    except (ValueError, TypeError, OverflowError):
        parsed = None
    if not isinstance(parsed, timedelta) or parsed < timedelta(0):
        raise ValueError("must be a duration such as PT1H, P30D or 3600 (seconds)")
    return parsed


LOOPBACK = ("127.0.0.1", "localhost", "::1")
IN_A_HEADER = re.compile(r"[\x21-\x7e]+")
"""What a bearer token is made of (RFC 6750, 2.1)."""
Duration = Annotated[timedelta, BeforeValidator(_duration)]


def check_characters(text: str) -> None:
    """ValueError, without the text, where it has a control character in it."""
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise ValueError("has a line break or another control character in it")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="after")
    @classmethod
    def _no_control_character(cls, value: Any) -> Any:
        """Of secrets, too: no header, no URL and no form carries one as it was meant."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str):
            check_characters(text)
        return value


class DatabaseSettings(_Section):
    url: SecretStr | None = None
    """An SQLAlchemy URL; None: SQLite in DATA_DIR."""


class VtnSettings(_Section):
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


class CallbackSettings(_Section):
    """Where webhooks are heard."""

    public_url: str | None = None
    """Where the VTN finds this server; None: no webhooks."""
    host: str = "127.0.0.1"
    port: int = Field(default=8443, ge=1, le=65535)
    certificate: Path | None = None
    key: Path | None = None

    @field_validator("public_url")
    @classmethod
    def _an_https_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("must be a URL that begins with https:// and a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must have no user-info and end before any '?' or '#'")
        return url.rstrip("/")

    @field_validator("certificate", "key")
    @classmethod
    def _a_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError("names a file that is not there")
        return path

    @model_validator(mode="after")
    def _both(self) -> CallbackSettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("CALLBACK__CERTIFICATE and CALLBACK__KEY go together; one is missing")
        return self


class BusinessSettings(_Section):
    client_id: str | None = None
    """Of the business-logic client that `event` uses; None: that of the embedded VTN."""
    client_secret: SecretStr | None = None

    @model_validator(mode="after")
    def _both(self) -> BusinessSettings:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("BL__CLIENT_ID and BL__CLIENT_SECRET go together; one is missing")
        return self


class FleetSettings(_Section):
    seed_sample: bool | None = None
    """Fill an empty fleet on the first run; None: only when the VTN is the embedded one."""
    vens: int = Field(default=10, ge=0, le=100_000)
    resources_per_ven: int = Field(default=20, ge=0, le=100_000)


class StoreSettings(_Section):
    max_lag: Duration = timedelta(hours=1)
    """How long frames wait for a VEN before its part is moved out of them."""
    keep_unasked: Duration = timedelta(hours=1)
    """How long readings are kept that no event asks for."""
    max_bytes: ByteSize = Field(default=ByteSize(10 << 30), ge=1 << 12)
    """Of readings and of reports that were set aside."""
    max_age: Duration | None = None
    """How old readings may grow that are owed; None: as old as it takes."""
    when_full: Literal["stop_metering", "drop_oldest"] = "stop_metering"


class DeliverySettings(_Section):
    settle_s: float = Field(default=30.0, ge=0, le=86_400)
    """How long a VTN may still be at work on a report after its answer was not seen."""
    when_unreadable: Literal["hold", "send_again"] = "hold"
    """When a VEN may not read its own reports and the outcome of one was not seen."""


class ReportingSettings(_Section):
    max_readings_per_report: int = Field(default=10_000, ge=1, le=1_000_000)
    """A VEN that has more to tell sends several reports."""


class EventsSettings(_Section):
    alert_level: int = Field(default=3, ge=0, le=3)
    """The SIMPLE level that an ALERT is treated as."""
    percent_offset_positive: Literal["less_load", "more_load"] = "less_load"
    """What a positive CONTROL_LEVEL_OFFSET_PERCENT means: the specification says both."""

    @property
    def percent_sign(self) -> int:
        """1 where positive means less load, else -1."""
        return 1 if self.percent_offset_positive == "less_load" else -1


class TaskSettings(_Section):
    enabled: bool = True
    seconds: float | None = Field(default=None, ge=0)
    minutes: float | None = Field(default=None, ge=0)
    hours: float | None = Field(default=None, ge=0)
    cron: str | None = None
    jitter_s: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _a_schedule(self) -> TaskSettings:
        interval = [
            value for value in (self.seconds, self.minutes, self.hours) if value is not None
        ]
        if self.cron is not None and interval:
            raise ValueError(
                "CRON goes without SECONDS, MINUTES and HOURS; give one kind of schedule"
            )
        if interval and sum(interval) <= 0:
            raise ValueError("SECONDS, MINUTES and HOURS must add up to more than 0")
        return self

    def trigger_fields(self) -> dict[str, Any]:
        """The schedule as keyword arguments of `app.scheduling.SchedulerConfig`."""
        jitter = {"jitter": self.jitter_s} if self.jitter_s else {}
        if self.cron is not None:
            return {"trigger_type": "cron", "cron": self.cron, **jitter}
        interval = {"seconds": self.seconds, "minutes": self.minutes, "hours": self.hours}
        given = {field: value for field, value in interval.items() if value is not None}
        return {"trigger_type": "interval", **given, **jitter}


class TasksSettings(_Section):
    heartbeat: TaskSettings = TaskSettings(minutes=5)
    simulate_meterdata: TaskSettings = TaskSettings(seconds=30)
    resource_status_checker: TaskSettings = TaskSettings(minutes=5)
    generate_reports: TaskSettings = TaskSettings(seconds=15)
    poll_events: TaskSettings = TaskSettings(seconds=30)

    @model_validator(mode="before")
    @classmethod
    def _default_schedules(cls, given: Any) -> Any:
        """A task that names no schedule keeps its default one; one that does replaces all of it."""
        if not isinstance(given, dict):
            return given
        return {name: cls._with_schedule(name, task) for name, task in given.items()}

    @classmethod
    def _with_schedule(cls, name: str, task: Any) -> Any:
        if name not in cls.model_fields or not isinstance(task, dict):
            return task
        if any(field.lower() in task for field in SCHEDULE_FIELDS):
            return task
        default: TaskSettings = cls.model_fields[name].default
        return {**default.model_dump(exclude_none=True), **task}


class SchedulerSettings(_Section):
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"time zone {name[:80]!r} cannot be loaded; one such as Europe/Copenhagen is needed"
            ) from None
        return name


class OpsSettings(_Section):
    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    token: SecretStr | None = None
    names: str = ""
    """Names under which the page may be asked for, beside addresses and localhost; with commas."""


class LogSettings(_Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level
