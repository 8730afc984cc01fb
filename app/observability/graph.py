"""The wiring, read from the container itself: every provider and what it depends on."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from dependency_injector import providers

AnyProvider = providers.Provider[Any]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A provider of the container, or of one of its rooms."""

    name: str
    """With its room: 'fleet.repository'."""
    room: str
    """'' for what stands in the container itself."""
    kind: str
    """The provider's class: ThreadSafeSingleton, Factory, Selector, ..."""
    provides: str
    """What it makes, by name; of a Selector, which of several is chosen by the settings."""
    depends_on: tuple[str, ...]
    """The providers it is given, with the path to what it takes of them: 'settings.vtn.url'."""
    needs: tuple[str, ...]
    """The names of these providers."""
    alias: str | None
    """Its name in the container itself, where it has one there, too."""
    overridden_by: str | None
    """The provider that stands in for it."""

    @property
    def short_name(self) -> str:
        """Without its room."""
        return self.name.removeprefix(f"{self.room}.")


@dataclass(frozen=True)
class _Declared:
    name: str
    room: str
    provider: AnyProvider


def nodes(container_providers: Mapping[str, AnyProvider]) -> list[Node]:
    """The container's providers and those of its rooms, in the order in which they are declared.

    A port is no provider of its own, but the line to what stands behind it. SettingsError where a
    Selector cannot tell what is chosen.
    """
    declared = list(_walk(container_providers))
    names = {id(node.provider): node.name for node in declared}
    aliases = {
        id(provider): name
        for name, provider in container_providers.items()
        if names.get(id(provider), name) != name
    }
    graph = []
    for node in declared:
        paths = tuple(dict.fromkeys(_dependencies(node.provider, names)))
        graph.append(
            Node(
                name=node.name,
                room=node.room,
                kind=type(node.provider).__name__,
                provides=_provides(node.provider),
                depends_on=tuple(name + path for name, path in paths),
                needs=tuple(dict.fromkeys(name for name, _ in paths)),
                alias=aliases.get(id(node.provider)),
                overridden_by=_described(node.provider.last_overriding)
                if node.provider.overridden
                else None,
            )
        )
    return graph


def _walk(container_providers: Mapping[str, AnyProvider]) -> Iterator[_Declared]:
    """Each provider once, under its name in its room, where it has one."""
    rooms = {
        name: list(_of_room(name, provider.container.providers))
        for name, provider in container_providers.items()
        if isinstance(provider, providers.Container)
    }
    in_rooms = {id(node.provider) for own in rooms.values() for node in own}
    for name, provider in container_providers.items():
        if name in rooms:
            own = rooms[name]
        else:
            own = [_Declared(name, "", provider)] if id(provider) not in in_rooms else []
        for entry in own:
            yield from _with_entries(entry, in_rooms)


def _of_room(room: str, own: Mapping[str, AnyProvider]) -> Iterator[_Declared]:
    """What a room makes; of its ports, those that were replaced after it was wired."""
    for name, provider in own.items():
        is_port = isinstance(provider, providers.Dependency | providers.DependenciesContainer)
        if not is_port or _is_replaced(provider):
            yield _Declared(f"{room}.{name}", room, provider)


def _is_replaced(port: AnyProvider) -> bool:
    """Whether something else stands behind it than the wiring gave it."""
    behind = {id(overriding) for overriding in port.overridden}
    return isinstance(port, providers.Dependency) and len(behind) > 1


def _with_entries(found: _Declared, named: Collection[int]) -> Iterator[_Declared]:
    """With the entries of a Dict that are given something; beside rooms, it is drawn as one."""
    entries = found.provider.kwargs if isinstance(found.provider, providers.Dict) else {}
    needy = {
        key: entry
        for key, entry in entries.items()
        if id(entry) not in named and list(_given(entry))
    }
    room = found.room or (found.name if needy else "")
    for key, entry in needy.items():
        yield _Declared(f"{found.name}.{key}", room, entry)
    yield replace(found, room=room)


def no_wiring() -> list[Node]:
    """For where nobody looks at it."""
    return []


def only(graph: list[Node], names: Collection[str]) -> list[Node]:
    """These providers alone, and what each needs of the others. LookupError: one is none.

    A name may be that of a room, for all that is in it, and go without its room where there is
    no other of that name: where there is, LookupError names them.
    """
    chosen = {node.name for name in names for node in _named(graph, name)}
    return [
        replace(
            node,
            depends_on=tuple(
                path
                for path in node.depends_on
                if any(path == name or path.startswith(f"{name}.") for name in chosen)
            ),
            needs=tuple(name for name in node.needs if name in chosen),
        )
        for node in graph
        if node.name in chosen
    ]


def _named(graph: list[Node], name: str) -> list[Node]:
    own = [node for node in graph if name and node.room == name]
    named = own or [node for node in graph if name in (node.name, node.alias)]
    if named:
        return named
    matches = [node for node in graph if node.short_name == name]
    if len(matches) > 1:
        names = " or ".join(node.name for node in matches)
        raise LookupError(f"{name!r} is one of several: {names}")
    if not matches:
        raise LookupError(f"the container has no {name!r}")
    return matches


def rooms(graph: list[Node]) -> list[Node]:
    """The same with a node for each room: what rooms need of each other."""
    place = {node.name: node.room or node.name for node in graph}
    by_room: dict[str, list[Node]] = {}
    for node in graph:
        by_room.setdefault(place[node.name], []).append(node)
    drawn = []
    for name, own in by_room.items():
        others = (place[needed] for node in own for needed in node.needs)
        needs = tuple(dict.fromkeys(other for other in others if other != name))
        drawn.append(
            Node(
                name=name,
                room="",
                kind=own[-1].kind if own[-1].name == name else "Container",
                provides="" if own[0].room else own[0].provides,
                depends_on=needs,
                needs=needs,
                alias=None,
                overridden_by=None,
            )
        )
    return drawn


def as_text(graph: list[Node]) -> str:
    """One line per provider, room by room."""
    width = max(len(node.short_name) for node in graph)
    kinds = max(len(node.kind) for node in graph)
    lines: list[str] = []
    for room, own in _by_room(graph):
        if room:
            lines += ["", room] if lines else [room]
        for node in own:
            line = f"{'  ' if room else ''}{node.short_name:{width}}  {node.kind:{kinds}}"
            line += f"  {node.provides}" + (f"  (also {node.alias})" if node.alias else "")
            if node.depends_on:
                paths = (path.removeprefix(f"{room}.") for path in node.depends_on)
                line += f"  <- {', '.join(paths)}"
            if node.overridden_by:
                line += f"  [overridden by {node.overridden_by}]"
            lines.append(line.rstrip())
    return "\n".join(lines)


def as_mermaid(graph: list[Node]) -> str:
    """A Mermaid flowchart: arrows go from a dependency to what needs it; a box for each room."""
    lines = ["flowchart LR"]
    for room, own in _by_room(graph):
        lines += [f'    subgraph room_{room}["{room}"]'] if room else []
        for node in own:
            style = ":::overridden" if node.overridden_by else ""
            label = f"{node.short_name}<br/><small>{node.kind}</small>"
            lines.append(f'    {"    " if room else ""}{_id(node.name)}["{label}"]{style}')
        lines += ["    end"] if room else []
    lines += [f"    {_id(name)} --> {_id(node.name)}" for node in graph for name in node.needs]
    if any(node.overridden_by for node in graph):
        lines.append("    classDef overridden stroke-dasharray: 4")
    return "\n".join(lines)


def as_dot(graph: list[Node]) -> str:
    """Graphviz: arrows go from a dependency to what needs it; a cluster for each room."""
    lines = ["digraph wiring {", "    rankdir=LR; node [shape=box];"]
    for room, own in _by_room(graph):
        lines += [f"    subgraph cluster_{room} {{ label={room};"] if room else []
        for node in own:
            style = ", style=dashed" if node.overridden_by else ""
            indent = "    " if room else ""
            lines.append(
                f'    {indent}{_id(node.name)} [label="{node.short_name}\\n{node.kind}"{style}];'
            )
        lines += ["    }"] if room else []
    lines += [f"    {_id(name)} -> {_id(node.name)};" for node in graph for name in node.needs]
    return "\n".join([*lines, "}"])


def as_json(graph: list[Node]) -> str:
    """A list of objects, as `Node` has it."""
    return json.dumps([asdict(node) for node in graph], indent=1)


def _by_room(graph: list[Node]) -> Iterator[tuple[str, list[Node]]]:
    for room, own in groupby(graph, key=attrgetter("room")):
        yield room, list(own)


def _id(name: str) -> str:
    """Of a node in a drawing."""
    return name.replace(".", "_")


Path = tuple[str, str]
"""A provider's name, and what is taken of it: '.vtn.url'."""


def _dependencies(provider: AnyProvider, names: Mapping[int, str]) -> Iterator[Path]:
    for given in _given(provider):
        yield from _paths(given, names)


def _paths(given: Any, names: Mapping[int, str], path: str = "") -> Iterator[Path]:
    """The named providers behind one argument; `settings.provided.a.b` is ('settings', '.a.b')."""
    if not isinstance(given, providers.Provider):
        return
    if id(given) in names:
        yield names[id(given)], path
    elif isinstance(given, providers.Dependency):
        yield from _paths(given.last_overriding, names, path)
    elif isinstance(given, providers.AttributeGetter):
        yield from _paths(given.provides, names, f".{given.name}{path}")
    elif isinstance(given, providers.ProvidedInstance | providers.MethodCaller):
        yield from _paths(given.provides, names, path)
    elif isinstance(given, providers.Delegate):
        yield from _paths(given.provides, names, ".provider")
    else:
        for inner in _given(given):
            yield from _paths(inner, names)


def _given(provider: Any) -> Iterator[Any]:
    """What a provider is made of, of whatever kind it is."""
    if isinstance(provider, providers.Selector):
        yield provider.selector
        yield from provider.providers.values()
        return
    yield from getattr(provider, "args", ())
    for value in getattr(provider, "kwargs", {}).values():
        yield from value.values() if isinstance(value, dict) else (value,)
    for value in getattr(provider, "attributes", {}).values():
        yield value


def _provides(provider: AnyProvider) -> str:
    if isinstance(provider, providers.Selector):
        chosen = "" if provider.selector is None else f"{provider.selector()} "
        return f"{chosen}(of {', '.join(provider.providers)})"
    made = getattr(provider, "provides", None)
    if made is None:
        return ""
    bound = getattr(provider, "args", ())
    if isinstance(made, type) and issubclass(made, functools.partial) and bound:
        made = bound[0]
    if isinstance(made, functools.partial):
        made = made.func
    return str(getattr(made, "__name__", type(made).__name__))


def _described(provider: Any) -> str:
    made = _provides(provider)
    return f"{type(provider).__name__}({made})" if made else type(provider).__name__
