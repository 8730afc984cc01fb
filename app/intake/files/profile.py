"""How a file of meter readings is to be read: a small TOML file, shipped or brought along."""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from app.intake.errors import MeterFileError
from app.intake.measurement import Direction, Quantity
from app.platform import time_zone

SHIPPED = files("app.intake") / "profiles"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _columns(given: object) -> object:
    """One column, or several."""
    return [given] if isinstance(given, str) and given else given or []


Columns = Annotated[tuple[str, ...], BeforeValidator(_columns)]
"""A column, or several whose cells stand one behind the other, with a space between them."""


class Value(_Strict):
    """A column that holds values."""

    column: str
    quantity: Quantity
    direction: Direction = Direction.NET
    channel: str = ""
    unit: str = ""
    """Blank: what the unit's column says."""
    unit_columns: Columns = ()
    """Its columns, instead of those of the profile."""
    quality: str = ""
    """The column of its quality, instead of that of the profile."""
    when: Mapping[str, str] = {}
    """By column: what has to stand there for the value to be this one."""


class Times(_Strict):
    """When a value was measured."""

    start: Columns = ()
    """Its beginning; none: `step_s` before its end."""
    end: Columns = ()
    """Its end; none: `step_s` after its beginning, or the instant itself."""
    day: str = ""
    hour: str = ""
    """Columns of a day, and of the number of the hour in it, from 1, by its end."""
    format: str = "iso"
    """`iso`, `unix` (seconds since 1970), or as of strptime; of `day`, where there is one."""
    pattern: str = ""
    """A regular expression: what it finds in a cell is the time, and the rest is left out, such as
    the name of a weekday."""
    step_s: Annotated[int, Field(ge=0)] = 0
    """How long an interval is; 0: there is an instant, or a column says it."""
    length: str = ""
    """The column of how long it is, an ISO 8601 duration."""
    position: str = ""
    """The column of its number in a series that begins at `start`, counted from 1."""

    @field_validator("pattern")
    @classmethod
    def _a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern


class Profile(_Strict):
    """One kind of file."""

    about: str
    """One line: whose files, and where they come from."""
    format: Literal["csv", "eda", "green-button", "hdf5", "json", "nem12", "parquet", "readings"]
    """`readings`: CSV with the fields of `POST /readings`; `hdf5`: groups of meters and loads."""
    time_zone: str = ""
    """Of times without an offset; blank: they are refused unless one is given."""
    twice: Literal["refuse", "first"] = "refuse"
    """An hour that the clock showed twice and the file has once: refused, or taken for the first of
    the two, ESTIMATED."""
    encoding: str = "utf-8-sig"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    preamble: Mapping[str, str] = {}
    """What has to stand before the line that names the columns: names of cells, and what stands
    below each; of a file of another direction or unit it is something else."""
    device: str = ""
    """The column of the device; blank: the file has one, whose name is given."""
    quality: str = ""
    """Its column; blank: there is none."""
    unit: tuple[str, ...] = ()
    """Its columns, one behind the other, such as a prefix and a unit."""
    records: str = ""
    """Of JSON: the path of what is a row, with `*` for each entry of a list."""
    columns: Mapping[str, str] = {}
    """Of JSON: by the name that it has here, the path of a column."""
    times: Times = Times()
    values: Sequence[Value] = ()
    quality_codes: Mapping[str, Literal["OK", "ESTIMATED", "BAD", "ABSENT"]] = {}
    """What each code means, in upper or lower case; ABSENT: nothing was measured. Others are
    refused."""

    @field_validator("time_zone")
    @classmethod
    def _a_zone(cls, name: str) -> str:
        if name:
            time_zone(name)
        return name

    @field_validator("encoding")
    @classmethod
    def _an_encoding(cls, name: str) -> str:
        try:
            is_text = codecs.lookup(name)._is_text_encoding
        except LookupError:
            is_text = False
        if not is_text:
            raise ValueError(f"{name[:40]!r} is no encoding of text")
        return name

    @model_validator(mode="after")
    def _complete(self) -> Profile:
        """That what it names is there."""
        if self.format == "json":
            missing = [name for name in self.used_columns if name not in self.columns]
            if missing:
                raise ValueError(f"columns has no path for {missing[0]!r}")
        if bool(self.times.day) != bool(self.times.hour):
            raise ValueError("times: day and hour go together")
        if self.times.position and not self.times.length:
            raise ValueError("times: position goes with length")
        if self.format in ("csv", "json"):
            if not self.values:
                raise ValueError("values: there is none")
            if not (self.times.start or self.times.end or self.times.day):
                raise ValueError("times: there is no column of a start, an end or a day")
        return self

    @property
    def zone(self) -> ZoneInfo | None:
        """Of times without an offset."""
        return time_zone(self.time_zone) if self.time_zone else None

    @property
    def used_columns(self) -> list[str]:
        """The columns that have to be there."""
        times = self.times
        of_time = (*times.start, *times.end, times.day, times.hour, times.length, times.position)
        of_values = [
            name
            for value in self.values
            for name in (value.column, *value.when, *value.unit_columns, value.quality)
        ]
        names = (*of_time, self.device, self.quality, *self.unit, *of_values)
        return list(dict.fromkeys(filter(None, names)))

    @classmethod
    def read(cls, values: Mapping[str, Any], name: str) -> Profile:
        """MeterFileError: where and what is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            message = first["msg"].removeprefix("Value error, ")
            place = f"{where}: " if where else ""
            raise MeterFileError(f"profile {name}: {place}{message}") from None


def profiles() -> dict[str, Profile]:
    """Those that are shipped, by name."""
    found = sorted(path.name for path in SHIPPED.iterdir() if path.name.endswith(".toml"))
    return {name.removesuffix(".toml"): profile(name.removesuffix(".toml")) for name in found}


def profile(name: str) -> Profile:
    """A shipped one by its name, or a file by its path. MeterFileError."""
    path = Path(name) if name.endswith(".toml") else SHIPPED / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise MeterFileError(f"profile {name}: it is no UTF-8 text") from None
    except OSError as error:
        known = ", ".join(sorted(each.name[:-5] for each in SHIPPED.iterdir()))
        why = f" ({error.strerror})" if name.endswith(".toml") else ""
        raise MeterFileError(f"there is no profile {name!r}{why}; there are {known}") from None
    try:
        return Profile.read(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise MeterFileError(f"profile {name}: {error}") from None
