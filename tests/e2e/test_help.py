"""Commands teach by examples, and speak JSON where a script may want it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from containers import Container
from tests.e2e.conftest import Start

COMMANDS = (
    *("", "run", "vtn", "discover", "tasks", "graph", "check"),
    *("rejected list", "rejected retry", "rejected drop"),
    *("event send", "event list", "event cancel"),
    *("fleet seed", "fleet import", "fleet export", "fleet list"),
)


def told(start: Start, *arguments: str, code: int = 0, **settings: str) -> str:
    application = start(*arguments, **settings)
    assert application.join() == code, application.log
    return application.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples_that_begin_with_its_name(start: Start, command: str) -> None:
    shown = told(start, *command.split(), "--help")

    _, _, examples = shown.partition("Examples:")
    assert re.search(rf"ven-fleet {command}".rstrip(), examples), shown


@pytest.mark.parametrize("group", ["", "fleet", "event", "rejected"])
def test_what_a_command_does_fits_its_line(start: Start, group: str) -> None:
    shown = told(start, *group.split(), "--help")

    _, _, commands = shown.partition("Commands:")
    lines = commands.partition("Examples:")[0].strip().splitlines()
    assert len(lines) > 2
    assert [line for line in lines if line.endswith("...")] == []


def test_tasks_as_json(start: Start) -> None:
    rows = json.loads(told(start, "tasks", "--json", TASKS__HEARTBEAT__ENABLED="false"))

    schedules = {row["name"]: row["schedule"] for row in rows}
    assert list(schedules) == list(Container.scheduled_tasks.kwargs)
    assert schedules["heartbeat"] is None
    assert schedules["resource_status_checker"] == "every 5 min"
    assert schedules["generate_reports"] == "every 15 s"


def test_the_graph_as_json(start: Start) -> None:
    nodes = json.loads(told(start, "graph", "--format", "json"))

    (scheduler,) = [node for node in nodes if node["name"] == "scheduling.scheduler"]
    assert scheduler["kind"] == "ThreadSafeSingleton"
    assert "scheduling.schedule" in scheduler["depends_on"]
    assert scheduler["alias"] == "scheduler"


def test_a_check_as_json_masks_secrets(start: Start) -> None:
    shown = told(start, "check", "--json", OPS__TOKEN="hunter2")

    found = json.loads(shown)
    assert found["database"]["vens"] == 0
    assert found["vtn"]["ok"]
    assert "hunter2" not in shown


def test_the_shell_completes_commands(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("ven-fleet")

    done = subprocess.run(
        [script],
        cwd=tmp_path,
        env={
            "_VEN_FLEET_COMPLETE": "complete_bash",
            "COMP_WORDS": "ven-fleet fl",
            "COMP_CWORD": "1",
            "PATH": "/usr/bin",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.stdout.split() == ["fleet"], done.stderr
