"""Applications as processes, each in an empty directory and on a port of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from app.vtn import EmbeddedVtn
from tests.support.browser import Window, browser
from tests.support.faulty_vtn import FaultyVtn
from tests.support.killed import in_front_of
from tests.support.processes import Application
from tests.support.servers import free_port
from tests.support.site import Site

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


Open = Callable[..., Window]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.application.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture
def window(chromium: Browser) -> Iterator[Open]:
    """`window(site)`; each with nothing in its cache."""
    made: list[Window] = []

    def open_(site: Site, **how: Any) -> Window:
        made.append(Window(chromium, site.base_url, **how))
        return made[-1]

    yield open_
    for each in made:
        each.close()


@pytest.fixture
def lasting_vtn(tmp_path: Path) -> Iterator[EmbeddedVtn]:
    """In this process: it goes on while applications end."""
    server = EmbeddedVtn(directory=tmp_path / "vtn", port=free_port())
    server.start()
    yield server
    server.close()


@pytest.fixture
def faulty(lasting_vtn: EmbeddedVtn) -> Iterator[FaultyVtn]:
    """What stands in front of it."""
    server = in_front_of(lasting_vtn)
    yield server
    server.close()
