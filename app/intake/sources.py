"""Where measurements come from: what the file of sources says of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    field_validator,
)

from app.fleet import NOT_METERED, SIMULATOR, SOURCE_NAME
from app.intake.line_protocol import LineMeasurement
from app.intake.topics import Topic
from app.mqtt import BrokerSettings
from app.openadr import BrokerAddress
from app.platform import IsoDuration, time_zone


class Source(BaseModel):
    """What every source has. Durations are ISO 8601 in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    """What the fleet file's column `source` says."""
    type: str
    max_age: IsoDuration = timedelta(minutes=15)
    """A resource whose newest measurement is older has no fresh data; after an instant, what is
    longer is a gap."""
    late: IsoDuration = timedelta(days=2)
    """A live value that comes later than this after its end is not taken."""
    wait: IsoDuration = timedelta(minutes=2)
    """How long interval reports wait for it."""
    register_size_kwh: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Where its registers begin again at 0; None: a register that falls is that of a new meter."""
    tell_every: IsoDuration = timedelta(0)
    """At least so long lies between instants that are told one by one."""
    time_zone: str = ""
    """Of times without an offset; blank: they are refused."""

    @field_validator("name")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not SOURCE_NAME.fullmatch(name) or name in (SIMULATOR, NOT_METERED):
            raise ValueError(f"{name[:80]!r} is no name of a source")
        return name

    @field_validator("time_zone")
    @classmethod
    def _a_zone(cls, name: str) -> str:
        if name:
            time_zone(name)
        return name

    @property
    def is_live(self) -> bool:
        """Whether measurements come as they are made; else they are only imported."""
        return True

    @property
    def zone(self) -> ZoneInfo | None:
        """Of times without an offset."""
        return time_zone(self.time_zone) if self.time_zone else None

    def secret_files(self) -> Iterator[tuple[str, Path]]:
        """The key and the path of each file that holds a secret."""
        yield from ()

    def read_files(self) -> Iterator[Path]:
        """Files that say what it is, beside the file of sources."""
        yield from ()


class FileSource(Source):
    """What comes from it is imported."""

    type: Literal["file"] = "file"

    @property
    def is_live(self) -> bool:
        """It is not."""
        return False


class TokenSource(Source):
    """Sends to us, with a token of its own."""

    token_file: Path
    """The file that holds its token, private to us."""
    token: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """What `token_file` holds; it does not stand in the file of sources."""

    def read_files(self) -> Iterator[Path]:
        """The token counts as part of it."""
        yield self.token_file


class HttpSource(TokenSource):
    """Posts readings."""

    type: Literal["http"]


class InfluxSource(TokenSource):
    """Writes Influx line protocol."""

    type: Literal["influx"]
    measurements: Sequence[LineMeasurement] = Field(min_length=1)


class MqttSource(BrokerSettings, Source):
    """Publishes to a broker, where we subscribe."""

    type: Literal["mqtt"]
    client_id: str = ""
    """By which the broker knows our session; blank: `ven-fleet-` and the name."""
    topics: Sequence[Topic] = Field(min_length=1)

    @field_validator("client_id")
    @classmethod
    def _an_id(cls, client_id: str) -> str:
        if len(client_id) > 200 or not (client_id.isascii() and client_id.isprintable()):
            raise ValueError("is no text of at most 200 ASCII characters")
        return client_id

    @property
    def session_id(self) -> str:
        """By which the broker knows our session."""
        return self.client_id or f"ven-fleet-{self.name}"

    @property
    def untimed_session_id(self) -> str:
        """The same, of topics without a time."""
        return f"{self.session_id}-now"

    @property
    def is_kept(self) -> bool:
        """Whether its broker keeps a session: of topics whose messages have a time."""
        return any(each.is_timed for each in self.topics)

    @property
    def is_heard_now(self) -> bool:
        """Whether there is a session that ends with its connection: of the other topics."""
        return not all(each.is_timed for each in self.topics)

    def filters(self, devices: Collection[str] | None, *, timed: bool) -> frozenset[str]:
        """What is heard of these devices, or of all, in one of the two sessions."""
        own = [each for each in self.topics if each.is_timed == timed]
        return frozenset(found for each in own for found in each.filters(devices))

    @property
    def session(self) -> tuple[BrokerAddress, str] | None:
        """The session that its broker keeps; None: it has none."""
        return (self.address, self.session_id) if self.is_kept else None

    def read_files(self) -> Iterator[Path]:
        """Profiles of its own."""
        for topic in self.topics:
            if topic.profile.endswith(".toml"):
                yield Path(topic.profile)


AnySource = Annotated[
    FileSource | HttpSource | InfluxSource | MqttSource, Field(discriminator="type")
]
_ANY: TypeAdapter[AnySource] = TypeAdapter(AnySource)
FORMER_SOURCE: Source = FileSource(name="former")
"""What holds of a source that is no longer in the file."""
Sources = Mapping[str, Source]
"""By name."""


def source_of(values: Mapping[str, Any], folder: Path) -> AnySource:
    """One of the file in this folder. ValidationError."""
    return _ANY.validate_python(values, context={"folder": folder})
