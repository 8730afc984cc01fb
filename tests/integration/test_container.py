"""The wiring: every provider builds, nothing starts, and everything can be replaced."""

from __future__ import annotations

import functools
import gc
import re
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide, inject

from app.observability import graph
from app.openadr import ClientCredentialsByVen, SharedCredentials, SharedReadings, VtnVen
from app.platform import NoServer
from app.scheduling import ScheduleError, SchedulerConfig, TaskScheduler, every, job
from app.settings import Settings, SettingsError
from app.vens import VENManager
from app.vtn import EmbeddedVtn
from containers import Container
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.servers import free_port

NAMES = list(Container.scheduled_tasks.kwargs)
"""The scheduled tasks; who writes another need not tell the tests."""


def choices(tmp_path: Path) -> list[dict[str, Any]]:
    """Settings that together take every branch of every Selector."""
    file = tmp_path / "credentials.csv"
    file.write_text("Aarhus,a,s\n")
    file.chmod(0o600)
    remote = {"base_url": "http://127.0.0.1:9"}
    return [
        {},
        {"vtn": remote},
        {"vtn": {**remote, "bearer_token": "t"}},
        {"vtn": {**remote, "client_id": "c", "client_secret": "s"}},
        {"vtn": {**remote, "credentials_file": file, "api_version": "3.0.1", "push": "off"}},
        {"bl": {"client_id": "b", "client_secret": "s"}, "vtn": {"private_callbacks": True}},
        {"callback": {"public_url": "https://ven.example"}, "ops": {"enabled": True}},
        {
            "callback": {"public_url": "https://ven.example"},
            "fleet": {"shards": 2, "shard": 1},
            "vtn": remote,
        },
        {
            "database": {"url": "postgresql+psycopg://somebody@127.0.0.1:9/fleet"},
            "fleet": {"shards": 2, "shard": 0},
            "vtn": remote,
        },
        {"otel_exporter_otlp_endpoint": "http://127.0.0.1:9"},
    ]


def every_provider(container: Container) -> Iterator[tuple[str, providers.Provider[Any]]]:
    """Those of the container, and of its rooms, ports included, by their paths."""
    for name, provider in container.providers.items():
        if isinstance(provider, providers.Container):
            for inner, own in provider.container.providers.items():
                if not isinstance(own, providers.DependenciesContainer):
                    yield f"{name}.{inner}", own
        else:
            yield name, provider


def test_every_provider_builds_for_every_choice_and_does_no_io(
    tmp_path: Path, make_container: MakeContainer
) -> None:
    for settings in choices(tmp_path):
        container = make_container(**settings)
        assert isinstance(
            container.vtn.server(),
            NoServer if container.settings().vtn.base_url else EmbeddedVtn,
        )
        for path, provider in every_provider(container):
            made = provider()
            if path == "openadr.client_for":
                assert made("Aarhus").ven_name == "Aarhus"
    assert not (tmp_path / "data" / "fleet.db").exists()


def test_credentials_follow_the_settings(make_container: MakeContainer, tmp_path: Path) -> None:
    kinds = [
        type(make_container(**choice).openadr.credentials()) for choice in choices(tmp_path)[:5]
    ]

    assert kinds == [
        ClientCredentialsByVen,
        SharedCredentials,
        SharedCredentials,
        ClientCredentialsByVen,
        ClientCredentialsByVen,
    ]


def test_init_resources_starts_nothing(make_container: MakeContainer) -> None:
    container = make_container(vtn={"embedded_port": free_port()})
    before = threading.active_count()

    container.init_resources()

    assert threading.active_count() == before
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", container.settings().vtn.embedded_port)) != 0


def test_the_scheduler_holds_every_task_bound_and_not_started(
    make_container: MakeContainer,
) -> None:
    scheduler = make_container().scheduler()

    assert isinstance(scheduler, TaskScheduler)
    assert [job.name for job in scheduler.get_jobs()] == NAMES
    assert {scheduler.get_job_info(name)["runs"] for name in NAMES} == {0}


def test_tasks_can_be_disabled_and_given_another_schedule(make_container: MakeContainer) -> None:
    scheduler = make_container(
        tasks={"heartbeat": {"enabled": False}, "poll_events": {"cron": "*/5 * * * *"}}
    ).scheduler()

    assert [job.name for job in scheduler.get_jobs()] == [n for n in NAMES if n != "heartbeat"]
    assert scheduler.get_job_info("poll_events")["schedule"] == "cron */5 * * * *"


def test_a_wrong_cron_expression_names_its_setting(make_container: MakeContainer) -> None:
    container = make_container(tasks={"poll_events": {"cron": "61 * * * *"}})

    with pytest.raises(ScheduleError, match="TASKS__POLL_EVENTS__CRON: is not"):
        container.scheduler()
    container.scheduler.override(TaskScheduler())


def test_what_came_out_of_a_container_outlives_it(tmp_path: Path) -> None:
    container = Container()
    container.settings.override(Settings(data_dir=tmp_path / "data"))
    scheduler, database = container.scheduler(), container.platform.database()
    del container
    gc.collect()

    assert scheduler.run_now("simulate_meterdata").result(10)

    scheduler.shutdown(timeout_s=5)
    database.close()


def test_the_environment_is_read_when_settings_are_first_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    container = Container()
    monkeypatch.setenv("FLEET__VENS", "3")

    assert container.settings().fleet.vens == 3


def test_many_threads_get_one_object(make_container: MakeContainer) -> None:
    container = make_container()
    got: list[object] = []
    threads = [
        threading.Thread(target=lambda: got.append(container.ven_manager())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(each) for each in got}) == 1


class TestOverrides:
    """How tests replace things: a provider is overridden, and what needs it gets the stand-in."""

    def test_the_ven_manager(self, make_container: MakeContainer) -> None:
        class Manager:
            reports = 0

            def generate_reports(self) -> int:
                self.reports += 1
                return 7

        container, manager = make_container(), Manager()

        with container.ven_manager.override(manager):
            assert container.scheduler().run_now("generate_reports").result(5)

        assert manager.reports == 1

    def test_the_simulator(self, make_container: MakeContainer) -> None:
        class Meters:
            """Real meters instead of simulated ones."""

            ticks = 0

            def increase_time(self) -> int:
                self.ticks += 1
                return -1

        container, meters = make_container(), Meters()
        container.simulator.override(meters)

        assert container.scheduler().run_now("simulate_meterdata").result(5)

        assert meters.ticks == 1

    def test_the_clock(self, make_container: MakeContainer) -> None:
        container = make_container()
        container.platform.clock.override(
            providers.Object(FakeClock(datetime(2030, 1, 1, tzinfo=UTC)))
        )

        assert container.simulator().increase_time() == 0

        frame = container.readings.log().last()
        assert frame is not None
        assert frame.taken_at == datetime(2030, 1, 1, tzinfo=UTC)

    def test_the_vtn_client(self, make_container: MakeContainer) -> None:
        class Client:
            """A VTN in memory that has the VEN already."""

            lists_all_resources = False

            def __init__(self, ven_name: str) -> None:
                self.ven_name = self.identity = ven_name

            def vens(self) -> list[Any]:
                return [VtnVen(ven_id="v1", ven_name=self.ven_name)]

            def resources(self, ven_id: str) -> list[Any]:
                del ven_id
                return []

            def ven(self, ven_id: str) -> VtnVen:
                return VtnVen(ven_id=ven_id, ven_name=self.ven_name)

            def programs(self, targets: frozenset[str], shared: SharedReadings) -> list[Any]:
                del targets, shared
                return []

            def events(self, targets: frozenset[str], shared: SharedReadings) -> list[Any]:
                del targets, shared
                return []

        container = make_container()
        container.openadr.client_for.override(providers.Object(Client))

        ven = container.ven_manager().register_load_ven("Aarhus")

        assert ven.vtn_ven_id == "v1"

    def test_settings(self, make_container: MakeContainer) -> None:
        assert make_container(fleet={"vens": 3}).settings().fleet.vens == 3


def count_vens_task(ven_manager: VENManager) -> int:
    return len(ven_manager.vens)


class TestANewTask:
    """A function, and a line of the wiring (docs/extend/task.md)."""

    def with_it(self, make_container: MakeContainer, **settings: Any) -> Container:
        """The container, with one task more."""
        container = make_container(**settings)
        task = job(count_vens_task, every(hours=1), ven_manager=container.ven_manager)
        container.scheduled_tasks.add_kwargs(count_vens=task)
        return container

    def test_it_is_scheduled_and_runs(self, make_container: MakeContainer) -> None:
        scheduler = self.with_it(make_container).scheduler()

        assert scheduler.get_job_info("count_vens")["schedule"] == "every 1 h"
        assert scheduler.run_now("count_vens").result(5)

    def test_its_settings_are_read(self, make_container: MakeContainer) -> None:
        settings = {"tasks": {"count_vens": {"cron": "0 3 * * *"}}}
        scheduler = self.with_it(make_container, **settings).scheduler()

        assert scheduler.get_job_info("count_vens")["schedule"] == "cron 0 3 * * *"

    def test_it_is_drawn(self, make_container: MakeContainer) -> None:
        nodes = graph.nodes(self.with_it(make_container).providers)

        (node,) = [each for each in nodes if each.name == "scheduled_tasks.count_vens"]
        assert node.provides == "count_vens_task"
        assert node.needs == ("vens.manager",)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "TASKS__HEARTBEET__SECONDS",
            "TASKS__HEARTBEET__SECONDS in the environment is no setting;"
            " was TASKS__HEARTBEAT__SECONDS meant?",
        ),
        ("TASKS__NOTHING_LIKE_IT__CRON", "TASKS__NOTHING_LIKE_IT__CRON in the environment is no"),
        (
            "TASKS__HARTBEAT__SECOND",
            "TASKS__HARTBEAT__SECOND in the environment is no setting;"
            " was TASKS__HEARTBEAT__SECONDS meant?",
        ),
        ("TASKS____SECONDS", "TASKS____SECONDS in the environment is no setting"),
        ("TASKS__SECONDS", "TASKS__SECONDS in the environment is no setting"),
    ],
)
def test_a_setting_for_a_task_that_is_none_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv(name, "")
    container = Container()

    with pytest.raises(SettingsError, match=re.escape(words)):
        container.application()


def test_a_secret_that_is_named_like_a_task_of_somebody_else_is_nobodys_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "TASKS__OTHER__SECONDS").write_text("5")
    monkeypatch.setenv("SECRETS_DIR", str(folder))

    assert [job.name for job in Container().scheduler().get_jobs()] == NAMES


def test_the_same_in_the_file_says_which_file(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("TASKS__HEARTBEET__SECONDS=3\n")

    with pytest.raises(SettingsError, match=r"TASKS__HEARTBEET__SECONDS in settings\.env is no"):
        Container().application()


class Greetings(containers.DeclarativeContainer):
    """A container of its own for the second way of wiring."""

    greeting = providers.Object("hello")


@inject
def greet(said: list[str], greeting: str = Provide[Greetings.greeting]) -> None:
    """A task whose dependency is injected where it is called, by `@inject` and `Provide`."""
    said.append(greeting)


def test_a_task_may_be_wired_with_inject_and_provide() -> None:
    container, said = Greetings(), list[str]()
    container.wire(modules=[__name__])
    scheduler = TaskScheduler([SchedulerConfig("greet", functools.partial(greet, said), hours=1)])

    with container.greeting.override("good evening"):
        assert scheduler.run_now("greet").result(5)

    container.unwire()
    scheduler.shutdown(timeout_s=5)
    assert said == ["good evening"]


def test_there_is_room_for_the_wiring_to_grow() -> None:
    """Each Container() is copied by recursion; half of what Python allows is enough for it."""
    allowed = sys.getrecursionlimit()
    sys.setrecursionlimit(allowed // 2)
    try:
        assert Container().settings is not None
    finally:
        sys.setrecursionlimit(allowed)
