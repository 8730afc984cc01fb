"""Applications as processes, each in an empty directory and on a port of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import Application
from tests.support.servers import free_port

Start = Callable[..., Application]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def ops_port() -> int:
    return free_port()


@pytest.fixture
def start(tmp_path: Path, port: int, ops_port: int) -> Iterator[Start]:
    """`start("run", FLEET__VENS="2")`; everything that is still running is ended."""
    made: list[Application] = []

    def begin(*arguments: str, **settings: str) -> Application:
        defaults = {"VTN__EMBEDDED_PORT": str(port), "OPS__PORT": str(ops_port)}
        made.append(Application(*arguments, cwd=tmp_path, settings={**defaults, **settings}))
        return made[-1]

    yield begin
    for application in made:
        application.kill()
