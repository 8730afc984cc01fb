"""Commands that are called in this process."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from typer.testing import CliRunner, Result

from app.cli.commands import cli


def invoke(*arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    """What the command printed, and its exit code.

    In a thread of its own, with which a lower priority ends: `readings import` takes one, and the
    tests that follow, and what they start, would have it, too.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(CliRunner().invoke, cli, arguments, env=environment).result()
