"""Every setting, its type and its default: the only reader of the environment.

Sources, highest first: arguments, real environment variables, the files of SECRETS_DIR, the
settings file, the defaults below. A blank value means 'the default', also when it comes from a
higher source.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import isodate
from pydantic import BaseModel, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL

from app.settings.layers import Layer, SettingsError, choose, merged, nested
from app.settings.sections import (
    LOOPBACK,
    BusinessSettings,
    CallbackSettings,
    DatabaseSettings,
    DeliverySettings,
    EventsSettings,
    FleetSettings,
    LogSettings,
    OpsSettings,
    ReportingSettings,
    SchedulerSettings,
    StoreSettings,
    TaskSettings,
    TasksSettings,
    VtnSettings,
    check_characters,
)

__all__ = [
    "EffectiveSetting",
    "Settings",
    "SettingsError",
    "TaskSettings",
    "effective_settings",
    "log_format",
]

SETTINGS_FILE = "settings.env"
EMBEDDED_301 = "/openadr3/3.0.1"
"""Where the embedded VTN speaks 3.0.1."""


class Settings(BaseSettings):
    """All settings. `Settings()` reads the environment and the settings file, once.

    Raises `SettingsError`, in one line that names the setting and never shows its value (of a time
    zone: its name).
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    data_dir: Path = Path("data")
    database: DatabaseSettings = DatabaseSettings()
    vtn: VtnSettings = VtnSettings()
    callback: CallbackSettings = CallbackSettings()
    fleet: FleetSettings = FleetSettings()
    store: StoreSettings = StoreSettings()
    delivery: DeliverySettings = DeliverySettings()
    reporting: ReportingSettings = ReportingSettings()
    bl: BusinessSettings = BusinessSettings()
    events: EventsSettings = EventsSettings()
    tasks: TasksSettings = TasksSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    ops: OpsSettings = OpsSettings()
    log: LogSettings = LogSettings()
    otel_exporter_otlp_endpoint: SecretStr | None = None
    """Where traces go; None: nowhere. OpenTelemetry's own name."""

    _environment: dict[str, str] = PrivateAttr(default_factory=dict)
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    """By the name of a setting: 'environment' or the file that it is from; else it is a default."""

    def __init__(self, **values: Any) -> None:
        environment = dict(os.environ)
        layers = {name: layer for name, layer in _chosen(environment).items() if layer.value}
        try:
            super().__init__(**merged(nested(layers), values))
        except ValidationError as error:
            # `from None`: the original holds the refused values, which may be secrets.
            raise SettingsError(_one_line(error)) from None
        self._environment = environment
        self._origins = {name: layer.source for name, layer in layers.items()}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - `choose` reads for these three
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @property
    def database_url(self) -> str | URL:
        """The database's URL, with its password: for the engine only."""
        if self.database.url is not None:
            return self.database.url.get_secret_value()
        return URL.create("sqlite", database=str(self.data_dir / "fleet.db"))

    @property
    def uses_embedded_vtn(self) -> bool:
        """True when no VTN is named, so that the embedded one is started."""
        return self.vtn.base_url is None

    @property
    def vtn_kind(self) -> str:
        """Which VTN the container chooses: 'embedded' or 'remote'."""
        return "embedded" if self.uses_embedded_vtn else "remote"

    @property
    def vtn_base_url(self) -> str:
        """The base URL of the VTN that is used, the embedded one included."""
        if self.vtn.base_url is not None:
            return self.vtn.base_url
        root = f"http://127.0.0.1:{self.vtn.embedded_port}"
        return root + EMBEDDED_301 if self.is_301 else root

    @property
    def source(self) -> str:
        """Where settings come from, in words."""
        file = _settings_file(self._environment)
        return "the environment" if file is None else f"{file} (the environment wins)"

    @property
    def vtn_dir(self) -> Path:
        """Where the embedded VTN keeps its state."""
        return self.data_dir / "vtn"

    @property
    def broker_url(self) -> str | None:
        """The broker that the embedded VTN publishes to, with its password."""
        return None if self.vtn.mqtt_url is None else self.vtn.mqtt_url.get_secret_value()

    @property
    def plain_hosts(self) -> tuple[str, ...] | None:
        """Hosts that may be reached without TLS; None: all."""
        return None if self.vtn.allow_http else LOOPBACK

    @property
    def push_kind(self) -> str:
        """Whether the VTN is asked to tell of changes: 'auto' or 'off'."""
        return self.vtn.push

    @property
    def callback_kind(self) -> str:
        """Whether webhooks are heard: 'served' or 'none'."""
        return "none" if self.callback.public_url is None else "served"

    @property
    def callbacks_go(self) -> str:
        """Where the embedded VTN calls back: 'anywhere' or 'public'."""
        return "anywhere" if self.vtn.private_callbacks else "public"

    @property
    def verifies_tls(self) -> bool:
        """Whether the VTN has to prove who it is."""
        return self.vtn.verify_tls is not False

    @property
    def is_301(self) -> bool:
        """Whether the VTN speaks 3.0.1."""
        return self.vtn.api_version == "3.0.1"

    @property
    def dialect(self) -> Literal["openadr_310", "openadr_301"]:
        """How the VTN is spoken to."""
        return "openadr_310" if self.vtn.api_version == "3.1.0" else "openadr_301"

    @property
    def run_lock_file(self) -> Path:
        """Who holds it may run on DATA_DIR."""
        return self.data_dir / "run.lock"

    @property
    def ops_kind(self) -> str:
        """Whether health is served: 'served' or 'none'."""
        return "served" if self.ops.enabled else "none"

    @property
    def tracing_kind(self) -> str:
        """Whether readings are followed: 'otlp' or 'none'."""
        return "none" if self.otel_exporter_otlp_endpoint is None else "otlp"

    @property
    def ops_names(self) -> list[str]:
        """The names under which the page may be asked for."""
        return [name.strip() for name in self.ops.names.split(",") if name.strip()]

    @property
    def ops_token(self) -> str | None:
        """What has to be known to change something, if there is such a thing."""
        return self.ops.token.get_secret_value() if self.ops.token else None

    @property
    def ops_is_local(self) -> bool:
        """Whether only this machine reaches the page; a name of its own is for others."""
        return self.ops.host in LOOPBACK and not self.ops_names

    @property
    def audit_file(self) -> Path:
        return self.data_dir / "audit.log"

    @property
    def sends_events(self) -> bool:
        """Whether the VTN is ours."""
        return self.vtn_kind == "embedded"

    @property
    def notify_socket(self) -> str | None:
        """Where systemd listens, if it started this process (sd_notify)."""
        return self._environment.get("NOTIFY_SOCKET") or None

    @property
    def systemd_watchdog_s(self) -> float | None:
        """How often systemd wants to hear of this process, if it does."""
        microseconds = self._environment.get("WATCHDOG_USEC", "")
        return int(microseconds) / 1e6 if microseconds.isdigit() else None

    @property
    def credentials_kind(self) -> Literal["file", "template", "token", "embedded", "none"]:
        """How VENs prove who they are to the VTN."""
        if self.vtn.credentials_file is not None:
            return "file"
        if self.vtn.client_id is not None:
            return "template"
        if self.vtn.bearer_token is not None:
            return "token"
        return "embedded" if self.uses_embedded_vtn else "none"

    @property
    def credentials_scheme(self) -> Literal["client", "token", "none"]:
        """Whether VENs are OAuth2 clients, show a token, or nothing."""
        kind = self.credentials_kind
        return kind if kind in ("token", "none") else "client"

    @property
    def business_kind(self) -> Literal["given", "embedded", "none"]:
        """Where the credentials of business logic are from."""
        if self.bl.client_id is not None:
            return "given"
        return "embedded" if self.uses_embedded_vtn else "none"

    @property
    def business_scheme(self) -> Literal["client", "none"]:
        """How business logic proves who it is to the VTN."""
        return "none" if self.business_kind == "none" else "client"

    def origin(self, name: str) -> str:
        """Where this setting is from: 'environment', a file's name, or 'default'."""
        return self._origins.get(name, "default")

    def secret_now(self, name: str) -> str | None:
        """What the file that this secret was read from, or would be, holds by now.

        None: there is none, or the environment holds it, which does not change. SettingsError.
        """
        layer = _chosen(self._environment).get(name)
        if layer is None or layer.source == "environment":
            return None
        try:
            check_characters(layer.value)
        except ValueError as error:
            raise SettingsError(f"{name} {error}") from None
        return layer.value

    @property
    def sample_size(self) -> tuple[int, int] | None:
        """(VENs, resources per VEN) that fill an empty fleet on the first run; None: nothing."""
        wanted = self.fleet.seed_sample
        if wanted is None:
            wanted = self.uses_embedded_vtn
        return (self.fleet.vens, self.fleet.resources_per_ven) if wanted else None


@dataclass(frozen=True, kw_only=True)
class EffectiveSetting:
    """One setting as it holds, for people to read."""

    name: str
    value: str
    """Secrets are masked."""
    source: str
    """'environment', the settings file's name, or 'default'."""


def effective_settings(settings: Settings) -> list[EffectiveSetting]:
    """Every setting with its value, secrets masked, and where it came from."""
    return [
        EffectiveSetting(name=name, value=shown(value), source=settings.origin(name))
        for name, value in leaves(settings)
    ]


def leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting's name, as in the environment, with its value."""
    for field in type(model).model_fields:
        value = getattr(model, field)
        name = prefix + field.upper()
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{name}__")
        else:
            yield name, value


def shown(value: Any) -> str:
    """A setting's value as text, with secrets masked."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return str(isodate.duration_isoformat(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _settings_file(environment: Mapping[str, str]) -> Path | None:
    """The settings file that is read: SETTINGS_FILE, else settings.env where it is there."""
    named = environment.get("SETTINGS_FILE", "").strip()
    if named:
        if not Path(named).is_file():
            raise SettingsError("SETTINGS_FILE names a file that is not there")
        return Path(named)
    return Path(SETTINGS_FILE) if Path(SETTINGS_FILE).is_file() else None


def _known_names() -> list[str]:
    return [name for name, _ in leaves(Settings.model_construct())]


def log_format() -> str:
    """What LOG__FORMAT says, also where other settings are wrong; '' where nothing does."""
    environment = dict(os.environ)
    try:
        layer = _chosen(environment).get("LOG__FORMAT")
    except SettingsError:
        return environment.get("LOG__FORMAT", "")
    return "" if layer is None else layer.value


def _chosen(environment: Mapping[str, str]) -> dict[str, Layer]:
    named = environment.get("SECRETS_DIR", "").strip()
    return choose(
        _known_names(),
        environment=environment,
        file=_settings_file(environment),
        secrets=Path(named) if named else None,
    )


def _one_line(error: ValidationError) -> str:
    problems: list[str] = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = "__".join(
            str(part).upper() for part in problem["loc"] if str(part).upper() in _NAME_PARTS
        )
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            name = "__".join(str(part).upper() for part in problem["loc"])
            message = "is no setting"
        if message[1:2].islower():
            message = message[0].lower() + message[1:]
        line = f"{name}: {message}"
        if not any(line.split(":")[0] == other.split(":")[0] for other in problems):
            problems.append(line)
    return "; ".join(problems)


_NAME_PARTS = frozenset(part for name in _known_names() for part in name.split("__"))
