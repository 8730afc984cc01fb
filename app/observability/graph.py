"""The wiring, read from the container itself: every provider and what it depends on."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from dependency_injector import providers

AnyProvider = providers.Provider[Any]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A provider of the container."""

    name: str
    kind: str
    """The provider's class: ThreadSafeSingleton, Factory, Selector, ..."""
    provides: str
    """What it makes, by name; of a Selector, which of several is chosen by the settings."""
    depends_on: tuple[str, ...]
    """The providers it is given, with the setting's path where it is one."""
    overridden_by: str | None
    """The provider that stands in for it."""


def nodes(container_providers: Mapping[str, AnyProvider]) -> list[Node]:
    """The container's providers, in the order in which they are declared.

    SettingsError where a Selector cannot tell what is chosen.
    """
    names = {id(provider): name for name, provider in container_providers.items()}
    return [
        Node(
            name=name,
            kind=type(provider).__name__,
            provides=_provides(provider),
            depends_on=tuple(dict.fromkeys(_dependencies(provider, names))),
            overridden_by=_described(provider.last_overriding) if provider.overridden else None,
        )
        for name, provider in container_providers.items()
    ]


def no_wiring() -> list[Node]:
    """For where nobody looks at it."""
    return []


def only(graph: list[Node], names: Collection[str]) -> list[Node]:
    """These providers alone, and what each needs of the others. LookupError: one is none."""
    missing = sorted(set(names) - {node.name for node in graph})
    if missing:
        raise LookupError(f"the container has no provider {missing[0]!r}")
    return [
        replace(
            node, depends_on=tuple(path for path in node.depends_on if path.split(".")[0] in names)
        )
        for node in graph
        if node.name in names
    ]


def as_text(graph: list[Node]) -> str:
    """One line per provider."""
    width = max(len(node.name) for node in graph)
    kinds = max(len(node.kind) for node in graph)
    lines = []
    for node in graph:
        line = f"{node.name:{width}}  {node.kind:{kinds}}  {node.provides}"
        if node.depends_on:
            line += f"  <- {', '.join(node.depends_on)}"
        if node.overridden_by:
            line += f"  [overridden by {node.overridden_by}]"
        lines.append(line)
    return "\n".join(lines)


def as_mermaid(graph: list[Node]) -> str:
    """A Mermaid flowchart: arrows go from a dependency to what needs it."""
    lines = ["flowchart LR"]
    for node in graph:
        style = ":::overridden" if node.overridden_by else ""
        lines.append(f'    {node.name}["{node.name}<br/><small>{node.kind}</small>"]{style}')
    lines += [f"    {needed} --> {node.name}" for node in graph for needed in _needed(node)]
    if any(node.overridden_by for node in graph):
        lines.append("    classDef overridden stroke-dasharray: 4")
    return "\n".join(lines)


def as_dot(graph: list[Node]) -> str:
    """Graphviz: arrows go from a dependency to what needs it."""
    lines = ["digraph wiring {", "    rankdir=LR; node [shape=box];"]
    for node in graph:
        style = ", style=dashed" if node.overridden_by else ""
        lines.append(f'    {node.name} [label="{node.name}\\n{node.kind}"{style}];')
    lines += [f"    {needed} -> {node.name};" for node in graph for needed in _needed(node)]
    return "\n".join([*lines, "}"])


def as_json(graph: list[Node]) -> str:
    """A list of objects, as `Node` has it."""
    return json.dumps([asdict(node) for node in graph], indent=1)


def _needed(node: Node) -> list[str]:
    return list(dict.fromkeys(path.split(".")[0] for path in node.depends_on))


def _dependencies(provider: AnyProvider, names: Mapping[int, str]) -> Iterator[str]:
    for given in _given(provider):
        yield from _named(given, names)


def _named(given: Any, names: Mapping[int, str], path: str = "") -> Iterator[str]:
    """The named providers behind one argument; `settings.provided.a.b` is 'settings.a.b'."""
    if not isinstance(given, providers.Provider):
        return
    if id(given) in names:
        yield names[id(given)] + path
    elif isinstance(given, providers.AttributeGetter):
        yield from _named(given.provides, names, f".{given.name}{path}")
    elif isinstance(given, providers.ProvidedInstance | providers.MethodCaller):
        yield from _named(given.provides, names, path)
    elif isinstance(given, providers.Delegate):
        yield from _named(given.provides, names, ".provider")
    else:
        for inner in _given(given):
            yield from _named(inner, names)


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
    if made is functools.partial and bound:
        made = bound[0]
    if isinstance(made, functools.partial):
        made = made.func
    return str(getattr(made, "__name__", type(made).__name__))


def _described(provider: Any) -> str:
    made = _provides(provider)
    return f"{type(provider).__name__}({made})" if made else type(provider).__name__
