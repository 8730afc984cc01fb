"""Every setting, its type and its default: the only reader of the environment.

Sources, highest first: arguments, real environment variables, the files of SECRETS_DIR, the
settings file, the defaults of the sections (of tasks: those of the wiring). A blank value means
'the default', also when it comes from a higher source.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL

from app.platform import Shard
from app.settings.base import check_characters
from app.settings.cluster import digests
from app.settings.effective import leaves
from app.settings.errors import SettingsError
from app.settings.layers import TASKS, Layer, choose, is_of_task, merged, nested, one_line, unknown
from app.settings.sections import (
    BusinessSettings,
    CallbackSettings,
    DatabaseSettings,
    DeliverySettings,
    EventsSettings,
    FleetSettings,
    GatewaySettings,
    IntakeSettings,
    LogSettings,
    MeteringSettings,
    OpsSettings,
    ReportingSettings,
    SchedulerSettings,
    SimulatorSettings,
    StoreSettings,
    TaskSettings,
)
from app.settings.vtn import VtnSettings

SETTINGS_FILE = "settings.env"
TASK_FIELDS = tuple(field.upper() for field in TaskSettings.model_fields)


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
    gateway: GatewaySettings = GatewaySettings()
    metering: MeteringSettings = MeteringSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    store: StoreSettings = StoreSettings()
    sources_file: Path | None = None
    """Where measurements come from; None: sources.toml, if it is there."""
    intake: IntakeSettings = IntakeSettings()
    delivery: DeliverySettings = DeliverySettings()
    reporting: ReportingSettings = ReportingSettings()
    bl: BusinessSettings = BusinessSettings()
    events: EventsSettings = EventsSettings()
    tasks: dict[str, TaskSettings] = {}
    """By name; which there are, the wiring says."""
    scheduler: SchedulerSettings = SchedulerSettings()
    ops: OpsSettings = OpsSettings()
    log: LogSettings = LogSettings()
    otel_exporter_otlp_endpoint: SecretStr | None = None
    """Where traces go; None: nowhere. OpenTelemetry's own name."""

    _environment: dict[str, str] = PrivateAttr(default_factory=dict)
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    """By the name of a setting: 'environment' or the file that it is from; else it is a default."""
    _of_tasks: dict[str, str] = PrivateAttr(default_factory=dict)
    """The same of the settings of tasks, blank ones too."""

    def __init__(self, **values: Any) -> None:
        environment = dict(os.environ)
        chosen = _chosen(environment)
        layers = {
            name: layer
            for name, layer in chosen.items()
            if layer.value and (not name.startswith(TASKS) or is_of_task(name, TASK_FIELDS))
        }
        try:
            super().__init__(**merged(nested(layers), values))
        except ValidationError as error:
            # `from None`: the original holds the refused values, which may be secrets.
            raise SettingsError(one_line(error, _NAME_PARTS)) from None
        self._environment = environment
        self._origins = {name: layer.source for name, layer in layers.items()}
        self._of_tasks = {
            name: layer.source for name, layer in chosen.items() if name.startswith(f"{TASKS}__")
        }

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

    @model_validator(mode="after")
    def _what_shards_need(self) -> Settings:
        if self.fleet.shards > 1 and self.vtn.uses_embedded:
            raise ValueError(
                "FLEET__SHARDS: more than one shard needs VTN__BASE_URL, since the embedded VTN"
                " belongs to one process"
            )
        if self.fleet.shards > 1 and self.database.url is not None and not self.server_url:
            raise ValueError(
                "FLEET__SHARDS: each shard has an SQLite file of its own, under DATA_DIR; leave"
                " DATABASE__URL blank, or name a PostgreSQL database"
            )
        return self

    @property
    def shard(self) -> Shard:
        """Which part of the fleet this is. SettingsError where there are several, and none is
        named."""
        if self.fleet.shard is None and self.fleet.shards > 1:
            raise SettingsError(
                f"FLEET__SHARD: must say which of the {self.fleet.shards} shards this is, from 0"
            )
        return Shard(self.fleet.shard or 0, self.fleet.shards)

    def of_each_shard(self) -> list[Settings]:
        """The same settings, for each shard of the fleet."""
        shards = self.fleet.shards
        return [self.of_shard(Shard(number, shards)) for number in range(shards)]

    def of_shard(self, shard: Shard) -> Settings:
        """The same settings, for this shard, into however many the fleet is cut by now."""
        part = {"shards": shard.of, "shard": shard.number}
        return self.model_copy(update={"fleet": self.fleet.model_copy(update=part)})

    @property
    def store_dir(self) -> Path:
        """Where what belongs to this shard alone is kept."""
        return self.data_dir if self.shard.is_whole else self.data_dir / self.shard.name

    @property
    def database_url(self) -> str | URL:
        """The database's URL, with its password: for the engine only."""
        if self.database.url is not None:
            return self.database.url.get_secret_value()
        return _file_url(self.store_dir / "fleet.db")

    @property
    def registry_url(self) -> str | URL:
        """Of the database that says into how many shards the fleet is cut."""
        return self.server_url or _file_url(self.data_dir / "shards.db")

    @property
    def whole_url(self) -> str | URL:
        """Of the database of a fleet that is not cut."""
        return self.server_url or _file_url(self.data_dir / "fleet.db")

    @property
    def database_schema(self) -> str | None:
        """Of the database's server, where this shard is; None: there is no other in it."""
        return self.shard.schema if self.server_url else None

    @property
    def store_kind(self) -> Literal["whole", "shard"]:
        """Whose the database is."""
        return "whole" if self.shard.is_whole else "shard"

    @property
    def owner_kind(self) -> Literal["run_lock", "file_lease", "server_lease"]:
        """What says who runs on the database."""
        if self.shard.is_whole:
            return "run_lock"
        return "server_lease" if self.server_url else "file_lease"

    @property
    def intake_kind(self) -> Literal["served", "shard", "none"]:
        """Who may hand in readings: those who have them, the gateway, or nobody."""
        return self.intake.kind if self.shard.is_whole else "shard"

    @property
    def ops_kind(self) -> Literal["served", "shard", "none"]:
        """Who sees health and the page: everybody, the gateway, or nobody."""
        return self.ops.kind if self.shard.is_whole else "shard"

    @property
    def callback_kind(self) -> Literal["served", "shard", "none"]:
        """Who brings webhooks: the VTN, the gateway, or nobody."""
        is_own = self.shard.is_whole or self.callback.kind == "none"
        return self.callback.kind if is_own else "shard"

    @property
    def callback_url(self) -> str | None:
        """Where the VTN finds the callbacks of this shard; None: there are none."""
        url = self.callback.public_url
        return url if url is None or self.shard.is_whole else f"{url}/{self.shard.number}"

    @property
    def owners_kind(self) -> Literal["file", "server"]:
        """Where it stands who runs a shard."""
        return "server" if self.server_url else "file"

    @property
    def server_url(self) -> str | None:
        """Of a database that is a server's, with its password; None: it is a file."""
        url = "" if self.database.url is None else self.database.url.get_secret_value()
        return None if not url or url.startswith("sqlite") else url

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
    def run_lock_file(self) -> Path:
        """Who holds it may run on DATA_DIR."""
        return self.store_dir / "run.lock"

    @property
    def run_lock_files(self) -> list[Path]:
        """Of all shards."""
        return [each.run_lock_file for each in self.of_each_shard()]

    @property
    def cluster_dir(self) -> Path:
        """Where the engine that keeps shards running has its files."""
        return self.data_dir / "ray"

    @property
    def keeper_lock_file(self) -> Path:
        """Who holds it looks after the shards of this machine."""
        return self.cluster_dir / "keeper.lock"

    def digests(self, key: bytes) -> dict[str, str]:
        """What tells whether two machines have the same settings, by name."""
        return digests(self, key)

    @property
    def tracing_kind(self) -> str:
        """Whether readings are followed: 'otlp' or 'none'."""
        return "none" if self.otel_exporter_otlp_endpoint is None else "otlp"

    @property
    def audit_file(self) -> Path:
        return self.store_dir / "audit.log"

    @property
    def sends_events(self) -> bool:
        """Whether the VTN is ours."""
        return self.vtn.uses_embedded

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
    def business_kind(self) -> Literal["given", "embedded", "none"]:
        """Where the credentials of business logic are from."""
        if self.bl.client_id is not None:
            return "given"
        return "embedded" if self.vtn.uses_embedded else "none"

    @property
    def business_scheme(self) -> Literal["client", "none"]:
        """How business logic proves who it is to the VTN."""
        return "none" if self.business_kind == "none" else "client"

    def task(self, name: str, default: Mapping[str, Any]) -> TaskSettings:
        """A task with the schedule that it has: its default one where the settings name none."""
        return self.tasks.get(name, TaskSettings()).over(default)

    def trigger_of(self, name: str, default: Mapping[str, Any]) -> dict[str, Any] | None:
        """A task's schedule as keyword arguments of `SchedulerConfig`; None: it is disabled."""
        task = self.task(name, default)
        return task.trigger_fields() if task.enabled else None

    def refuse_unknown_tasks(self, known: Collection[str]) -> None:
        """SettingsError where a setting is for a task that is none of these.

        Files of SECRETS_DIR that are named like one are nobody's business, as all others there.
        """
        names = [f"{TASKS}__{task.upper()}__{field}" for task in known for field in TASK_FIELDS]
        for name, source in self._of_tasks.items():
            is_secret = Path(source).name.upper() == name
            if name not in names and not is_secret:
                raise SettingsError(unknown(name, source, [*_known_names(), *names]))
        read = {name.split("__")[1].lower() for name in self._of_tasks if name.count("__") >= 2}
        for task in self.tasks:
            if task not in known and task not in read:
                raise SettingsError(f"{TASKS}__{task.upper()}: is no setting")

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
    def told_reading_type(self) -> str | None:
        """What reports call readings of a simulator that follows real series; None: as usual."""
        return None if self.simulator.replay is None else "ESTIMATED"

    @property
    def default_source(self) -> str:
        """Of new resources that name none."""
        return self.metering.default_source or ("simulator" if self.vtn.uses_embedded else "none")

    @property
    def sample_size(self) -> tuple[int, int] | None:
        """(VENs, resources per VEN) that fill an empty fleet on the first run; None: nothing."""
        wanted = self.fleet.seed_sample
        if wanted is None:
            wanted = self.vtn.uses_embedded
        return (self.fleet.vens, self.fleet.resources_per_ven) if wanted else None


def _file_url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


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
        task_fields=TASK_FIELDS,
        environment=environment,
        file=_settings_file(environment),
        secrets=Path(named) if named else None,
    )


_NAME_PARTS = frozenset(part for name in _known_names() for part in name.split("__"))
