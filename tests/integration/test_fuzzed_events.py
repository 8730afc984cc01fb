"""Whatever events a VTN serves, each is applied or named, and the fleet goes on."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest
from dependency_injector import providers
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.fleet import sample_fleet
from app.openadr import (
    Event,
    Page,
    Program,
    SharedReadings,
    Targets,
    VtnResource,
    VtnVen,
    read_event,
)
from app.openadr.wire import read_each
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.fuzz import bent, drawn
from tests.support.openapi import OpenApi, official_file
from tests.support.polls import pages_of

pytestmark = pytest.mark.rest

EVENTS = int(os.environ.get("FUZZED_EVENTS", "600"))
"""How many; `make soak` tries 10,000."""
AT_ONCE = 20


class Vtn:
    """A VTN in memory that serves these events, and takes every report."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.refused: list[str] = []

    def client(self, ven_name: str) -> Client:
        return Client(self, ven_name)


class Client:
    """Reads what the VTN serves as the real client does."""

    lists_all_resources = False

    def __init__(self, vtn: Vtn, ven_name: str) -> None:
        self._vtn = vtn
        self.ven_name = self.identity = ven_name

    def vens(self) -> list[VtnVen]:
        return [VtnVen(ven_id="v1", ven_name=self.ven_name)]

    def ven(self, ven_id: str) -> VtnVen:
        return VtnVen(ven_id=ven_id, ven_name=self.ven_name, targets=frozenset({"a"}))

    def resources(self, ven_id: str) -> list[VtnResource]:  # noqa: ARG002
        return []

    def create_resource(self, ven_id: str, name: str, attributes: object) -> VtnResource:  # noqa: ARG002
        return VtnResource(resource_id="r1", resource_name=name)

    def programs(self, targets: Targets, shared: SharedReadings) -> list[Page[Program]]:  # noqa: ARG002
        return []

    def events(self, targets: Targets, shared: SharedReadings) -> list[Page[Event]]:  # noqa: ARG002
        return pages_of(read_each(self._vtn.events, read_event, self._vtn.refused.append))

    def event(self, event_id: str) -> None:
        del event_id

    def post_report(self, body: bytes, program_id: str) -> None:
        assert body
        assert program_id


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return OpenApi(official_file()).document


def test_no_event_stops_the_fleet(
    document: dict[str, Any],
    make_container: MakeContainer,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vtn = Vtn()
    container = make_container()
    container.platform.clock.override(clock)
    container.platform.monotonic.override(clock.monotonic)
    container.openadr.client_for.override(providers.Object(vtn.client))
    container.fleet.repository().save(sample_fleet(vens=1, resources_per_ven=8))
    manager, simulator = container.ven_manager(), container.simulator()
    manager.enrol()
    (ven,) = manager.vens
    tried = 0
    schema = document["components"]["schemas"]["eventRequest"]

    @settings(
        max_examples=max(EVENTS // AT_ONCE, 1),
        deadline=None,
        phases=[Phase.generate],  # the fleet knows what came before: no smaller case is the same
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(bent(drawn(document, schema)), min_size=AT_ONCE, max_size=AT_ONCE))
    def try_(events: list[Any]) -> None:
        nonlocal tried
        vtn.events = [{**event, "id": f"e{tried + n}"} for n, event in enumerate(events)]
        vtn.refused.clear()
        tried += len(events)

        manager.poll_events()
        applied = container.events.store().of_ven(ven.ven_name)
        clock.advance(seconds=30)
        simulator.increase_time()
        manager.generate_reports()

        known = {seen.event.event_id for seen in applied}
        assert len(known) + len(vtn.refused) == len(events)
        for event in vtn.events:
            named = sum(repr(event["id"]) in line for line in vtn.refused)
            assert named == (event["id"] not in known)

    with caplog.at_level(logging.WARNING, logger="app"):
        try_()

    assert tried >= EVENTS
    assert "defect" not in caplog.text
    assert "Traceback" not in caplog.text
