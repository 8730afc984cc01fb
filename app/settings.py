"""Every setting, its type and its default: the only reader of the environment.

Sources, highest first: arguments, real environment variables, the settings file, the defaults
below. A blank value means 'the default', also when it comes from a higher source.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.settings_layers import SCHEDULE_FIELDS, Layer, SettingsError, choose

__all__ = ["EffectiveSetting", "Settings", "SettingsError", "TaskSettings", "effective_settings"]

SETTINGS_FILE = "settings.env"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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
    timeout_s: float = Field(default=10.0, gt=0, le=600)
    max_connections: int = Field(default=10, ge=1, le=1000)

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
            mode = path.stat().st_mode
        except OSError:
            raise ValueError("names a file that is not there") from None
        if mode & 0o077:
            raise ValueError("names a file that others may read; run chmod 600 on it")
        return path

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> VtnSettings:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("VTN__CLIENT_ID and VTN__CLIENT_SECRET go together; one is missing")
        if self.bearer_token and (self.client_id or self.credentials_file):
            raise ValueError("VTN__BEARER_TOKEN excludes client credentials; give one of them")
        return self


class FleetSettings(_Section):
    seed_sample: bool | None = None
    """Fill an empty fleet on the first run; None: only when the VTN is the embedded one."""
    vens: int = Field(default=10, ge=0, le=100_000)
    resources_per_ven: int = Field(default=20, ge=0, le=100_000)


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
            raise ValueError("is not a time zone such as Europe/Copenhagen") from None
        return name


class OpsSettings(_Section):
    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    token: SecretStr | None = None


class LogSettings(_Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level


class Settings(BaseSettings):
    """All settings. `Settings()` reads the environment and the settings file, once.

    Raises `SettingsError`, in one line that names the setting and never shows its value.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    data_dir: Path = Path("data")
    database: DatabaseSettings = DatabaseSettings()
    vtn: VtnSettings = VtnSettings()
    fleet: FleetSettings = FleetSettings()
    tasks: TasksSettings = TasksSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    ops: OpsSettings = OpsSettings()
    log: LogSettings = LogSettings()

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            # `from None`: the original holds the refused values, which may be secrets.
            raise SettingsError(_one_line(error)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours stands in for these three
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _LayeredSource(settings_cls)

    @property
    def database_url(self) -> str:
        """The database's URL, with its password: for the engine only."""
        if self.database.url is not None:
            return self.database.url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'fleet.db'}"

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
        return self.vtn.base_url or f"http://127.0.0.1:{self.vtn.embedded_port}"

    @property
    def source(self) -> str:
        """Where settings come from, in words."""
        file = settings_file()
        return "the environment" if file is None else f"{file} (the environment wins)"

    @property
    def vtn_dir(self) -> Path:
        """Where the embedded VTN keeps its state."""
        return self.data_dir / "vtn"

    @property
    def run_lock_file(self) -> Path:
        """Who holds it may run on DATA_DIR."""
        return self.data_dir / "run.lock"

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
    origins = {name: layer.source for name, layer in _chosen().items() if layer.value}
    return [
        EffectiveSetting(name=name, value=shown(value), source=origins.get(name, "default"))
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
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_file() -> Path | None:
    """The settings file that is read: SETTINGS_FILE, else settings.env where it is there."""
    named = os.environ.get("SETTINGS_FILE", "").strip()
    if named:
        if not Path(named).is_file():
            raise SettingsError("SETTINGS_FILE names a file that is not there")
        return Path(named)
    return Path(SETTINGS_FILE) if Path(SETTINGS_FILE).is_file() else None


def _known_names() -> list[str]:
    return [name for name, _ in leaves(Settings.model_construct())]


def _chosen() -> dict[str, Layer]:
    return choose(_known_names(), environment=os.environ, file=settings_file())


class _LayeredSource(PydanticBaseSettingsSource):
    """Environment over file, flat names to nested values; blanks are left to the defaults."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("values are read together, in __call__")

    def __call__(self) -> dict[str, Any]:
        nested: dict[str, Any] = {}
        for name, layer in _chosen().items():
            if not layer.value:
                continue
            *path, leaf = name.lower().split("__")
            section = nested
            for part in path:
                section = section.setdefault(part, {})
            section[leaf] = layer.value
        return nested


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
