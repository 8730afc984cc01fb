"""The wiring as a picture, read from the container itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

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
    upcoming = ["running.application", "gateway.gateway", "cluster.background"]
    upcoming += ["cluster.make_ray_engine", "cluster.make_keeper", "cluster.keeping"]
    while upcoming:
        name = upcoming.pop()
        if name not in reached:
            reached.add(name)
            upcoming += nodes[name].needs

    of_commands = {"intake.importer", "intake.imports", "intake.influx_pages"}
    assert reached | of_commands == set(nodes)


@pytest.mark.parametrize(
    ("document", "generated"),
    [
        pytest.param(path, text, id=str(path.relative_to(ROOT)))
        for path, text in documents().items()
    ],
)
def test_what_is_generated_from_the_code_is_up_to_date(document: Path, generated: str) -> None:
    assert document.read_text() == generated, "run `make reference`"


def test_a_provider_that_is_none_is_named(make_container: MakeContainer) -> None:
    with pytest.raises(LookupError, match="the container has no 'simulater'"):
        graph.only(graph.nodes(make_container().providers), ["simulater"])


def test_a_name_may_go_without_its_room(make_container: MakeContainer) -> None:
    nodes = graph.nodes(make_container().providers)

    chosen = graph.only(nodes, ["simulator", "ven_manager", "control", "platform.clock"])

    names = {node.name for node in chosen}
    assert names >= {"metering.simulator", "vens.manager", "control.resolver", "platform.clock"}
    assert {node.room for node in chosen} == {"metering", "vens", "control", "platform"}


def test_a_name_that_several_have_is_asked_for_with_its_room() -> None:
    with pytest.raises(
        LookupError,
        match=r"'server' is one of several: vtn\.server or intake\.server or ops\.server",
    ):
        graph.only(graph.nodes(Container().providers), ["server"])


def test_a_dict_of_jobs_is_drawn_as_a_room() -> None:
    nodes = graph.only(graph.nodes(Container().providers), ["scheduled_tasks"])

    assert {node.room for node in nodes} == {"scheduled_tasks"}
    assert len(nodes) == len(Container.scheduled_tasks.kwargs) + 1


def rooms_of_text(text: str) -> dict[str, list[str]]:
    """By room, the names below it."""
    found: dict[str, list[str]] = {"": []}
    room = ""
    for line in text.splitlines():
        if line and not line.startswith(" ") and " " not in line:
            room = line
            found[room] = []
        elif line.strip():
            found[room if line.startswith(" ") else ""].append(line.split()[0])
    return {name: own for name, own in found.items() if own}


def rooms_of_mermaid(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"": []}
    room = ""
    for line in text.splitlines():
        if begun := re.match(r' +subgraph room_\w+\["(\w+)"\]', line):
            room = begun[1]
        elif line.strip() == "end":
            room = ""
        elif node := re.match(r' +\w+\["(\w+)<br/>', line):
            found.setdefault(room, []).append(node[1])
    return {name: own for name, own in found.items() if own}


def rooms_of_dot(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"": []}
    room = ""
    for line in text.splitlines():
        if begun := re.match(r" +subgraph cluster_(\w+) ", line):
            room = begun[1]
        elif line.strip() == "}":
            room = ""
        elif node := re.match(r' +\w+ \[label="(\w+)\\n', line):
            found.setdefault(room, []).append(node[1])
    return {name: own for name, own in found.items() if own}


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (graph.as_text, rooms_of_text),
        (graph.as_mermaid, rooms_of_mermaid),
        (graph.as_dot, rooms_of_dot),
    ],
)
def test_every_form_draws_every_provider_in_its_room(
    write: Callable[[list[graph.Node]], str], read: Callable[[str], dict[str, list[str]]]
) -> None:
    nodes = graph.nodes(Container().providers)
    expected: dict[str, list[str]] = {}
    for node in nodes:
        expected.setdefault(node.room, []).append(node.short_name)

    assert read(write(nodes)) == expected


def test_no_box_of_a_drawing_has_the_name_of_another() -> None:
    """Mermaid refuses a node in a subgraph of its own id."""
    text = graph.as_mermaid(graph.nodes(Container().providers))

    boxes = re.findall(r'^ +(?:subgraph )?(\w+)\["', text, re.MULTILINE)
    assert len(boxes) == len(set(boxes))


def test_a_port_that_was_replaced_is_marked_and_stands_for_what_is_behind_it() -> None:
    container = Container()
    with container.metering.retention.override(providers.Object(FakeClock())):
        nodes = {node.name: node for node in graph.nodes(container.providers)}

    assert nodes["metering.retention"].overridden_by == "Object(FakeClock)"
    assert "metering.retention" in nodes["metering.simulator"].needs
    assert [node.name for node in nodes.values() if node.overridden_by] == ["metering.retention"]


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

    assert nodes["platform.engine"].depends_on == (
        "settings.database_url",
        "settings.database_schema",
    )
    assert nodes["vtn.server"].kind == "Selector"
    assert nodes["vtn.server"].provides == "embedded (of embedded, remote)"
    assert nodes["scheduled_tasks.heartbeat"].provides == "heartbeat_task"
    assert nodes["scheduled_tasks.heartbeat"].depends_on == ("vens.manager",)


def test_a_port_is_the_line_to_what_stands_behind_it() -> None:
    nodes = {node.name: node for node in graph.nodes(Container().providers)}

    assert "openadr.client_for" in nodes["fleet.enrolment"].depends_on
    assert "fleet.client_for" not in nodes


def test_rooms_need_each_other_as_what_is_in_them() -> None:
    rooms = {node.name: node for node in graph.rooms(graph.nodes(Container().providers))}

    assert rooms["readings"].needs == ("platform", "openadr")
    assert rooms["control"].needs == ("settings", "events", "platform")
