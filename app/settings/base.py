"""What every section of the settings has."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import isodate
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SecretStr,
    field_validator,
)


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


SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""As of `app.fleet`, which this room does not know."""
IN_A_HEADER = re.compile(r"[\x21-\x7e]+")
"""What a bearer token is made of (RFC 6750, 2.1)."""
Duration = Annotated[timedelta, BeforeValidator(_duration)]


def _is_there(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("names a file that is not there")
    return path


ExistingFile = Annotated[Path, AfterValidator(_is_there)]


def check_characters(text: str) -> None:
    """ValueError, without the text, where it has a control character in it."""
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise ValueError("has a line break or another control character in it")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="after")
    @classmethod
    def _no_control_character(cls, value: Any) -> Any:
        """Of secrets, too: no header, no URL and no form carries one as it was meant."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str):
            check_characters(text)
        return value
