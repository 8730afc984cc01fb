"""What is taken out of the fleet loses nothing that it owes, whatever stands between."""

from __future__ import annotations

import pytest

from app.vens import Removal
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.changing_fleet import (
    PUMP,
    ask_for_ten_minutes,
    at_vtn,
    remove,
    reported_by,
    vens,
)
from tests.support.fakes import FakeClock
from tests.support.workbench import RESOURCES, SAMPLE, Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def bench(bench_of_each_version: Bench) -> Bench:
    return bench_of_each_version


USAGE = {"payloadType": "USAGE"}
EACH = {**USAGE, "numIntervals": 1, "frequency": 1, "repeat": 3, "startInterval": 0}


class TestWhatIsOwed:
    """No reading is lost, whatever reports it stands in, and whenever they are due."""

    @pytest.mark.parametrize(
        "kind", ["STORAGE_CHARGE_LEVEL", "STORAGE_USABLE_CAPACITY", "UP_REGULATION_AVAILABLE"]
    )
    @pytest.mark.parametrize("fault", [None, "lost request", "lost answer"])
    def test_what_is_told_by_limits_is_told_all_the_same(
        self, bench: Bench, kind: str, fault: str | None
    ) -> None:
        bench.ask({"payloadType": kind, "frequency": 0})
        bench.manager.poll_events()
        bench.tick()
        bench.transport.faults.extend([] if fault is None else [fault] * len(SAMPLE))
        if fault is not None:
            bench.manager.generate_reports()
        remove(bench, "Aarhus")
        for _ in range(3):
            bench.clock.advance(minutes=1)
            bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert reported_by(bench, "Aarhus", kind) == reported_by(bench, "Aalborg", kind) > 0

    @pytest.mark.parametrize("status", [401, 429])
    def test_a_report_that_is_due_is_waited_for(self, bench: Bench, status: int) -> None:
        ask_for_ten_minutes(bench, 3, EACH)
        bench.transport.refused["Aarhus"] = status
        bench.tick(21)
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.tick()
        bench.manager.generate_reports()
        assert "Aarhus" in vens(bench)

        bench.transport.refused.clear()
        bench.wait_out_holds()
        bench.tick(20)
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert reported_by(bench, "Aarhus", "USAGE") >= RESOURCES

    def test_so_is_one_that_is_due_later_and_has_some_of_its_readings(self, bench: Bench) -> None:
        ask_for_ten_minutes(bench, 4, USAGE)
        bench.tick(65)
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        assert "Aarhus" in vens(bench)

        bench.tick(20)
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert reported_by(bench, "Aarhus", "USAGE") > 0

    def test_a_report_about_nobody_else_is_waited_for(self, bench: Bench) -> None:
        resource = at_vtn(bench)
        bench.vtn.store.replace("RESOURCE", resource, {**resource, "targets": ["pumps"]})
        ask_for_ten_minutes(bench, 4, {**USAGE, "targets": ["pumps"]})
        bench.tick(65)
        bench.manager.generate_reports()
        remove(bench, "Aarhus", PUMP)
        bench.tick()
        bench.manager.generate_reports()
        assert bench.container.fleet.repository().resource("Aarhus", PUMP) is not None

        bench.tick(20)
        bench.manager.poll_events()
        bench.manager.generate_reports()

        assert bench.container.fleet.repository().resource("Aarhus", PUMP) is None
        assert reported_by(bench, "Aarhus", "USAGE") > 0

    def test_the_rest_of_a_report_in_parts_is_waited_for(
        self, make_container: MakeContainer, vtn: EmbeddedVtn, clock: FakeClock
    ) -> None:
        container = make_container(
            vtn={"embedded_port": vtn.port}, reporting={"max_readings_per_report": 2}
        )
        bench = Bench(container, vtn, clock)
        bench.enrol()
        ask_for_ten_minutes(bench, 3, EACH)
        bench.tick(20)
        parts: list[bytes] = []

        def second_is_refused(body: bytes) -> None:
            if b'"clientName":"Aarhus"' in body:
                parts.append(body)
                bench.transport.refused = {"Aarhus": 429} if len(parts) > 1 else {}

        bench.transport.on_report = second_is_refused
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.tick()

        left = bench.container.vens.removals().settle(alone=True)

        assert [ven.ven_name for ven in left] == ["Aarhus"]

    @pytest.mark.parametrize("status", [401, 403, 429])
    def test_a_ven_that_is_held_and_owes_nothing_goes(self, bench: Bench, status: int) -> None:
        bench.ask({"payloadType": "USAGE_FORECAST", "frequency": 0, "numIntervals": -1})
        bench.manager.poll_events()
        bench.tick()
        bench.transport.refused["Aarhus"] = status
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.transport.refused.clear()
        for _ in range(3):
            bench.wait_out_holds()
            bench.tick()
            bench.manager.poll_events()
            bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]

    def test_what_it_is_asked_for_after_it_was_removed_is_not_waited_for(
        self, bench: Bench
    ) -> None:
        ask_for_ten_minutes(bench, 3, EACH)
        bench.tick(19)
        remove(bench, "Aarhus")
        bench.tick(2)
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]

    def test_an_event_that_is_gone_is_heard_of(self, bench: Bench) -> None:
        bench.transport.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        for event in bench.vtn.store.select("EVENT"):
            bench.vtn.store.remove("EVENT", event["id"])
        bench.transport.refused.clear()
        for _ in range(10):
            bench.clock.advance(hours=12)
            bench.manager.poll_events()
            bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert bench.container.streams.losses().all()["expired"] >= 2 * RESOURCES

    def test_what_is_given_up_is_what_the_question_said(self, bench: Bench) -> None:
        """With what was set aside, and what an event that is over left."""
        bench.tick()
        bench.transport.refused["Aarhus"] = 400
        bench.manager.generate_reports()
        bench.transport.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        removal = Removal(ven_name="Aarhus", drop_owed=True)
        asked = bench.container.vens.removals().owed(removal)
        bench.container.vens.removals().begin(removal)
        bench.manager.generate_reports()

        assert asked == 3 * RESOURCES
        assert bench.container.streams.losses().all() == {"dropped": 3 * RESOURCES}
