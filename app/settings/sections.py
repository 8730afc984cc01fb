"""The sections of the settings: names, types, defaults, and what each refuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    ByteSize,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from app.platform import LOOPBACK
from app.settings.base import SOURCE_NAME, Duration, ExistingFile, Section
from app.settings.layers import SCHEDULE_FIELDS

MIN_TOKEN_CHARACTERS = 20
"""So that nobody guesses what was derived from it."""


class DatabaseSettings(Section):
    url: SecretStr | None = None
    """An SQLAlchemy URL; None: SQLite in DATA_DIR."""


class CallbackSettings(Section):
    """Where webhooks are heard."""

    public_url: str | None = None
    """Where the VTN finds this server; None: no webhooks."""
    host: str = "127.0.0.1"
    port: int = Field(default=8443, ge=1, le=65535)
    certificate: ExistingFile | None = None
    key: ExistingFile | None = None

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

    @model_validator(mode="after")
    def _both(self) -> CallbackSettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("CALLBACK__CERTIFICATE and CALLBACK__KEY go together; one is missing")
        return self

    @property
    def where(self) -> str:
        """It is listened on, for people."""
        return f"{self.host}:{self.port}"

    @property
    def served_at(self) -> str | None:
        """The same; None: nothing is listened for."""
        return None if self.public_url is None else self.where

    @property
    def kind(self) -> Literal["served", "none"]:
        """Whether webhooks are heard."""
        return "none" if self.public_url is None else "served"


class BusinessSettings(Section):
    client_id: str | None = None
    """Of the business-logic client that `event` uses; None: that of the embedded VTN."""
    client_secret: SecretStr | None = None

    @model_validator(mode="after")
    def _both(self) -> BusinessSettings:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("BL__CLIENT_ID and BL__CLIENT_SECRET go together; one is missing")
        return self


class FleetSettings(Section):
    seed_sample: bool | None = None
    """Fill an empty fleet on the first run; None: only when the VTN is the embedded one."""
    vens: int = Field(default=10, ge=0, le=100_000)
    resources_per_ven: int = Field(default=20, ge=0, le=100_000)
    shards: int = Field(default=1, ge=1, le=1_024)
    """Into how many parts the fleet is cut, each with a store and a process of its own."""
    shard: int | None = Field(default=None, ge=0)
    """Which of them `run` runs, from 0; None: with more than one, `run` does not start."""

    @model_validator(mode="after")
    def _one_of_them(self) -> FleetSettings:
        if self.shard is not None and self.shard >= self.shards:
            raise ValueError(
                f"FLEET__SHARD must be from 0 to {self.shards - 1}, as FLEET__SHARDS is"
                f" {self.shards}"
            )
        return self


class GatewaySettings(Section):
    """How the gateway reaches the processes of shards."""

    host: str = "127.0.0.1"
    """Of the machine of a shard: the name or address by which the gateway reaches it."""
    port: int = Field(default=0, ge=0, le=65535)
    """Of a shard; 0: any that is free."""
    token: SecretStr | None = None
    """What the gateway and all shards know; None: they share a file of DATA_DIR."""
    certificate: ExistingFile | None = None
    """Of a shard, for GATEWAY__HOST."""
    key: ExistingFile | None = None
    ca: ExistingFile | None = None
    """Who signed the certificates of shards: for the gateway."""

    @field_validator("token")
    @classmethod
    def _not_to_be_guessed(cls, token: SecretStr | None) -> SecretStr | None:
        """In a cluster, who knows it runs what they like on all machines."""
        if token is not None and len(token.get_secret_value()) < MIN_TOKEN_CHARACTERS:
            raise ValueError(
                f"is shorter than {MIN_TOKEN_CHARACTERS} characters: make one by `openssl rand -hex"
                " 32`"
            )
        return token

    @model_validator(mode="after")
    def _between_machines(self) -> GatewaySettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("GATEWAY__CERTIFICATE and GATEWAY__KEY go together; one is missing")
        if self.host in ("0.0.0.0", "::"):  # nosec B104
            raise ValueError(
                "GATEWAY__HOST must be the name or address by which the gateway reaches this"
                " machine"
            )
        if self.host not in LOOPBACK and (self.certificate is None or self.token is None):
            raise ValueError(
                "GATEWAY__HOST is reached from other machines by TLS and with a token only: give"
                " GATEWAY__CERTIFICATE, GATEWAY__KEY and GATEWAY__TOKEN"
            )
        return self

    @property
    def has_token(self) -> bool:
        """Whether one was given, and none is made."""
        return self.token is not None

    @property
    def known_token(self) -> str | None:
        """What was given."""
        return None if self.token is None else self.token.get_secret_value()


class StoreSettings(Section):
    max_lag: Duration = timedelta(hours=1)
    """How long frames wait for a VEN before its part is moved out of them."""
    keep_unasked: Duration = timedelta(hours=1)
    """How long readings are kept that no event asks for."""
    max_bytes: ByteSize = Field(default=ByteSize(10 << 30), ge=1 << 12)
    """Of readings and of rejected reports."""
    max_age: Duration | None = None
    """How old readings may grow that are owed; None: as old as it takes."""
    when_full: Literal["stop_metering", "drop_oldest"] = "stop_metering"


class MeteringSettings(Section):
    default_source: str | None = None
    """Of new resources that name none; None: `simulator` with the embedded VTN, else `none`."""

    @field_validator("default_source")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        if name is not None and not SOURCE_NAME.fullmatch(name):
            raise ValueError("is no name of a source: up to 64 letters, digits, '.', '_' and '-'")
        return name


class SimulatorSettings(Section):
    replay: ExistingFile | None = None
    """A file of real series that simulated resources follow, by `device`; None: load profiles."""
    replay_profile: str = ""
    """How it is read; blank: by its suffix."""


class IntakeSettings(Section):
    """Where measurements of real meters are posted, and how long they are kept."""

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=1, le=65535)
    """None: nothing is listened for."""
    certificate: ExistingFile | None = None
    key: ExistingFile | None = None
    behind_proxy: bool = False
    """Whether something in front of it speaks TLS."""
    keep: Duration = timedelta(days=45)
    """From when they came."""
    max_bytes: ByteSize = Field(default=ByteSize(10 << 30), ge=1 << 12)
    corrections: Literal["replace", "send", "keep"] = "replace"
    """Of what was told and has changed: put in its place, sent beside it, or left."""
    correct_every: Duration = Field(default=timedelta(minutes=15))
    """At most one correction of a report in such a time."""

    @model_validator(mode="after")
    def _both(self) -> IntakeSettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("INTAKE__CERTIFICATE and INTAKE__KEY go together; one is missing")
        is_plain = self.certificate is None and self.host not in LOOPBACK
        if self.port is not None and is_plain and not self.behind_proxy:
            raise ValueError(
                "INTAKE__HOST is served by plain http on loopback only; give INTAKE__CERTIFICATE"
                " and INTAKE__KEY, or say INTAKE__BEHIND_PROXY=true where a proxy speaks TLS"
            )
        return self

    @property
    def corrects(self) -> bool:
        """Whether what changes after it was told is told again."""
        return self.corrections != "keep"

    @property
    def url(self) -> str:
        """Where it is served, without a path."""
        return f"{'http' if self.certificate is None else 'https'}://{self.host}:{self.port}"

    @property
    def kind(self) -> Literal["served", "none"]:
        """Whether readings may be posted."""
        return "none" if self.port is None else "served"


class DeliverySettings(Section):
    settle_s: float = Field(default=30.0, ge=0, le=86_400)
    """How long a VTN may still be at work on a report after its answer was not seen."""
    when_unreadable: Literal["hold", "send_again"] = "hold"
    """When a VEN may not read its own reports and the outcome of one was not seen."""


class ReportingSettings(Section):
    max_readings_per_report: int = Field(default=10_000, ge=1, le=1_000_000)
    """A VEN that has more to tell sends several reports."""


class EventsSettings(Section):
    alert_level: int = Field(default=3, ge=0, le=3)
    """The SIMPLE level that an ALERT is treated as."""
    percent_offset_positive: Literal["less_load", "more_load"] = "less_load"
    """What a positive CONTROL_LEVEL_OFFSET_PERCENT means: the specification says both."""

    @property
    def percent_sign(self) -> int:
        """1 where positive means less load, else -1."""
        return 1 if self.percent_offset_positive == "less_load" else -1


class TaskSettings(Section):
    """One task: without a schedule, it runs as the wiring says."""

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

    def over(self, default: Mapping[str, Any]) -> TaskSettings:
        """With this default schedule where there is none; one that is there replaces all of it."""
        has_schedule = any(getattr(self, name.lower()) is not None for name in SCHEDULE_FIELDS)
        return self if has_schedule else self.model_copy(update=default)

    def trigger_fields(self) -> dict[str, Any]:
        """The schedule as keyword arguments of `app.scheduling.SchedulerConfig`."""
        jitter = {"jitter": self.jitter_s} if self.jitter_s else {}
        if self.cron is not None:
            return {"trigger_type": "cron", "cron": self.cron, **jitter}
        interval = {"seconds": self.seconds, "minutes": self.minutes, "hours": self.hours}
        given = {field: value for field, value in interval.items() if value is not None}
        return {"trigger_type": "interval", **given, **jitter}


class SchedulerSettings(Section):
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


class OpsSettings(Section):
    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    token: SecretStr | None = None
    names: str = ""
    """Names under which the page may be asked for, beside addresses and localhost; with commas."""

    @property
    def kind(self) -> Literal["served", "none"]:
        """Whether health and the page are served."""
        return "served" if self.enabled else "none"

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def served_at(self) -> str | None:
        """The same; None: it is nowhere."""
        return self.url if self.enabled else None

    @property
    def all_names(self) -> list[str]:
        """`names`, one by one."""
        return [name.strip() for name in self.names.split(",") if name.strip()]

    @property
    def host_names(self) -> list[str]:
        """Under which the page may be asked for, beside addresses and localhost."""
        return [*self.all_names, self.host]

    @property
    def has_token(self) -> bool:
        """Whether one was given, and none is made."""
        return self.token is not None

    @property
    def known_token(self) -> str | None:
        """What has to be known to change something, if there is such a thing."""
        return self.token.get_secret_value() if self.token else None

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the page; a name of its own is for others."""
        return self.host in LOOPBACK and not self.all_names


class LogSettings(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level
