"""ISO 8601 durations, as people write them in files."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import isodate
from pydantic import BeforeValidator


def iso_duration(given: object) -> timedelta:
    """ValueError: it is none, is negative, or is not always of the same length, as a month is."""
    if isinstance(given, timedelta):
        return given
    try:
        duration = isodate.parse_duration(given)
    except (isodate.ISO8601Error, TypeError, ValueError, OverflowError):
        duration = None
    if not isinstance(duration, timedelta) or duration < timedelta(0):
        raise ValueError(f"{str(given)[:40]!r} is no duration such as PT5M")
    return duration


IsoDuration = Annotated[timedelta, BeforeValidator(iso_duration)]
"""A field of a table in a file."""
