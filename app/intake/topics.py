"""What messages on MQTT topics mean: said in the file of sources, or by a profile.

A profile is a small TOML file: those of `message_profiles/` are shipped, others are brought along.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.intake.measurement import Direction, Quantity
from app.intake.units import ratio
from app.platform import TextFileError, read_text

SHIPPED = files("app.intake") / "message_profiles"
DEVICE, FIELD = "{device}", "{field}"
ANY_LEVEL = "+"
NOT_IN_A_LEVEL = frozenset("/+#\0")
MAX_TOPIC_BYTES = 1000
VALUE_KEYS = ("pointer", "quantity", "unit", "direction", "channel")
"""Of a topic with one value, beside it."""
LINE_VALUE_KEYS = ("field", *VALUE_KEYS[1:])
"""The same, of a measurement of the line protocol."""


class Strict(BaseModel):
    """A table of the file of sources, or in one."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MessageValue(Strict):
    """A value that messages hold."""

    pointer: str = ""
    """Where it stands: a JSON pointer (RFC 6901); blank: it is the whole message."""
    minus: str = ""
    """Where a number stands that is taken from it; blank: none is."""
    minus_may_be_absent: bool = False
    """Whether a message without it means that there is none; else there is no value then."""
    field: str = ""
    """Of topics with {field}: whose messages hold it."""
    quantity: Quantity
    unit: str = ""
    """Blank: the message of `unit_field` says it."""
    direction: Direction = Direction.NET
    channel: str = ""

    @field_validator("pointer", "minus")
    @classmethod
    def _a_pointer(cls, pointer: str) -> str:
        return _pointer(pointer)

    @model_validator(mode="after")
    def _possible(self) -> MessageValue:
        if self.unit:
            ratio(self.unit, self.quantity)
        check_direction(self.quantity, self.direction)
        return self


class Topic(Strict):
    """Topics of one shape, and what their messages mean.

    `profile`, if it is given, says what else stands here; the context of the validation holds the
    `folder` to which the paths of profiles are relative.
    """

    topic: str
    """`{device}` and `{field}` stand for one level each, `+` for one that does not matter."""
    device: str = ""
    """Whose it is, where the topic does not say it."""
    profile: str = ""
    values: Sequence[MessageValue]
    time: str | None = None
    """Where the time stands: a JSON pointer; None: it is when the message came."""
    time_unit: Literal["s", "ms"] = "s"
    """Of a time that is a number: since 1970."""
    time_field: str = ""
    """Of topics with {field}: whose message is the time of the others."""
    unit_field: str = ""
    """Of topics with {field}: whose message is the unit."""
    time_comes_first: bool = False
    """Whether `time_field` begins what belongs together; else a value does."""
    only_changes: bool = False
    """Whether a field that did not change is not published again: it keeps its value."""

    @model_validator(mode="before")
    @classmethod
    def _with_profile(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, dict):
            raise ValueError("is no table")
        said = dict(given)
        if isinstance(name := said.get("profile"), str) and name:
            folder = (info.context or {}).get("folder", Path())
            said = {**message_profile(name, folder), **said}
            if "channel" in said and isinstance(said.get("values"), list):
                channel = said.pop("channel")
                said["values"] = [{**each, "channel": channel} for each in said["values"]]
        return with_values(said, VALUE_KEYS)

    @field_validator("topic")
    @classmethod
    def _a_topic(cls, topic: str) -> str:
        levels = topic.split("/")
        if not topic or len(topic.encode()) > MAX_TOPIC_BYTES or not topic.isprintable():
            raise ValueError(f"{topic[:80]!r} is no topic")
        for level in levels:
            if level not in (DEVICE, FIELD, ANY_LEVEL) and set(level) & set("{}+#"):
                raise ValueError(f"{level[:80]!r} is no level: one is {DEVICE}, {FIELD}, + or text")
        if levels[0].startswith("$"):
            raise ValueError(f"{topic[:80]!r} begins with $, which is the broker's own")
        if levels.count(DEVICE) > 1 or levels.count(FIELD) > 1:
            raise ValueError(f"{topic[:80]!r} has {DEVICE} or {FIELD} twice")
        return topic

    @field_validator("time")
    @classmethod
    def _a_pointer(cls, pointer: str | None) -> str | None:
        return None if pointer is None else _pointer(pointer)

    @model_validator(mode="after")
    def _complete(self) -> Topic:
        has_device = DEVICE in self.levels
        if has_device == bool(self.device):
            raise ValueError(f"topic {self.topic[:80]!r} has {DEVICE}, or else there is a device")
        if not self.values:
            raise ValueError("values: there is none")
        named = [each.field for each in self.values]
        fields = [*named, self.time_field, self.unit_field]
        if FIELD in self.levels:
            if not all(named):
                raise ValueError(f"of a topic with {FIELD}, each value has a field")
            if len(set(named)) < len(named) or {self.time_field, self.unit_field} & set(named):
                raise ValueError("two values have one field")
            if self.time is not None:
                raise ValueError(f"of a topic with {FIELD}, time_field says the time")
        elif any(fields):
            raise ValueError(f"a field goes with {FIELD} in the topic")
        if self.time_comes_first and not self.time_field:
            raise ValueError("time_comes_first goes with time_field")
        if self.only_changes and not self.time_comes_first:
            raise ValueError("only_changes goes with time_comes_first")
        if not all(each.unit or self.unit_field for each in self.values):
            raise ValueError("unit: there is none, and no unit_field")
        return self

    @property
    def levels(self) -> list[str]:
        """Of the topic."""
        return self.topic.split("/")

    @property
    def topic_filter(self) -> str:
        """What is subscribed."""
        return "/".join(ANY_LEVEL if level in (DEVICE, FIELD) else level for level in self.levels)

    def filters(self, devices: Collection[str] | None) -> Iterator[str]:
        """What is subscribed for these devices only; None: for all that there are."""
        if devices is None:
            yield self.topic_filter
        elif self.device:
            yield from [self.topic_filter] if self.device in devices else ()
        else:
            levels = [ANY_LEVEL if level == FIELD else level for level in self.levels]
            for device in devices:
                if not set(device) & NOT_IN_A_LEVEL:  # else no topic is its own
                    yield "/".join(device if level == DEVICE else level for level in levels)

    @property
    def is_timed(self) -> bool:
        """Whether messages say when they were measured; else it is when they come."""
        return self.time is not None or bool(self.time_field)


def check_direction(quantity: Quantity, direction: Direction) -> None:
    """ValueError: values of this quantity have another one."""
    if quantity is Quantity.REGISTER and direction is Direction.NET:
        raise ValueError("direction: a REGISTER counts IMPORT or EXPORT")


def with_values(said: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """A table whose one value stands beside it, with its list of values. ValueError."""
    own = {key: said.pop(key) for key in keys if key in said}
    if own and "values" in said:
        raise ValueError("has a value beside it, and others in values or by its profile")
    if own:
        said["values"] = [own]
    if "values" not in said:
        raise ValueError("says of no value what it is")
    return said


def message_profiles() -> dict[str, str]:
    """Those that are shipped, by name: what each is for."""
    names = sorted(path.name for path in SHIPPED.iterdir() if path.name.endswith(".toml"))
    return {
        name[:-5]: str(tomllib.loads((SHIPPED / name).read_text(encoding="utf-8"))["about"])
        for name in names
    }


def message_profile(name: str, folder: Path) -> Mapping[str, Any]:
    """What a shipped one, or a file beside the file of sources, says. ValueError."""
    try:
        if name.endswith(".toml"):
            text = read_text(folder / name)
        elif name in message_profiles():
            text = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
        else:
            known = ", ".join(message_profiles())
            raise ValueError(f"there is no profile {name[:80]!r}; there are {known}")
        found = tomllib.loads(text)
    except (TextFileError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"profile {name[:80]} {error}") from None
    found.pop("about", None)
    return found


def _pointer(pointer: str) -> str:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer[:80]!r} is no JSON pointer: it begins with /")
    return pointer
