"""What integration tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.callers import Caller
from tests.support.fakes import FakeClock
from tests.support.small_broker import SmallBroker
from tests.support.workbench import Bench

BASE_301 = "/openadr3/3.0.1"


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    container = make_container(vtn={"embedded_port": vtn.port})
    made = Bench(container, vtn, clock)
    made.enrol()
    return made


@pytest.fixture(params=["3.1.0", "3.0.1"])
def bench_of_each_version(
    request: pytest.FixtureRequest,
    vtn: EmbeddedVtn,
    make_container: MakeContainer,
    clock: FakeClock,
) -> Bench:
    settings = {"embedded_port": vtn.port, "api_version": request.param}
    made = Bench(make_container(vtn=settings), vtn, clock)
    made.enrol()
    return made


@pytest.fixture
def secrets(vtn: EmbeddedVtn, tmp_path: Path) -> EmbeddedCredentials:
    del vtn
    return EmbeddedCredentials.of(tmp_path / "data" / "vtn")


@pytest.fixture
def bl(vtn: EmbeddedVtn, secrets: EmbeddedCredentials) -> Caller:
    return Caller(vtn, secrets.bl_client_id, secrets.bl_client_secret)


@pytest.fixture
def ven(vtn: EmbeddedVtn, secrets: EmbeddedCredentials) -> Caller:
    return Caller(vtn, "client-a", secrets.ven_secret)


@pytest.fixture
def other(vtn: EmbeddedVtn, secrets: EmbeddedCredentials) -> Caller:
    return Caller(vtn, "client-b", secrets.ven_secret)


@pytest.fixture
def old_ven(vtn: EmbeddedVtn, secrets: EmbeddedCredentials) -> Caller:
    """The VEN `client-a`, as it speaks 3.0.1."""
    return Caller(vtn, "client-a", secrets.ven_secret, base=BASE_301)


@pytest.fixture
def old_bl(vtn: EmbeddedVtn, secrets: EmbeddedCredentials) -> Caller:
    """Business logic, as it speaks 3.0.1."""
    return Caller(vtn, secrets.bl_client_id, secrets.bl_client_secret, base=BASE_301)


@pytest.fixture
def small() -> Iterator[SmallBroker]:
    made = SmallBroker()
    yield made
    made.close()


Reach = Callable[[str], str]


@pytest.fixture(params=["directly", "through a proxy"])
def reach(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Reach:
    """The address of a VTN whose answers a server gives: itself, or as a proxy that wants URLs."""

    def at(base_url: str) -> str:
        if request.param == "directly":
            return base_url
        monkeypatch.setenv("HTTP_PROXY", base_url)
        return "http://vtn.example"

    return at
