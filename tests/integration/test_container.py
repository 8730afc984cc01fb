"""The wiring: every provider builds, nothing starts, and everything can be replaced."""

from __future__ import annotations

import functools
import gc
import re
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide, inject

from app.observability import graph
from app.openadr import ClientCredentialsByVen, SharedCredentials, VtnVen
from app.platform.servers import NoServer
from app.scheduling import SchedulerConfig, TaskScheduler
from app.settings.model import Settings, SettingsError
from app.vtn import EmbeddedVtn
from containers import Container
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.servers import free_port

README = Path(__file__).parents[2] / "README.md"
NAMES = list(Container.task_functions.kwargs)
"""The scheduled tasks; who writes another need not tell the tests."""


def choices(tmp_path: Path) -> list[dict[str, Any]]:
    """Settings that together take every branch of every Selector."""
    file = tmp_path / "credentials.csv"
    file.write_text("Aarhus,a,s\n")
    file.chmod(0o600)
    remote = {"base_url": "http://127.0.0.1:9"}
    return [
        {},
        remote,
        {**remote, "bearer_token": "t"},
        {**remote, "client_id": "c", "client_secret": "s"},
        {**remote, "credentials_file": file},
    ]


def test_every_provider_builds_for_every_choice_and_does_no_io(
    tmp_path: Path, make_container: MakeContainer
) -> None:
    for vtn in choices(tmp_path):
        container = make_container(vtn=vtn)
        for name, provider in container.providers.items():
            if name == "ven_client":
                assert provider("Aarhus").ven_name == "Aarhus"
            else:
                provider()
        expected = NoServer if vtn else EmbeddedVtn
        assert isinstance(container.vtn(), expected)
    assert not (tmp_path / "data" / "fleet.db").exists()


def test_credentials_follow_the_settings(make_container: MakeContainer, tmp_path: Path) -> None:
    kinds = [type(make_container(vtn=vtn).credentials()) for vtn in choices(tmp_path)]

    assert kinds == [
        ClientCredentialsByVen,
        SharedCredentials,
        SharedCredentials,
        ClientCredentialsByVen,
        ClientCredentialsByVen,
    ]


def test_the_graph_of_the_application_reaches_every_provider() -> None:
    nodes = {node.name: node for node in graph.nodes(Container().providers)}
    reached: set[str] = set()
    upcoming = ["application"]
    while upcoming:
        name = upcoming.pop()
        if name not in reached:
            reached.add(name)
            upcoming += [path.split(".")[0] for path in nodes[name].depends_on]

    assert reached == set(nodes)


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

    with pytest.raises(SettingsError, match="TASKS__POLL_EVENTS__CRON: is not"):
        container.scheduler()
    container.scheduler.override(TaskScheduler())


def test_what_came_out_of_a_container_outlives_it(tmp_path: Path) -> None:
    container = Container()
    container.settings.override(Settings(data_dir=tmp_path / "data"))
    scheduler, database = container.scheduler(), container.database()
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
        container.clock.override(providers.Object(FakeClock(datetime(2030, 1, 1, tzinfo=UTC))))

        assert container.simulator().increase_time() == 0

        frame = container.frames().last()
        assert frame is not None
        assert frame.taken_at == datetime(2030, 1, 1, tzinfo=UTC)

    def test_the_vtn_client(self, make_container: MakeContainer) -> None:
        class Client:
            """A VTN in memory that has the VEN already."""

            def __init__(self, ven_name: str) -> None:
                self.ven_name = ven_name

            def vens(self) -> list[Any]:
                return [VtnVen(ven_id="v1", ven_name=self.ven_name)]

            def resources(self, ven_id: str) -> list[Any]:
                del ven_id
                return []

            def ven(self, ven_id: str) -> VtnVen:
                return VtnVen(ven_id=ven_id, ven_name=self.ven_name)

            def programs(self, targets: frozenset[str]) -> list[Any]:
                del targets
                return []

            def events(self, targets: frozenset[str]) -> list[Any]:
                del targets
                return []

        container = make_container()
        container.ven_client.override(providers.Factory(Client))

        ven = container.ven_manager().register_load_ven("Aarhus")

        assert ven.vtn_ven_id == "v1"

    def test_settings(self, make_container: MakeContainer) -> None:
        assert make_container(fleet={"vens": 3}).settings().fleet.vens == 3


def test_a_new_task_is_wired_in_a_few_lines(make_container: MakeContainer) -> None:
    """The example of the README: a function, a partial, a name."""

    def count_vens_task(ven_manager: Any) -> int:
        return len(ven_manager.vens)

    class WithCount(Container):
        count_vens = providers.Factory(
            functools.partial, count_vens_task, ven_manager=Container.ven_manager
        )

    container = WithCount()
    container.settings.override(make_container().settings())
    scheduler = TaskScheduler([SchedulerConfig("count_vens", container.count_vens(), hours=1)])

    assert scheduler.run_now("count_vens").result(5)
    container.database().close()
    scheduler.shutdown(timeout_s=5)


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


def test_the_diagram_of_the_readme_is_the_wiring(make_container: MakeContainer) -> None:
    """Its providers are the README's to choose, the arrows between them the container's."""
    found = re.search(r"```mermaid\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    names = re.findall(r"^ {4}(\w+)\[", found[1], re.MULTILINE)

    chosen = graph.only(graph.nodes(make_container().providers), names)

    assert found[1] == graph.as_mermaid(chosen) + "\n"


def test_a_provider_that_is_none_is_named(make_container: MakeContainer) -> None:
    with pytest.raises(LookupError, match="no provider 'simulater'"):
        graph.only(graph.nodes(make_container().providers), ["simulater"])


@pytest.mark.parametrize("write", [graph.as_text, graph.as_mermaid, graph.as_dot])
def test_the_graph_shows_every_provider_and_its_override(
    write: Callable[[list[graph.Node]], str],
) -> None:
    container = Container()
    container.clock.override(providers.Object(FakeClock()))

    text = write(graph.nodes(container.providers))

    for name in container.providers:
        assert name in text
    assert "overridden" in text or "dashed" in text


def test_the_graph_names_settings_selectors_and_bound_functions() -> None:
    nodes = {node.name: node for node in graph.nodes(Container().providers)}

    assert nodes["engine"].depends_on == ("settings.database_url",)
    assert nodes["vtn"].kind == "Selector"
    assert nodes["vtn"].provides == "embedded (of embedded, remote)"
    assert nodes["heartbeat"].provides == "heartbeat_task"
    assert nodes["heartbeat"].depends_on == ("ven_manager",)
    assert "ven_client.provider" in nodes["enrolment"].depends_on
