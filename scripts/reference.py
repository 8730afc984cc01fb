"""Writes anew what documents say of the wiring: `make reference`.

The tasks in settings.env, the rooms in README.md, and docs/wiring.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from app.observability import graph
from app.settings import Settings, effective_settings
from containers import Container

ROOT = Path(__file__).parents[1]
TASKS_BEGIN = "# CRON expression (five fields; 0 and 7 are Sunday); JITTER_S spreads its starts.\n"
TASKS_END = "\n# The time zone of CRON expressions.\n"
EVERYWHERE = ("settings", "platform")
"""Given to nearly every room: a picture with them shows nothing else."""


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


def readme() -> str:
    """README.md, with the picture of the rooms."""
    rooms = graph.rooms(_nodes())
    some = graph.only(rooms, [room.name for room in rooms if room.name not in EVERYWHERE])
    picture = f"```mermaid\n{graph.as_mermaid(some)}\n```"
    text = (ROOT / "README.md").read_text()
    return re.sub(r"```mermaid\n.*?```", lambda _: picture, text, count=1, flags=re.DOTALL)


def wiring() -> str:
    """docs/wiring.md: every provider, in its room, with what it is given."""
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


def documents() -> Mapping[Path, str]:
    """Each document, as it should be."""
    return {
        ROOT / "settings.env": settings_env(),
        ROOT / "README.md": readme(),
        ROOT / "docs" / "wiring.md": wiring(),
    }


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
