"""What every test may use: a clean environment, containers, VTNs."""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from app.observability.logs import QUIET
from app.openadr import Circuit, HttpTransport, VtnClock, VtnHttp, make_session
from app.platform import Database, make_engine
from app.platform.shutdown import Shutdown
from app.platform.timestamps import utc_now
from app.settings.model import Settings
from app.vtn import Callbacks, EmbeddedVtn
from app.vtn.callbacks import anywhere
from containers import Container
from tests.support.callback import Callback, callback
from tests.support.certificates import Certificate, make_certificate
from tests.support.fakes import FakeClock
from tests.support.in_process import InProcessVtn
from tests.support.postgres import Postgres
from tests.support.servers import Script, ScriptedVtn, free_port

# No test asserts a time: on a busy machine any of them may take long.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

OF_SETTINGS = {
    "SETTINGS_FILE",
    "SECRETS_DIR",
    *(name.upper() for name in Settings.model_fields),
}
"""What an environment may hold of ours; before `__`, where there is one."""
REST = ("contract", "outside")
"""Folders of which `make test` runs nothing."""
OF_THE_DIALECT = ("test_7_5_reports.py", "test_7_features.py")
"""What of the guide depends on how a VTN is spoken to: `make test` asks it of 3.0.1, too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long, or needs other machinery, for `make test-rest`."""
    for item in items:
        folder, version = item.path.parent.name, getattr(item, "callspec", None)
        in_301 = version is not None and version.params.get("api_version") == "3.0.1"
        if (
            folder in REST
            or (folder == "e2e" and not item.get_closest_marker("first"))
            or (folder == "guide" and in_301 and item.path.name not in OF_THE_DIALECT)
        ):
            item.add_marker(pytest.mark.rest)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of ours from outside, and an empty working directory."""
    for name in os.environ:
        if name.upper().partition("__")[0] in OF_SETTINGS:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def logging_as_found() -> Iterator[None]:
    """What a test or a command in it configures, no other test has."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("app", *QUIET)}
    before = root.level, root.handlers[:]
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


MakeContainer = Callable[..., Container]


@pytest.fixture
def make_container(tmp_path: Path) -> Iterator[MakeContainer]:
    """Containers with these settings, closed at the end of the test."""
    made: list[Container] = []

    def make(**settings: Any) -> Container:
        container = Container()
        values = {"data_dir": tmp_path / "data", "ops": {"enabled": False}, **settings}
        container.settings.override(Settings(**values))
        made.append(container)
        return container

    yield make
    for container in made:
        container.platform.shutdown().set()
        container.scheduler().shutdown(timeout_s=5)
        container.vtn.server().close()
        container.openadr.http().close()
        container.platform.database().close()


@pytest.fixture
def vtn(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedVtn]:
    """An embedded VTN that listens; in modules marked `in_process`, it is called as a function."""
    made = InProcessVtn if request.node.get_closest_marker("in_process") else EmbeddedVtn
    server = made(directory=tmp_path / "data" / "vtn", port=free_port())
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of servers on loopback; nobody changes its files."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def hook(certificate: Certificate) -> Iterator[Callback]:
    """A webhook on loopback."""
    with callback(certificate) as made:
        yield made


@pytest.fixture
def calling_vtn(tmp_path: Path, certificate: Certificate) -> Iterator[EmbeddedVtn]:
    """A VTN that calls back on this machine, too."""
    callbacks = Callbacks(verify_tls=certificate.certificate, allows=anywhere, timeout_s=2.0)
    directory = tmp_path / "data" / "vtn"
    server = EmbeddedVtn(directory=directory, port=free_port(), callbacks=callbacks)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started when the first test asks for it."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)  # the server has a user of its own
        server = Postgres(Path(directory) / "server")
        server.start()
        yield server
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def make_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Empty databases, all of either kind."""
    if request.param == "sqlite":
        numbers = itertools.count(1)
        return lambda: f"sqlite:///{tmp_path / f'fleet-{next(numbers)}.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.make_database


@pytest.fixture
def database_url(make_database_url: Callable[[], str]) -> str:
    """An empty database, of either kind."""
    return make_database_url()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database, of either kind."""
    made = Database(make_engine(database_url))
    yield made
    made.close()


@pytest.fixture
def scripted_vtn() -> Iterator[Callable[[Script], ScriptedVtn]]:
    """VTNs that answer as the test says."""
    made: list[ScriptedVtn] = []

    def make(script: Script) -> ScriptedVtn:
        made.append(ScriptedVtn(script))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def shutdown() -> Shutdown:
    return Shutdown()


MakeHttp = Callable[..., VtnHttp]


@pytest.fixture
def make_http(shutdown: Shutdown) -> Iterator[MakeHttp]:
    """Real HTTP towards a VTN at this address, with pauses too short to wait for."""
    made: list[VtnHttp] = []

    def make(base_url: str, timeout_s: float = 5.0, *, compresses: bool = False) -> VtnHttp:
        made.append(
            VtnHttp(
                transport=HttpTransport(
                    make_session(base_url=base_url, max_connections=2),
                    timeout_s=timeout_s,
                    verify_tls=True,
                ),
                base_url=base_url,
                shutdown=shutdown,
                circuit=Circuit(monotonic=time.monotonic),
                writes=Circuit(monotonic=time.monotonic),
                vtn_clock=VtnClock(clock=utc_now, monotonic=time.monotonic),
                compresses=compresses,
                backoff_s=0.001,
            )
        )
        return made[-1]

    yield make
    for http in made:
        http.close()
