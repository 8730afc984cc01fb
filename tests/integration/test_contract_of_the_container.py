"""What rooms are given, and the five names that users, deployments and tests rely on."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers
from dependency_injector.errors import Error

from app.application import Application
from app.metering import MeterDataSimulator
from app.observability import graph
from app.scheduling import TaskScheduler
from app.settings import Settings
from app.vens import VENManager
from containers import Container
from tests.conftest import MakeContainer

ROOT = Path(__file__).parents[2]


def test_nothing_that_a_room_is_given_replaces_what_it_makes() -> None:
    """A keyword that is no port of the room would override a provider of that name."""
    for name, provider in Container().providers.items():
        if isinstance(provider, providers.Container):
            for inner, own in provider.container.providers.items():
                is_port = isinstance(own, providers.Dependency | providers.DependenciesContainer)
                has_default = isinstance(own, providers.Dependency) and own.default is not None
                assert bool(own.overridden) == (is_port and not has_default), f"{name}.{inner}"


def test_every_port_is_filled_in() -> None:
    Container().check_dependencies()


def test_no_room_is_given_what_stands_below_it() -> None:
    """The order of the container is that of the house, and there is no circle in it."""
    above: set[str] = set()
    for node in graph.rooms(graph.nodes(Container().providers)):
        assert set(node.needs) <= above, node.name
        above.add(node.name)


OUT_OF_LAYER = {
    "orders": "events wake who plans orders, and intake is given what devices answer",
    "vtn": "its credentials are given to the protocol, which does not know it",
    "streams": "what is owed keeps readings, and metering asks it for room",
    "scheduling": "it knows only callables, and is given tasks that need the rooms above it",
}
"""Rooms that do not stand in the container where the layers of imports have them, and why."""


def layers() -> list[set[str]]:
    """The layers of imports, from the lowest, as import-linter has them."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract, *_ = configuration["tool"]["importlinter"]["contracts"]
    return [set(layer.split(" | ")) for layer in reversed(contract["layers"])]


def test_the_container_follows_the_layers_of_imports() -> None:
    height = {room: place for place, layer in enumerate(layers()) for room in layer}
    package = {
        "delivery": "reporting",
        "orders": "actuation",
        "gateway": "cluster",
        "running": "application",
    }
    rooms = [
        name
        for name, provider in Container.providers.items()
        if isinstance(provider, providers.Container)
    ]

    in_order = [height[package.get(name, name)] for name in rooms if name not in OUT_OF_LAYER]

    assert in_order == sorted(in_order)
    assert set(OUT_OF_LAYER) < set(rooms)


def test_the_names_of_the_contract_give_what_their_types_say(
    make_container: MakeContainer,
) -> None:
    container = make_container()

    built = {
        Settings: container.settings(),
        VENManager: container.ven_manager(),
        MeterDataSimulator: container.simulator(),
        TaskScheduler: container.scheduler(),
        Application: container.application(),
    }
    assert all(type(instance) is expected for expected, instance in built.items())


class AnySettings:
    """Settings of another make: they have what these have, and are no Settings."""

    def __init__(self, given: Settings) -> None:
        self._given = given

    def __getattr__(self, name: str) -> Any:
        return getattr(self._given, name)


class AnyManager:
    """As little as a test of a task may give."""

    def generate_reports(self) -> int:
        return 0


class AnyMeters:
    """The same for the simulator."""

    def increase_time(self) -> int:
        return 0


class AnyScheduler:
    """The same for the scheduler."""

    def get_jobs(self) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("settings", lambda path: AnySettings(Settings(data_dir=path, ops={"enabled": True}))),
        ("ven_manager", lambda _: AnyManager()),
        ("simulator", lambda _: AnyMeters()),
        ("scheduler", lambda _: AnyScheduler()),
    ],
)
def test_anything_may_stand_in_for_a_name_of_the_contract(
    tmp_path: Path, name: str, make: Callable[[Path], object]
) -> None:
    container = Container()
    container.settings.override(Settings(data_dir=tmp_path))
    stand_in = make(tmp_path)

    with attrgetter(name)(container).override(stand_in):
        assert isinstance(container.application(), Application)
        assert attrgetter(name)(container)() is stand_in
        marks = {
            node.overridden_by
            for node in graph.nodes(container.providers)
            if name in (node.name, node.alias)
        }
    assert marks == {f"Object({type(stand_in).__name__})"}


def test_the_application_itself_may_be_another() -> None:
    container, other = Container(), object()

    with container.application.override(other):
        assert container.application() is other


def test_what_has_not_the_methods_that_a_room_needs_is_refused_when_it_is_built(
    make_container: MakeContainer,
) -> None:
    container = make_container()

    with (
        container.readings.log.override(object()),
        pytest.raises(Error, match=r"is not an instance of .*AppendsFrames"),
    ):
        container.simulator()


def test_clients_of_vens_are_made_by_a_plain_callable(make_container: MakeContainer) -> None:
    """A provider would cost ten times as much; it is called for every report."""
    container = make_container()

    clients = [container.fleet.enrolment()._client_for, container.ven_manager()._client_for]

    assert all(type(client) is functools.partial for client in clients)
    assert all(client is container.openadr.client_for() for client in clients)
