"""Enrolment at a VTN: finds, adopts, creates; survives; repeats (openadr.md, 'Roles, …')."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.fleet import Resource, ResourceKind, Status, sample_fleet
from app.fleet.enrolment import Listed
from app.fleet.held_vens import MAX_PAUSE_S
from app.openadr import VtnRejected, VtnUnauthorised
from app.vtn import EmbeddedVtn
from containers import Container
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.servers import Answer, ReceivedRequest, Script, ScriptedVtn
from tests.support.transports import RecordingTransport
from tests.support.wiring import provider

MakeVtn = Callable[[Script], ScriptedVtn]


def at(vtn: EmbeddedVtn, make_container: MakeContainer) -> tuple[Container, RecordingTransport]:
    """A container whose VENs are clients of their own at this VTN."""
    container = make_container(vtn={"embedded_port": vtn.port})
    session = RecordingTransport(vtn)
    container.openadr.transport.override(session)
    return container, session


def test_a_fleet_is_enrolled_once(vtn: EmbeddedVtn, make_container: MakeContainer) -> None:
    container, session = at(vtn, make_container)
    container.fleet.repository().save(sample_fleet(vens=3, resources_per_ven=4))

    first = container.ven_manager().enrol()
    again = container.ven_manager().enrol()

    assert len(first.enrolled) == len(again.enrolled) == 3
    assert len(session.of("POST", "/vens")) == 3
    assert len(session.of("POST", "/resources")) == 12
    assert len(vtn.store.select("VEN")) == 3
    assert len(vtn.store.select("RESOURCE", limit=99)) == 12
    summaries = container.fleet.repository().summaries()
    assert all(summary.approved == 4 and summary.ven.vtn_ven_id for summary in summaries)


def test_a_restart_with_an_empty_database_creates_nothing_twice(
    vtn: EmbeddedVtn, make_container: MakeContainer
) -> None:
    container, _ = at(vtn, make_container)
    container.fleet.repository().save(sample_fleet(vens=1, resources_per_ven=2))
    container.ven_manager().enrol()

    other, session = at(vtn, make_container)
    other.platform.engine.override(container.platform.engine())
    fresh = sample_fleet(vens=1, resources_per_ven=2)
    with container.platform.database().write() as connection:
        connection.exec_driver_sql("DELETE FROM resource")
        connection.exec_driver_sql("DELETE FROM ven")
    other.fleet.repository().save(fresh)
    other.ven_manager().enrol()

    assert session.of("POST", "/vens") == session.of("POST", "/resources") == []
    assert other.fleet.repository().summaries()[0].approved == 2


def test_one_ven_may_be_registered_from_many_threads(
    vtn: EmbeddedVtn, make_container: MakeContainer
) -> None:
    container, session = at(vtn, make_container)
    container.fleet.repository().save(sample_fleet(vens=1, resources_per_ven=2))
    manager = container.ven_manager()
    threads = [
        threading.Thread(target=manager.register_load_ven, args=("Aalborg",)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(session.of("POST", "/vens")) == 1
    assert len(session.of("POST", "/resources")) == 2


def test_many_vens_may_be_registered_at_once_in_a_database_that_is_not_there(
    vtn: EmbeddedVtn, make_container: MakeContainer
) -> None:
    container, _ = at(vtn, make_container)
    names = [f"VEN-{number}" for number in range(8)]
    threads = [
        threading.Thread(target=container.ven_manager().register_load_ven, args=(name,))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [ven.ven_name for ven in container.ven_manager().vens] == names
    assert {ven.status for ven in container.ven_manager().vens} == {Status.APPROVED}


def test_a_resource_that_comes_later_is_enrolled_by_the_heartbeat(
    vtn: EmbeddedVtn, make_container: MakeContainer
) -> None:
    container, session = at(vtn, make_container)
    container.fleet.repository().save(sample_fleet(vens=1, resources_per_ven=2))
    container.ven_manager().enrol()
    container.fleet.repository().save(
        {"Aalborg": [Resource(resource_name="new", kind=ResourceKind.PV, power_min_kw=-1.0)]}
    )

    container.ven_manager().heartbeat()

    assert len(session.of("POST", "/resources")) == 3
    assert container.fleet.repository().summaries()[0].approved == 3


def test_the_only_ven_of_a_client_is_adopted_whatever_its_name(
    vtn: EmbeddedVtn, make_container: MakeContainer, caplog: pytest.LogCaptureFixture
) -> None:
    container, session = at(vtn, make_container)
    provisioned = vtn.store.add(
        "VEN", {"venName": "provisioned", "clientID": "Aarhus"}, client_id="Aarhus", name="other"
    )

    with caplog.at_level(logging.WARNING, logger="app"):
        ven = container.ven_manager().register_load_ven("Aarhus")

    assert ven.vtn_ven_id == provisioned["id"]
    assert session.of("POST", "/vens") == []
    assert "'provisioned'" in caplog.text


def test_a_name_under_another_client_is_explained(
    vtn: EmbeddedVtn, make_container: MakeContainer
) -> None:
    container, _ = at(vtn, make_container)
    vtn.store.add("VEN", {"venName": "Aarhus"}, client_id="somebody", name="Aarhus")

    with pytest.raises(VtnRejected, match="already under another client"):
        container.ven_manager().register_load_ven("Aarhus")


def lists(**posts: Answer) -> Script:
    """A VTN that lists nothing, and answers POST /vens and /resources like this."""

    def script(asked: ReceivedRequest) -> Answer:
        if asked.method == "GET":
            return Answer(200, [])
        return posts[asked.path.strip("/")]

    return script


def remote(
    make_container: MakeContainer, vtn: ScriptedVtn, vens: int = 1, **settings: Any
) -> Container:
    container = make_container(vtn={"base_url": vtn.base_url, **settings})
    container.fleet.repository().save(sample_fleet(vens=vens, resources_per_ven=1))
    return container


def test_a_shared_token_is_told_why_its_second_ven_is_refused(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    vtn = scripted_vtn(lists(vens=Answer(409, {"title": "conflict"})))
    container = remote(make_container, vtn, bearer_token="t")

    with pytest.raises(VtnRejected, match=r"\{ven_name\} in VTN__CLIENT_ID"):
        container.ven_manager().register_load_ven("Aalborg")


def test_403_means_that_the_operator_must_provision_the_ven(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    container = remote(make_container, scripted_vtn(lists(vens=Answer(403))))

    with pytest.raises(VtnUnauthorised, match="operator must provision it"):
        container.ven_manager().register_load_ven("Aalborg")


def test_a_creation_whose_answer_was_lost_is_looked_up(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    made: dict[str, list[dict[str, str]]] = {"/vens": [], "/resources": []}

    def script(asked: ReceivedRequest) -> Answer:
        if asked.path == "/vens/made":
            return Answer(200, made["/vens"][0])
        if asked.method == "GET":
            return Answer(200, made.get(asked.path, []))
        name = {"/vens": "venName", "/resources": "resourceName"}[asked.path]
        made[asked.path].append({"id": "made", name: json.loads(asked.body)[name]})
        return Answer(broken=True)

    vtn = scripted_vtn(script)
    container = remote(make_container, vtn)

    container.ven_manager().register_load_ven("Aalborg")

    assert len(vtn.of("POST", "/vens")) == len(vtn.of("POST", "/resources")) == 1
    assert container.fleet.repository().summaries()[0].approved == 1


def test_one_ven_that_fails_does_not_stop_the_others(
    vtn: EmbeddedVtn,
    make_container: MakeContainer,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    container, _ = at(vtn, make_container)
    container.platform.monotonic.override(clock.monotonic)
    container.fleet.repository().save(sample_fleet(vens=4, resources_per_ven=1))
    taken = vtn.store.add("VEN", {"venName": "Aarhus"}, client_id="somebody", name="Aarhus")

    with caplog.at_level(logging.WARNING, logger="app"):
        result = container.ven_manager().enrol()
        container.ven_manager().enrol()

    assert len(result.enrolled) == 3
    assert list(result.failed) == ["Aarhus"]
    assert caplog.text.count("VEN Aarhus: ") == 1, "said once, not each time"
    assert "Traceback" not in caplog.text

    vtn.store.remove("VEN", taken["id"])
    clock.advance(seconds=MAX_PAUSE_S)
    container.ven_manager().heartbeat()

    assert container.fleet.repository().pending_vens() == []


def test_an_unreachable_vtn_is_asked_once_and_not_for_every_ven(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    vtn = scripted_vtn(lambda _: Answer(503))
    container = remote(make_container, vtn, vens=50, max_connections=1)
    container.openadr.http()._backoff_s = 0.001

    result = container.ven_manager().enrol()

    assert result.outage is not None
    assert len(vtn.asked) == 3, "one listing, repeated"


def test_shared_credentials_list_the_vens_once_for_all(
    make_container: MakeContainer, scripted_vtn: MakeVtn
) -> None:
    vens = [
        {"id": f"v-{name}", "venName": name} for name in sample_fleet(vens=10, resources_per_ven=0)
    ]

    def script(asked: ReceivedRequest) -> Answer:
        if asked.path == "/vens":
            return Answer(200, vens)
        if asked.method == "GET":
            return Answer(200, [])
        return Answer(201, {"id": "r"})

    server = scripted_vtn(script)
    container = remote(make_container, server, vens=10, bearer_token="t")

    result = container.ven_manager().enrol()

    assert len(result.enrolled) == 10
    lists = [asked for asked in server.of("GET", "/vens") if asked.query["skip"] == ["0"]]
    assert len(lists) == 2, "to be enrolled, and to learn their targets"


def test_two_vens_with_one_client_id_stop_the_enrolment(make_container: MakeContainer) -> None:
    container = make_container()
    container.fleet.repository().save({"Års": [], "Aars": []})

    with pytest.raises(ValueError, match=r"'Aars' and 'Års'"):
        container.ven_manager().enrol()


def test_progress_is_told(vtn: EmbeddedVtn, make_container: MakeContainer) -> None:
    container, _ = at(vtn, make_container)
    container.fleet.repository().save(sample_fleet(vens=3, resources_per_ven=1))
    told: list[tuple[int, int]] = []

    container.ven_manager().enrol(progress=lambda tried, total: told.append((tried, total)))

    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_ven_object_of_another_ven_is_not_taken_over(
    vtn: EmbeddedVtn, make_container: MakeContainer
) -> None:
    container, _ = at(vtn, make_container)
    container.ven_manager().register_load_ven("Aeroe")

    with pytest.raises(ValueError, match="'Ærø' is the same client as VEN 'Aeroe'"):
        container.ven_manager().register_load_ven("Ærø")


def test_an_enrolment_knows_of_vens_that_were_enrolled_since_its_listing(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    """Even at a VTN that would take one name twice."""
    made: list[dict[str, str]] = []

    def script(asked: ReceivedRequest) -> Answer:
        if asked.path != "/vens":
            return Answer(200, [])
        if asked.method == "POST":
            made.append({"id": f"v{len(made)}", "venName": json.loads(asked.body)["venName"]})
            return Answer(201, made[-1])
        return Answer(200, made)

    container = make_container(vtn={"base_url": scripted_vtn(script).base_url, "bearer_token": "t"})
    enrolment = container.fleet.enrolment()
    container.fleet.repository().ensure_ven("Aarhus")
    enrolment.enrol("Aarhus")

    enrolment.enrol("Aarhus", listed=Listed([]))

    assert len(made) == 1


def test_a_vtn_that_fails_for_every_ven_is_not_asked_for_all_of_them(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    vtn = scripted_vtn(lambda _: Answer(503))
    container = remote(make_container, vtn, vens=30, client_id="{ven_name}", client_secret="s")
    provider(container, "openadr.http").add_kwargs(backoff_s=0.001)

    result = container.ven_manager().enrol()

    assert result.outage is not None
    assert len(result.failed) < 30
