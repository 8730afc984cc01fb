"""The rows of a JSON document: where values stand, by paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.intake.files.profile import Profile
from app.intake.files.rows import Row

ANY = "*"


def json_rows(document: Any, profile: Profile) -> Iterator[Row]:
    """A row for each thing that `profile.records` leads to, a path with `*` for each of a list.

    The paths of columns begin at the top, too. A `*` in them is the one that the record has in the
    same place, so that what stands around a value, such as its device, is found for it.
    """
    records = _steps(profile.records)
    columns = {name: _steps(path) for name, path in profile.columns.items()}
    for number, chosen in enumerate(_chosen(document, records), start=1):
        yield number, {name: _cell(document, path, chosen) for name, path in columns.items()}


def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/")) if path.strip("/") else ()


def _chosen(value: Any, steps: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
    """Which entry of each list of the path, for each record."""
    if not steps:
        yield ()
    elif steps[0] == ANY:
        for place, entry in enumerate(value if isinstance(value, list) else ()):
            for others in _chosen(entry, steps[1:]):
                yield place, *others
    elif isinstance(value, dict) and steps[0] in value:
        yield from _chosen(value[steps[0]], steps[1:])


def _cell(value: Any, steps: tuple[str, ...], chosen: tuple[int, ...]) -> str:
    """As text; blank: it is not there, or null."""
    places = iter(chosen)
    for step in steps:
        if isinstance(value, list) and (step == ANY or step.isdecimal()):
            place = next(places, None) if step == ANY else int(step)
            value = value[place] if place is not None and place < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    if value is None or isinstance(value, list | dict):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
