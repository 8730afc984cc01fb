"""Writes anew what is generated from the code: `make reference`.

The tasks in settings.env, the picture of the rooms, and the reference pages of the documentation.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from prometheus_client.core import Metric

from app.cli.commands import cli
from app.observability import graph
from app.settings import Settings, effective_settings
from containers import Container

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TASKS_BEGIN = "# CRON expression (five fields; 0 and 7 are Sunday); JITTER_S spreads its starts.\n"
TASKS_END = "\n# The time zone of CRON expressions.\n"
EVERYWHERE = ("settings", "platform")
"""Given to nearly every room: a picture with them shows nothing else."""
GENERATED = "`make reference` writes this page."
TABLE_OF_SETTINGS = ("| setting | default | what it does |", "| --- | --- | --- |")
COLUMNS = 96
"""Of the help of a command."""


def _container() -> Container:
    """The application's, whatever the environment and a settings file say."""
    container = Container()
    container.settings.override(Settings.model_construct())
    return container


def _nodes() -> list[graph.Node]:
    """The wiring as it is without any setting."""
    nodes = graph.nodes(_container().providers)
    return [replace(node, overridden_by=None) for node in nodes]


def settings_env() -> str:
    """settings.env, with the settings of each task under what the task does."""
    tasks = _container().scheduled_tasks()
    defaults = {name: task.schedule for name, task in tasks.items()}
    settings = effective_settings(Settings.model_construct(), defaults)
    lines = []
    for name, task in tasks.items():
        lines.append(f"# {task.does}")
        prefix = f"TASKS__{name.upper()}__"
        lines += [
            f"#{setting.name}={setting.value}"
            for setting in settings
            if setting.name.startswith(prefix)
        ]
    before, _, rest = (ROOT / "settings.env").read_text().partition(TASKS_BEGIN)
    _, _, after = rest.partition(TASKS_END)
    block = "".join(f"{line}\n" for line in lines)
    return before + TASKS_BEGIN + block + TASKS_END + after


def architecture() -> str:
    """docs/developer/architecture.md, with the picture of the rooms."""
    rooms = graph.rooms(_nodes())
    some = graph.only(rooms, [room.name for room in rooms if room.name not in EVERYWHERE])
    picture = f"```mermaid\n{graph.as_mermaid(some)}\n```"
    text = (DOCS / "developer" / "architecture.md").read_text()
    return re.sub(r"```mermaid\n.*?```", lambda _: picture, text, count=1, flags=re.DOTALL)


def wiring() -> str:
    """Every provider, in its room, with what it is given."""
    nodes = _nodes()
    return "\n".join(
        [
            "# The wiring",
            "",
            "Every provider of the container, in its room, with what it is given; `make reference`",
            "writes this page, and `ven-fleet graph` prints the same with your settings.",
            "",
            "```text",
            graph.as_text(nodes),
            "```",
            "",
        ]
    )


def settings_page() -> str:
    """settings.env as tables."""
    lines = [
        "# Settings",
        "",
        f"What `settings.env` says, as tables; how settings are given: [configure](../operator/"
        f"configure.md). {GENERATED}",
    ]
    sections: dict[str, list[str]] = {}
    for block in settings_env().split("\n\n")[1:]:
        for name, row in _settings_rows(block):
            section = f"{name.partition('__')[0]}__" if "__" in name else "Others"
            sections.setdefault(section, []).append(row)
    others = sections.pop("Others", [])
    for section, rows in [*sections.items(), ("Others", others)]:
        lines += ["", f"## {section}", "", *TABLE_OF_SETTINGS]
        lines += rows
    return "\n".join([*lines, ""])


def _settings_rows(block: str) -> Iterator[tuple[str, str]]:
    """The settings of one paragraph of settings.env; what stands above one says what it does."""
    words: list[str] = []
    is_new = True
    for line in block.splitlines():
        if setting := re.fullmatch(r"#([A-Z][A-Z0-9_]*)=(.*)", line):
            name, default = setting.groups()
            shown = f"`{default}`" if default else ""
            yield name, f"| `{name}` | {shown} | {' '.join(words) if is_new else ''} |"
            is_new = False
        else:
            words = [] if not is_new else words
            is_new = True
            words.append(line.removeprefix("#").strip().replace("|", "\\|"))


def commands_page() -> str:
    """The help of every command."""
    lines = [
        "# Commands",
        "",
        "`ven-fleet` and `python -m app` are the same. Logs go to stderr; with `--json`, only JSON"
        " goes to stdout.",
        "Exit codes: 0 on success and after an orderly stop, 1 on failure, 2 on wrong usage or"
        " settings.",
        GENERATED,
    ]
    for name, text in _helps("ven-fleet", typer.main.get_command(cli)):
        lines += ["", f"## {name}", "", "```text", text, "```"]
    return "\n".join([*lines, ""])


def _helps(name: str, command: Any, parent: Any = None) -> Iterator[tuple[str, str]]:
    """The name and the help of a command, and of those below it."""
    context = command.context_class(command, info_name=name.rpartition(" ")[2], parent=parent)
    context.terminal_width = context.max_content_width = COLUMNS
    yield name, command.get_help(context)
    for own in getattr(command, "commands", {}).values():
        if not own.hidden:
            yield from _helps(f"{name} {own.name}", own, context)


def metrics_page() -> str:
    """Each metric, with its kind and labels."""
    lines = [
        "# Metrics",
        "",
        "What `/metrics` shows beside those of the process and of Python. A counter's name ends"
        " with `_total` there.",
        GENERATED,
        "",
        "| metric | kind | labels | what it is |",
        "| --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as directory:
        container = _container()
        settings = Settings.model_construct(data_dir=Path(directory))
        with container.settings.override(settings):
            metrics: list[Metric] = list(container.ops.metrics().collect())
            container.platform.database().close()
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in getattr(metric, "_labelnames", ()))
        text = metric.documentation.replace("|", "\\|")
        lines.append(f"| `{metric.name}` | {metric.type} | {labels} | {text} |")
    lines += [
        "",
        "A gateway shows those of all [shards](../operator/shards.md), each with a label `shard`"
        " (its number, or `gateway`), and beside them `ven_shard_up` (1: the owner of the shard"
        " answers) and `ven_shard_epoch` (it rises with each owner). In a"
        " [cluster](../operator/cluster.md) there are `ven_shard_restarts` (a counter),"
        " `ven_cluster_nodes` and `ven_cluster_seen_timestamp_seconds` (when its keeper last"
        " looked), too.",
    ]
    return "\n".join([*lines, ""])


def documents() -> Mapping[Path, str]:
    """Each document, as it should be."""
    return {
        ROOT / "settings.env": settings_env(),
        DOCS / "developer" / "architecture.md": architecture(),
        DOCS / "developer" / "wiring.md": wiring(),
        DOCS / "reference" / "settings.md": settings_page(),
        DOCS / "reference" / "commands.md": commands_page(),
        DOCS / "reference" / "metrics.md": metrics_page(),
    }


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
