"""Where orders go: what SOURCES_FILE says of each actuator."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from app.actuation.errors import ActuatorsError
from app.fleet import SOURCE_NAME
from app.intake import DEFAULT_FILE
from app.mqtt import BrokerSettings
from app.platform import LOOPBACK, IsoDuration, LogOnce, TablesFile, first_problem

MIN_VALID_FOR = timedelta(seconds=8)
MAX_VALID_FOR = timedelta(hours=1)
MAX_PREFIX = 100
KEEP_ALIVE_SHARE = 8
"""A broker knows within this part of `valid_for` that a connection is dead, one and a half times
at the most (MQTT 5, 3.1.2.10)."""


class Actuator(BaseModel):
    """What every actuator has. Durations are ISO 8601 in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    """What the fleet file's column `actuator` says."""
    type: str
    valid_for: IsoDuration = timedelta(minutes=2)
    """An order ends by itself after this, unless it is written again."""
    ack_timeout: IsoDuration = timedelta(seconds=10)
    """An order that is not answered for so long is written again."""
    outcome_token_file: Path | None = None
    """The token with which outcomes are posted to us; None: none are."""
    outcome_token: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """What that file holds; it does not stand in the file of sources."""

    @field_validator("name")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not SOURCE_NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is no name of an actuator")
        return name

    @model_validator(mode="after")
    def _times_that_fit(self) -> Actuator:
        if not MIN_VALID_FOR <= self.valid_for <= MAX_VALID_FOR:
            raise ValueError("valid_for: is not from PT8S to PT1H")
        if not timedelta(seconds=1) <= self.ack_timeout <= self.valid_for / 2:
            raise ValueError("ack_timeout: is not from PT1S to half of valid_for")
        return self

    @property
    def shown_at(self) -> Hashable:
        """Where its devices are shown to others; None: nowhere."""
        return None

    @property
    def half_s(self) -> float:
        """Half of `valid_for`: within it, an order that holds is written again."""
        return self.valid_for.total_seconds() / 2

    def secret_files(self) -> Iterator[tuple[str, Path]]:
        """The key and the path of each file that holds a secret."""
        yield from ()


class MqttActuator(BrokerSettings, Actuator):
    """Devices that subscribe to a broker."""

    type: Literal["mqtt"]
    prefix: str = "ven-fleet"
    homeassistant: bool = False
    """Whether Home Assistant is told of the devices, by its MQTT discovery."""

    @field_validator("prefix")
    @classmethod
    def _a_prefix(cls, prefix: str) -> str:
        if (
            not prefix
            or len(prefix) > MAX_PREFIX
            or not (prefix.isascii() and prefix.isprintable())
            or any(char in prefix for char in "+#$ ")
            or not all(prefix.split("/"))
        ):
            raise ValueError("must be a topic without +, #, $ and spaces")
        return prefix

    @property
    def shown_at(self) -> Hashable:
        """At which broker and under which topics Home Assistant finds its devices."""
        return (self.address, self.prefix) if self.homeassistant else None

    @property
    def client_id(self) -> str:
        """By which the broker knows us, with the id of the store behind it."""
        return f"ven-fleet-orders-{self.name}"

    @property
    def keep_alive_s(self) -> int:
        """After so long without a word, the other end is asked whether it is there."""
        return max(int(self.valid_for.total_seconds() / KEEP_ALIVE_SHARE), 1)

    @property
    def status_topic(self) -> str:
        """Says whether we are there; nothing that a device acts on."""
        return f"{self.prefix}/status"

    @property
    def outcome_filter(self) -> str:
        """What its devices answer."""
        return f"{self.prefix}/+/+/outcome"

    def topic(self, ven_name: str, resource_name: str, what: str) -> str:
        """The topic of a resource: `desired`, `outcome` or `opted_out`."""
        return f"{self.prefix}/{encoded(ven_name)}/{encoded(resource_name)}/{what}"


class HttpActuator(Actuator):
    """A device, or what stands before many, that orders are posted to."""

    type: Literal["http"]
    url: str
    """With {ven} and {resource} in it."""
    token_file: Path | None = None
    ca_file: Path | None = None
    """PEM, of who vouches for it; None: those that the machine trusts."""
    allow_plain: bool = False
    """Whether another machine is reached without TLS."""

    @field_validator("url")
    @classmethod
    def _a_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host = parts.hostname
            _ = parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https"):
            raise ValueError("must be https:// and a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("has a user or a password in it; see token_file")
        path = f"{parts.path}?{parts.query}"
        if "{ven}" not in path or "{resource}" not in path:
            raise ValueError("needs {ven} and {resource} in its path")
        return url

    @model_validator(mode="after")
    def _with_tls(self) -> HttpActuator:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK and not self.allow_plain:
            raise ValueError("url: must begin with https://, or allow_plain be true")
        return self

    def url_of(self, ven_name: str, resource_name: str) -> str:
        """Where the orders of a resource are posted."""
        return filled(self.url, ven_name, resource_name)

    def secret_files(self) -> Iterator[tuple[str, Path]]:
        """Read with each request."""
        if self.token_file is not None:
            yield "token_file", self.token_file


AnyActuator = Annotated[MqttActuator | HttpActuator, Field(discriminator="type")]
Actuators = Mapping[str, MqttActuator | HttpActuator]
"""By name."""
_ANY: TypeAdapter[MqttActuator | HttpActuator] = TypeAdapter(AnyActuator)


class ActuatorsFile:
    """The actuators of SOURCES_FILE, read when they are first asked for and again when it changed.

    Wrong when it is first read, it raises ActuatorsError; wrong later, what was read before stays
    in force, and the log says why. Safe for several threads.
    """

    def __init__(
        self, path: Path | None, *, monotonic: Callable[[], float], log_once: LogOnce
    ) -> None:
        self._path = path or DEFAULT_FILE
        self._file: TablesFile[Actuators] = TablesFile(
            self._path,
            needed=False,
            parse=self._parse,
            names_files=_files_of,
            error=ActuatorsError,
            about="the file of actuators",
            monotonic=monotonic,
            log_once=log_once,
        )

    @property
    def folder(self) -> Path:
        """To which the paths in it are relative."""
        return self._path.parent

    def all(self) -> Actuators:
        """Every actuator. ActuatorsError, in one line, where the file was never right."""
        return self._file.current()

    def _parse(self, content: Mapping[str, Any]) -> Actuators:
        tables = content.get("actuator", [])
        if not isinstance(tables, list):
            raise ActuatorsError(f"{self._path}: 'actuator' is not [[actuator]]")
        actuators: dict[str, MqttActuator | HttpActuator] = {}
        for number, values in enumerate(tables, start=1):
            actuator = self._actuator(number, values)
            if actuator.name in actuators:
                raise ActuatorsError(f"{self._path}: actuator {actuator.name!r} stands twice")
            for other in actuators.values():
                _refuse_one_prefix(self._path, actuator, other)
            actuators[actuator.name] = actuator
        return actuators

    def _actuator(self, number: int, values: Any) -> MqttActuator | HttpActuator:
        if not isinstance(values, dict):
            raise ActuatorsError(f"{self._path}: actuator {number} is no table")
        where = f"{self._path}: actuator {number} ({str(values.get('name', ''))[:80]})"
        if "outcome_token" in values:
            raise ActuatorsError(f"{where}: a token stands in a file of its own")
        try:
            actuator = _ANY.validate_python(values)
        except ValidationError as error:
            raise ActuatorsError(f"{where}: {first_problem(error)}") from None
        for key, file in actuator.secret_files():
            self._file.secret(where, key, file)
        if actuator.outcome_token_file is None:
            return actuator
        token = self._file.token(where, "outcome_token_file", actuator.outcome_token_file)
        return actuator.model_copy(update={"outcome_token": token})


def encoded(name: str) -> str:
    """A name as a level of a topic or a part of a URL: all but A-Z a-z 0-9 _ - . ~ as %XX."""
    return quote(name, safe="")


def filled(url: str, ven_name: str, resource_name: str) -> str:
    """A URL with {ven} and {resource} in it, of one resource."""
    return url.replace("{ven}", encoded(ven_name)).replace("{resource}", encoded(resource_name))


def _files_of(actuators: Actuators) -> Iterable[Path]:
    """Those whose content counts as part of the file."""
    files = (actuator.outcome_token_file for actuator in actuators.values())
    return [file for file in files if file is not None]


def _refuse_one_prefix(
    path: Path, one: MqttActuator | HttpActuator, other: MqttActuator | HttpActuator
) -> None:
    """ActuatorsError: devices could not tell two actuators apart."""
    if not (isinstance(one, MqttActuator) and isinstance(other, MqttActuator)):
        return
    if one.address == other.address and one.prefix == other.prefix:
        raise ActuatorsError(
            f"{path}: actuators {other.name!r} and {one.name!r} have one prefix at {one.address}"
        )
