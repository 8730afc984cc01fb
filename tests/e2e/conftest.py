"""Applications as processes, each in an empty directory and on a port of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from app.vtn import Callbacks, EmbeddedCredentials, EmbeddedVtn
from app.vtn.callbacks import anywhere
from tests.support.browser import Window, browser
from tests.support.certificates import Certificate
from tests.support.cut_fleet import CutFleet
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
    """`start("run", FLEET__VENS="2")`; everything that is still running is ended.

    What the last ones said is printed, which pytest shows where the test failed.
    """
    made: list[Application] = []

    def begin(*arguments: str, **settings: str) -> Application:
        defaults = {"VTN__EMBEDDED_PORT": str(port), "OPS__PORT": str(ops_port)}
        made.append(Application(*arguments, cwd=tmp_path, settings={**defaults, **settings}))
        return made[-1]

    yield begin
    for application in made:
        application.kill()
    for application in made[-3:]:
        print(*application.log.splitlines()[-40:], sep="\n")


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


CUT_VENS = ("Aarhus", "Billund", "Esbjerg", "Kolding")
"""Of fleets in two shards."""
MakeVtn = Callable[[], tuple[EmbeddedVtn, str]]
MakeCutFleet = Callable[..., CutFleet]


@pytest.fixture(scope="module")
def make_vtn(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[MakeVtn]:
    """VTNs that call back on loopback, each with the secret of its VENs."""
    made: list[EmbeddedVtn] = []

    def make() -> tuple[EmbeddedVtn, str]:
        directory = tmp_path_factory.mktemp("vtn")
        callbacks = Callbacks(verify_tls=certificate.certificate, allows=anywhere)
        server = EmbeddedVtn(directory=directory, port=free_port(), callbacks=callbacks)
        server.start()
        made.append(server)
        return server, EmbeddedCredentials.of(directory).ven_secret

    yield make
    for server in made:
        server.close()


@contextmanager
def cut_fleets(
    make_vtn: MakeVtn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeCutFleet]:
    """Makes fleets in two shards, each at a VTN of its own; at the end, their processes end."""
    made: list[CutFleet] = []

    def make(**settings: str) -> CutFleet:
        vtn, secret = make_vtn()
        directory = tmp_path_factory.mktemp("fleet")
        made.append(CutFleet(directory, vtn, secret, vens=CUT_VENS, settings=settings))
        return made[-1]

    yield make
    for fleet in made:
        fleet.close()


@pytest.fixture
def make_fleet(
    make_vtn: MakeVtn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeCutFleet]:
    """For a test that ends, or replaces, processes of its fleet."""
    with cut_fleets(make_vtn, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="module")
def lasting_fleet(
    make_vtn: MakeVtn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CutFleet]:
    """Shared by the tests of a module, which end none of its processes; on SQLite."""
    with cut_fleets(make_vtn, tmp_path_factory) as make:
        yield make()
