"""The settings as they hold, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import isodate
from pydantic import BaseModel

if TYPE_CHECKING:
    from app.settings.model import Settings


@dataclass(frozen=True, kw_only=True)
class EffectiveSetting:
    """One setting as it holds, for people to read."""

    name: str
    value: str
    """Secrets are masked."""
    source: str
    """'environment', the settings file's name, or 'default'."""


def effective_settings(
    settings: Settings, tasks: Mapping[str, Mapping[str, Any]]
) -> list[EffectiveSetting]:
    """Every setting with its value, secrets masked, and where it came from.

    `tasks`: the default schedule of each, by name.
    """
    scheduled = {name: settings.task(name, default) for name, default in tasks.items()}
    return [
        EffectiveSetting(name=name, value=shown(value), source=settings.origin(name))
        for name, value in leaves(settings.model_copy(update={"tasks": scheduled}))
    ]


def leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting's name, as in the environment, with its value."""
    for field in type(model).model_fields:
        value = getattr(model, field)
        name = prefix + field.upper()
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{name}__")
        elif isinstance(value, dict):
            for key, section in value.items():
                yield from leaves(section, f"{name}__{key.upper()}__")
        else:
            yield name, value


def shown(value: Any) -> str:
    """A setting's value as text, with secrets masked."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return str(isodate.duration_isoformat(value))
    return f"{value:g}" if isinstance(value, float) else str(value)
