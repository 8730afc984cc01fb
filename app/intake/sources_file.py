"""Where measurements come from: the file of sources."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from app.fleet import NOT_METERED, SIMULATOR, SOURCE_NAME
from app.intake.errors import SourcesError
from app.platform import LogOnce, TextFileError, read_text, time_zone

logger = logging.getLogger(__name__)
DEFAULT_FILE = Path("sources.toml")
LOOKED_AT_EVERY_S = 30.0
MIN_TOKEN_CHARACTERS = 16


class Source(BaseModel):
    """One source. Durations are ISO 8601 in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    """What the fleet file's column `source` says."""
    type: Literal["http", "file"]
    """`http`: posted to us; `file`: only imported."""
    max_age: timedelta = timedelta(minutes=15)
    """A resource whose newest measurement is older has no fresh data; after an instant, what is
    longer is a gap."""
    late: timedelta = timedelta(days=2)
    """A live value that comes later than this after its end is not taken."""
    wait: timedelta = timedelta(minutes=2)
    """How long interval reports wait for it."""
    register_size_kwh: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Where its registers begin again at 0; None: a register that falls is that of a new meter."""
    tell_every: timedelta = timedelta(0)
    """At least so long lies between instants that are told one by one."""
    token_file: Path | None = None
    """Of `http`: the file that holds its bearer token, private to us."""
    time_zone: str = ""
    """Of times without an offset; blank: they are refused."""
    token: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """What `token_file` holds; it does not stand in the file of sources."""

    @field_validator("name")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not SOURCE_NAME.fullmatch(name) or name in (SIMULATOR, NOT_METERED):
            raise ValueError(f"{name[:80]!r} is no name of a source")
        return name

    @field_validator("max_age", "late", "wait", "tell_every")
    @classmethod
    def _not_negative(cls, duration: timedelta) -> timedelta:
        if duration < timedelta(0):
            raise ValueError("must not be negative")
        return duration

    @field_validator("time_zone")
    @classmethod
    def _a_zone(cls, name: str) -> str:
        if name:
            time_zone(name)
        return name

    @property
    def zone(self) -> ZoneInfo | None:
        """Of times without an offset."""
        return time_zone(self.time_zone) if self.time_zone else None


FORMER_SOURCE = Source(name="former", type="file")
"""What holds of a source that is no longer in the file."""
Sources = Mapping[str, Source]
"""By name."""


class SourcesFile:
    """The file of sources, read when it is first asked for and again when it has changed.

    `path`: None for DEFAULT_FILE, which need not be there. `keep`: how long measurements are kept.
    Wrong when it is first read, it raises SourcesError; wrong later, what was read before stays in
    force, and the log says why. Safe for several threads.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        keep: timedelta,
        monotonic: Callable[[], float],
        log_once: LogOnce,
    ) -> None:
        self._path = path or DEFAULT_FILE
        self._is_needed = path is not None
        self._keep = keep
        self._monotonic = monotonic
        self._log_once = log_once
        self._lock = threading.Lock()
        self._sources: Sources | None = None
        self._state: list[tuple[int, ...]] = []
        self._looked_at_s = 0.0

    def all(self) -> Sources:
        """Every source. SourcesError, in one line, where the file was never right."""
        with self._lock:
            now_s = self._monotonic()
            if self._sources is None:
                self._sources = self._read()
                self._state = self._files_state()
                self._looked_at_s = now_s
            elif now_s - self._looked_at_s >= LOOKED_AT_EVERY_S:
                self._looked_at_s = now_s
                self._look()
            return self._sources

    def of_token(self, token: str) -> Source | None:
        """The source that has this bearer token."""
        given = _digest(token)
        found = None
        for source in self.all().values():
            own = "" if source.token is None else source.token.get_secret_value()
            if hmac.compare_digest(_digest(own), given) and own:
                found = source
        return found

    def _look(self) -> None:
        if self._files_state() == self._state:
            return
        problem: str | None = None
        try:
            self._sources = self._read()
            logger.info("%s was read again: %d sources", self._path, len(self._sources))
        except SourcesError as error:
            problem = f"{error}; the sources that were read before stay in force"
        self._state = self._files_state()
        self._log_once.problem(logger, "the file of sources", problem)

    def _files_state(self) -> list[tuple[int, ...]]:
        """What changes with the file, or with a file of a token."""
        sources = (self._sources or {}).values()
        tokens = [self._path.parent / each.token_file for each in sources if each.token_file]
        return [_state_of(path) for path in (self._path, *tokens)]

    def _read(self) -> Sources:
        if not self._is_needed and not self._sources and not self._path.exists():
            return {}
        try:
            content = tomllib.loads(read_text(self._path))
        except TextFileError as error:
            raise SourcesError(f"{self._path} {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise SourcesError(f"{self._path}: {error}") from None
        unknown = [name for name in content if name != "source"]
        if unknown or not isinstance(content.get("source", []), list):
            raise SourcesError(f"{self._path}: {(unknown or ['source'])[0]!r} is not [[source]]")
        sources: dict[str, Source] = {}
        tokens: dict[str, str] = {}
        for number, values in enumerate(content.get("source", []), start=1):
            source = self._source(number, values)
            if source.name in sources:
                raise SourcesError(f"{self._path}: source {source.name!r} stands twice")
            sources[source.name] = source
            if source.token is not None:
                other = tokens.setdefault(source.token.get_secret_value(), source.name)
                if other != source.name:
                    raise SourcesError(
                        f"{self._path}: sources {other!r} and {source.name!r} have one token"
                    )
        return sources

    def _source(self, number: int, values: Any) -> Source:
        if not isinstance(values, dict):
            raise SourcesError(f"{self._path}: source {number} is no table")
        where = f"{self._path}: source {number} ({str(values.get('name', ''))[:80]})"
        if "token" in values:
            raise SourcesError(f"{where}: a token stands in a file of its own; see token_file")
        try:
            source = Source.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(map(str, first["loc"]))
            message = first["msg"].removeprefix("Value error, ")
            raise SourcesError(f"{where}: {name}: {message}") from None
        if source.late + source.wait > self._keep:
            raise SourcesError(f"{where}: late and wait are longer than INTAKE__KEEP")
        if source.type != "http":
            if source.token_file is not None:
                raise SourcesError(f"{where}: token_file is for type http")
            return source
        if source.token_file is None:
            raise SourcesError(f"{where}: type http needs a token_file")
        return source.model_copy(update={"token": self._token(where, source.token_file)})

    def _token(self, where: str, file: Path) -> SecretStr:
        path = self._path.parent / file
        try:
            token = read_text(path, private=True).strip()
        except TextFileError as error:
            raise SourcesError(f"{where}: token_file {path} {error}") from None
        if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or " " in token:
            raise SourcesError(
                f"{where}: token_file {path} must hold one word of {MIN_TOKEN_CHARACTERS} or more"
                " characters"
            )
        return SecretStr(token)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _state_of(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
