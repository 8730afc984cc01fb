"""The official files with what no server can satisfy corrected, each correction named.

An OpenAPI Overlay (1.0.0): `update` merges into an object or is added to a list, `remove` takes
away; a target is a path of names and places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.openapi import official_file

OVERLAY = Path(__file__).with_name("overlay.yaml")
_STEP = re.compile(r"\.(\w+)|\['([^']+)'\]|\[(\d+)\]")
_LINE = re.compile(r"line (\d+): .")


@dataclass(frozen=True, kw_only=True)
class Action:
    """A defect of a file, and what stands there instead."""

    path: tuple[str | int, ...]
    line: int
    """Where the file has it."""
    update: Any
    remove: bool


def actions(version: str) -> Iterator[Action]:
    """The defects of this version's file."""
    for each in yaml.safe_load(OVERLAY.read_text())[version]["actions"]:
        line = _LINE.match(each["description"])
        assert line is not None, f"{each['target']}: its description names no line and no defect"
        yield Action(
            path=_path(each["target"]),
            line=int(line[1]),
            update=each.get("update"),
            remove=each.get("remove", False),
        )


def corrected(version: str) -> dict[str, Any]:
    """The file with the overlay upon it."""
    document: dict[str, Any] = yaml.load(official_file(version).read_text(), Loader=_Loader)
    for action in actions(version):
        *path, last = action.path
        parent: Any = document
        for step in path:
            parent = parent[step]
        if action.remove:
            del parent[last]
        elif isinstance(parent[last], list):
            parent[last].append(deepcopy(action.update))
        else:
            parent[last].update(deepcopy(action.update))
    return document


def line_of(version: str, path: tuple[str | int, ...]) -> int:
    """Where the file has what the path leads to."""
    node = _nodes(version)
    for step in path:
        if isinstance(node, yaml.SequenceNode):
            node = node.value[int(step)]
            mark = node.start_mark
        else:
            assert isinstance(node, yaml.MappingNode)
            key, node = next(pair for pair in node.value if pair[0].value == step)
            mark = key.start_mark
    return int(mark.line) + 1


@cache
def _nodes(version: str) -> yaml.Node | None:
    """The file, with the place of everything in it."""
    return yaml.compose(official_file(version).read_text(), Loader=yaml.SafeLoader)


def _path(target: str) -> tuple[str | int, ...]:
    assert target.startswith("$")
    steps = list(_STEP.finditer(target))
    assert "".join(step[0] for step in steps) == target[1:], target
    return tuple(int(step[3]) if step[3] else step[1] or step[2] for step in steps)


class _Loader(yaml.SafeLoader):
    """Times stay text, as they are in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
