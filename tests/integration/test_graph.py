"""The wiring as a picture, read from the container itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dependency_injector import providers

from app.observability import graph
from containers import Container
from scripts.reference import ROOT, documents
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock


def test_the_graph_of_the_application_reaches_every_provider() -> None:
    nodes = {node.name: node for node in graph.nodes(Container().providers)}
    reached: set[str] = set()
    upcoming = ["running.application"]
    while upcoming:
        name = upcoming.pop()
        if name not in reached:
            reached.add(name)
            upcoming += nodes[name].needs

    assert reached == set(nodes)


@pytest.mark.parametrize("document", ["settings.env", "README.md", "docs/wiring.md"])
def test_what_a_document_says_of_the_wiring_is_so(document: str) -> None:
    path = ROOT / document

    assert path.read_text() == documents()[path], "run `make reference`"


def test_a_provider_that_is_none_is_named(make_container: MakeContainer) -> None:
    with pytest.raises(LookupError, match="no provider 'simulater'"):
        graph.only(graph.nodes(make_container().providers), ["simulater"])


def test_a_name_may_go_without_its_room(make_container: MakeContainer) -> None:
    nodes = graph.nodes(make_container().providers)

    chosen = graph.only(nodes, ["simulator", "ven_manager", "readings", "platform.clock"])

    names = {node.name for node in chosen}
    assert names == {"metering.simulator", "vens.manager", "readings.frames", "platform.clock"}


@pytest.mark.parametrize("write", [graph.as_text, graph.as_mermaid, graph.as_dot, graph.as_json])
def test_every_form_shows_every_provider_in_its_room(
    write: Callable[[list[graph.Node]], str],
) -> None:
    nodes = graph.nodes(Container().providers)

    text = write(nodes)

    for node in nodes:
        assert node.short_name in text
        assert node.room in text


def test_one_override_is_one_mark() -> None:
    container = Container()
    with container.platform.clock.override(providers.Object(FakeClock())):
        nodes = graph.nodes(container.providers)

    marked = {node.name: node.overridden_by for node in nodes if node.overridden_by}
    assert marked == {"platform.clock": "Object(FakeClock)"}
    assert graph.as_text(nodes).count("[overridden by") == 1
    assert graph.as_mermaid(nodes).count(":::overridden") == 1
    assert graph.as_dot(nodes).count("style=dashed") == 1


def test_what_nobody_replaced_has_no_mark() -> None:
    nodes = graph.nodes(Container().providers)

    assert [node.name for node in nodes if node.overridden_by] == []


def test_the_graph_names_settings_selectors_and_bound_functions() -> None:
    nodes = {node.name: node for node in graph.nodes(Container().providers)}

    assert nodes["platform.engine"].depends_on == ("settings.database_url",)
    assert nodes["vtn.server"].kind == "Selector"
    assert nodes["vtn.server"].provides == "embedded (of embedded, remote)"
    assert nodes["scheduled_tasks.heartbeat"].provides == "heartbeat_task"
    assert nodes["scheduled_tasks.heartbeat"].depends_on == ("vens.manager",)


def test_a_port_is_the_line_to_what_stands_behind_it() -> None:
    nodes = {node.name: node for node in graph.nodes(Container().providers)}

    assert "openadr.ven_client.provider" in nodes["fleet.enrolment"].depends_on
    assert "fleet.client_for" not in nodes


def test_rooms_need_each_other_as_what_is_in_them() -> None:
    rooms = {node.name: node for node in graph.rooms(graph.nodes(Container().providers))}

    assert rooms["readings"].needs == ("platform",)
    assert rooms["control"].needs == ("events", "settings")
