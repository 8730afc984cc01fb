"""Time zones, as they are written in files and on command lines."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def time_zone(name: str) -> ZoneInfo:
    """By its IANA name. ValueError: it cannot be loaded; one line that names it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"time zone {name[:80]!r} cannot be loaded; one such as Europe/Copenhagen is needed"
        ) from None
