"""What the documentation shows is done, page by page, as a reader would do it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.support.documents import ROOT, Block, Terminal, blocks_of, copy_of_the_checkout
from tests.support.postgres import Postgres
from tests.support.servers import free_port

pytestmark = pytest.mark.rest

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorials").glob("*.md")),
    *sorted((ROOT / "docs" / "extend").glob("*.md")),
]
CLUSTER = ROOT / "docs" / "tutorials" / "cluster.md"
"""Takes minutes, and the machine for itself."""
NOT_RUN = {
    "make test ": "this test would run itself",
    "make setup": "the environment is there",
    "sudo ": "it is for a machine of one's own",
    ".venv/bin/python -m pip install": "so is what it would install",
}
"""By how a command begins: why a reader does it, and this test does not."""
LINT = """
$ .venv/bin/ruff check --no-cache .
$ .venv/bin/ruff format --no-cache --check .
$ .venv/bin/mypy --cache-dir=.mypy_cache app containers.py
"""
"""What is added by a page passes as it stands there."""
TYPES_KNOWN = ROOT / ".mypy_cache"
"""What `make lint` found before: only what the page changes is looked at again."""
ENVIRONMENT = Path(sys.prefix)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    folder = tmp_path / "ven-fleet"
    copy_of_the_checkout(folder)
    (folder / ".venv").symlink_to(ENVIRONMENT)
    vtn = EmbeddedVtn(directory=tmp_path / "vtn", port=free_port())
    vtn.start()
    ops_port, vtn_port, intake_port, mqtt_port = (free_port() for _ in range(4))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    made = Terminal(
        folder=folder,
        variables={
            **kept,
            "VTN__EMBEDDED_PORT": str(vtn_port),
            "OPS__PORT": str(ops_port),
            "COLUMNS": "120",
            # For commands that a reader waits for: what is polled and metered comes sooner.
            "TASKS__POLL_EVENTS__SECONDS": "1",
            "TASKS__SIMULATE_METERDATA__SECONDS": "1",
        },
        not_run=NOT_RUN,
        instead={
            "https://vtn.example/openadr3/3.1.0": vtn.base_url,
            "'…'": EmbeddedCredentials.of(tmp_path / "vtn").ven_secret,
            "127.0.0.1:8080": f"127.0.0.1:{ops_port}",
            "127.0.0.1:8081": f"127.0.0.1:{vtn_port}",
            "127.0.0.1:8090": f"127.0.0.1:{intake_port}",
            "INTAKE__PORT=8090": f"INTAKE__PORT={intake_port}",
            "127.0.0.1:1883": f"127.0.0.1:{mqtt_port}",
            "listener 1883": f"listener {mqtt_port}",
            "port=1883": f"port={mqtt_port}",
        },
    )
    yield made
    made.close()
    vtn.close()


@pytest.mark.parametrize(
    "page",
    [each for each in PAGES if each != CLUSTER],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_shows_is_so(page: Path, terminal: Terminal) -> None:
    for block in blocks_of(page):
        doing(block, terminal)(block)
    if page.parent.name == "extend":
        if TYPES_KNOWN.is_dir():
            shutil.copytree(TYPES_KNOWN, terminal.folder / TYPES_KNOWN.name)
        terminal.run(Block(language="console", text=LINT))


@pytest.mark.alone
def test_what_the_tutorial_of_two_machines_shows_is_so(
    terminal: Terminal, postgres: Postgres
) -> None:
    """Two checkouts on this machine stand in for them."""
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    with tempfile.TemporaryDirectory(prefix="vf-", dir="/tmp") as short:  # for Ray's sockets
        port = free_port()
        terminal.instead = {
            "postgresql+psycopg://fleet:…@192.0.2.9/fleet": postgres.make_database(),
            "192.0.2.7:6379": f"127.0.0.2:{port}",
            "192.0.2.7": "127.0.0.1",
            "192.0.2.8": "127.0.0.1",
            "app cluster start": f"app cluster start --port {port}",
            "data/ray": f"{short}/first/ray",
            **terminal.instead,
        }
        terminal.variables |= {"DATA_DIR": f"{short}/first"}
        second: Terminal | None = None
        for block in blocks_of(CLUSTER):
            if block.order != "on":
                doing(block, terminal)(block)
                continue
            if second is None:
                second = terminal.another("second")
                second.variables |= {"DATA_DIR": f"{short}/second", "OPS__PORT": str(free_port())}
            second.run(block)


def doing(block: Block, terminal: Terminal) -> Callable[[Block], None]:
    """What a reader does with a block."""
    if block.language == "console":
        return terminal.run
    if block.order:
        return terminal.write
    if block.language == "text":
        return terminal.shows
    raise AssertionError(f"nothing is done with this block:\n{block.text}")
