"""Which source holds for which setting: environment over file, with names that must be known."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream
from pydantic import ValidationError

from app.platform import TextFileError, read_text
from app.settings.errors import SettingsError

ENVIRONMENT = "environment"
TASKS = "TASKS"
SCHEDULE_FIELDS = ("SECONDS", "MINUTES", "HOURS", "CRON")
"""A source that names one of these for a task replaces all of them from lower sources."""


@dataclass(frozen=True)
class Layer:
    """What one source says of one setting."""

    value: str
    """Blank: the default."""
    source: str
    """'environment', or the file's name."""


def choose(
    known: Sequence[str],
    *,
    task_fields: Sequence[str],
    environment: Mapping[str, str],
    file: Path | None,
    secrets: Path | None = None,
) -> dict[str, Layer]:
    """The layer that holds, for each known setting that some source names.

    `secrets`: a folder with one file per setting, named like it, as orchestrators mount secrets; it
    stands between the environment and the file.

    SettingsError for a name that is none: any in the file, and in the environment those that begin
    like a section of ours (`VTN__`). Which tasks there are is not known here: whatever begins with
    `TASKS__` is taken.
    """

    def is_known(name: str) -> bool:
        return name in known or name.startswith(f"{TASKS}__")

    sections = {TASKS, *(name.split("__")[0] for name in known if "__" in name)}
    given = {name.upper(): value for name, value in environment.items()}
    ours = {name: value for name, value in given.items() if is_known(name)}
    for name in given:
        if "__" in name and name.split("__")[0] in sections and name not in ours:
            raise SettingsError(unknown(name, ENVIRONMENT, known))
    in_file = {} if file is None else _read_file(file)
    for name in in_file:
        if not is_known(name):
            raise SettingsError(unknown(name, str(file), known))

    chosen = {name: Layer(value, str(file)) for name, value in in_file.items()}
    for task in {name.rsplit("__", 1)[0] for name in ours if is_of_task(name, task_fields)}:
        schedule = [f"{task}__{field}" for field in SCHEDULE_FIELDS]
        if any(name in ours for name in schedule):
            for name in schedule:
                chosen.pop(name, None)
    chosen.update(_read_secrets(secrets, is_known))
    chosen.update({name: Layer(value, ENVIRONMENT) for name, value in ours.items()})
    return {name: Layer(layer.value.strip(), layer.source) for name, layer in chosen.items()}


def _read_secrets(folder: Path | None, is_known: Callable[[str], bool]) -> dict[str, Layer]:
    """The files of a folder that are named like settings; others are nobody's business."""
    if folder is None:
        return {}
    try:
        files = [path for path in folder.iterdir() if is_known(path.name.upper())]
    except OSError as error:
        raise SettingsError(f"SECRETS_DIR cannot be read: {error.strerror}") from None
    return {path.name.upper(): Layer(_text(path).strip(), str(path)) for path in files}


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except TextFileError as error:
        raise SettingsError(f"{path} {error}") from None


def _read_file(path: Path) -> dict[str, str]:
    # The parser alone, without interpolation (a secret may contain '${'); `dotenv_values` would
    # skip a broken line with no more than a warning.
    bindings = list(parse_stream(io.StringIO(_text(path))))
    seen: set[str] = set()
    for binding in bindings:
        if binding.key is not None and binding.key.upper() in seen:
            raise SettingsError(f"{path} line {binding.original.line}: {binding.key} stands twice")
        seen.add((binding.key or "").upper())
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"{path} line {binding.original.line} is not NAME=value")
    return {binding.key.upper(): binding.value or "" for binding in bindings if binding.key}


def is_of_task(name: str, task_fields: Sequence[str]) -> bool:
    """Whether it is a setting of a task, whatever the task's name."""
    parts = name.split("__")
    return len(parts) == 3 and parts[0] == TASKS and bool(parts[1]) and parts[2] in task_fields


def unknown(name: str, source: str, known: Sequence[str]) -> str:
    """That this is no setting, and which one may have been meant."""
    where = f"the {source}" if source == ENVIRONMENT else source
    meant = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"{name} in {where} is no setting" + (f"; was {meant[0]} meant?" if meant else "")


def nested(layers: Mapping[str, Layer]) -> dict[str, Any]:
    """Flat names as sections within sections."""
    sections: dict[str, Any] = {}
    for name, layer in layers.items():
        *path, leaf = name.lower().split("__")
        section = sections
        for part in path:
            section = section.setdefault(part, {})
        section[leaf] = layer.value
    return sections


def merged(lower: Mapping[str, Any], higher: Mapping[str, Any]) -> dict[str, Any]:
    """Both, section by section; where both name a setting, the higher holds."""
    both = dict(lower)
    for name, value in higher.items():
        below = both.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            both[name] = merged(below, value)
        else:
            both[name] = value
    return both


def one_line(error: ValidationError, name_parts: Collection[str]) -> str:
    """What is wrong with settings, by name and without a value. `name_parts`: of all there are."""
    problems: list[str] = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        parts = [str(part).upper() for part in problem["loc"]]
        of_task = parts[:1] == [TASKS]
        name = "__".join(
            part for part in parts if (of_task and part != "[KEY]") or part in name_parts
        )
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            name = "__".join(str(part).upper() for part in problem["loc"])
            message = "is no setting"
        if message[1:2].islower():
            message = message[0].lower() + message[1:]
        line = f"{name}: {message}" if name else message
        if not any(line.split(":")[0] == other.split(":")[0] for other in problems):
            problems.append(line)
    return "; ".join(problems)
