"""Fleets that are cut into shards, on either kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from containers import Container

MakeShard = Callable[..., Container]


@pytest.fixture
def server_url(request: pytest.FixtureRequest) -> str | None:
    """Of an empty PostgreSQL database; None: each shard has a file."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres").make_database()
    return url


@pytest.fixture
def make_shard(tmp_path: Path, server_url: str | None) -> Iterator[MakeShard]:
    """The objects of one shard: `make_shard(0, of=2)`."""
    made: list[Container] = []

    def make(number: int | None, of: int, **settings: Any) -> Container:
        container = Container()
        given: dict[str, Any] = {
            "data_dir": tmp_path / "data",
            "vtn": {"base_url": "http://127.0.0.1:9", "bearer_token": "x"},
            "fleet": {"shards": of, "shard": number},
            "database": {"url": server_url},
        }
        container.settings.override(Settings(**{**given, **settings}))
        made.append(container)
        return container

    yield make
    for container in made:
        container.platform.shard_client().close()
        fleet = container.settings().fleet
        if fleet.shards == 1 or fleet.shard is not None:
            container.platform.owner().release()
            container.platform.database().close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Unless a test says which, both."""
    if "server_url" in metafunc.fixturenames:
        if hasattr(metafunc.module, "server_url"):
            return  # it says so itself
        kinds = getattr(metafunc.cls, "KINDS", ("sqlite", "postgresql"))
        metafunc.parametrize("server_url", kinds, indirect=True)
