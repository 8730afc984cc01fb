"""A removal beside an import, an enrolment, a poll, and a VTN that fails it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.fleet import Status, sample_fleet
from app.openadr import Answer
from app.vens import Removal
from app.vens.removals import A_TICK
from tests.support.changing_fleet import (
    PUMP,
    at_vtn,
    pump_of,
    remove,
    reported_by,
    vens,
    vens_at_vtn,
)
from tests.support.workbench import RESOURCES, SAMPLE, TICK, Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def bench(bench_of_each_version: Bench) -> Bench:
    return bench_of_each_version


class TestAnImportMeanwhile:
    """Whoever imports a VEN again has it."""

    def again(self, bench: Bench, ven_name: str) -> None:
        repository = bench.container.fleet.repository()
        repository.save({ven_name: [resource for _, resource in repository.resources(ven_name)]})

    @pytest.mark.parametrize("ven_name", ["Aalborg", "Esbjerg"])
    def test_it_stays_while_it_or_another_one_is_removed(self, bench: Bench, ven_name: str) -> None:
        done: list[str] = []

        def instead(method: str, _: str) -> None:
            if method == "DELETE" and not done:
                done.append("imported")
                self.again(bench, ven_name)

        remove(bench, "Aalborg")
        remove(bench, "Esbjerg")
        bench.transport.instead = instead
        bench.manager.generate_reports()
        bench.manager.heartbeat()
        bench.tick()
        bench.manager.generate_reports()

        assert vens(bench) == sorted({"Aarhus", ven_name}, key=sorted(SAMPLE).index)
        assert vens_at_vtn(bench) == vens(bench)
        assert reported_by(bench, ven_name, "READING") == RESOURCES

    def test_what_is_gone_at_the_vtn_already_is_made_anew(self, bench: Bench) -> None:
        def resources_only(method: str, path: str) -> Answer | None:
            if method == "DELETE" and "/resources/" not in path:
                return Answer(status=503, headers={}, content=b"{}")
            return None

        bench.transport.instead = resources_only
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        bench.transport.instead = lambda *_: None
        self.again(bench, "Aarhus")
        bench.wait_out_holds()
        bench.manager.heartbeat()

        assert len(bench.vtn.store.select("RESOURCE")) == TICK
        assert pump_of(bench).status is Status.APPROVED

    def test_a_resource_that_was_removed_of_itself_goes_all_the_same(self, bench: Bench) -> None:
        repository = bench.container.fleet.repository()
        remove(bench, "Aarhus", PUMP)
        remove(bench, "Aarhus")
        others = [
            resource
            for _, resource in repository.resources("Aarhus")
            if resource.resource_name != PUMP
        ]
        repository.save({"Aarhus": others})
        bench.manager.heartbeat()
        bench.manager.generate_reports()

        assert repository.resource("Aarhus", PUMP) is None
        assert len(list(repository.resources("Aarhus"))) == RESOURCES - 1

    def test_nothing_is_told_twice_of_one_that_comes_back(self, bench: Bench) -> None:
        """An event that asks for what was before it begins anew with who is new."""
        bench.ask(
            {"payloadType": "READING", "frequency": 0, "startInterval": 0},
            intervalPeriod={"start": bench.clock.now.isoformat(), "duration": "PT2H"},
        )
        bench.manager.poll_events()
        bench.tick(2)
        bench.manager.generate_reports()
        repository = bench.container.fleet.repository()
        fleet = {
            "Aarhus": [
                replace(resource, status=Status.PENDING, vtn_resource_id=None)
                for _, resource in repository.resources("Aarhus")
            ]
        }
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        assert "Aarhus" not in vens(bench)
        repository.save(fleet)
        bench.manager.heartbeat()
        bench.tick()
        bench.manager.generate_reports()

        bench.assert_each_once(3 * TICK)

    def test_an_enrolment_under_way_brings_back_nobody(self, bench: Bench) -> None:
        sample = sample_fleet(vens=1, resources_per_ven=2)["Aalborg"]
        bench.container.fleet.repository().save({"Vejle": sample})
        done: list[str] = []

        def instead(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/vens") and not done:
                done.append("removed")
                remove(bench, "Vejle")
                bench.container.vens.removals().settle()

        bench.transport.instead = instead
        bench.manager.enrol(pending_only=True)
        bench.manager.generate_reports()

        assert "Vejle" not in vens(bench)
        assert "Vejle" not in vens_at_vtn(bench)
        assert len(bench.vtn.store.select("RESOURCE")) == TICK

    def test_what_was_enrolled_in_part_goes_in_whole(self, bench: Bench) -> None:
        sample = sample_fleet(vens=1, resources_per_ven=3)["Aalborg"]
        bench.container.fleet.repository().save({"Vejle": sample})
        created: list[str] = []

        def third_is_refused(method: str, path: str) -> Answer | None:
            if method == "POST" and path.endswith("/resources"):
                created.append(path)
                if len(created) == 3:
                    return Answer(status=400, headers={}, content=b"{}")
            return None

        bench.transport.instead = third_is_refused
        bench.manager.enrol(pending_only=True)
        assert "Vejle" in vens_at_vtn(bench)
        bench.wait_out_holds()
        remove(bench, "Vejle")
        bench.manager.generate_reports()

        assert "Vejle" not in vens(bench)
        assert "Vejle" not in vens_at_vtn(bench)
        assert len(bench.vtn.store.select("RESOURCE")) == TICK

    def test_a_poll_under_way_opens_nothing(self, bench: Bench) -> None:
        begun: list[str] = []

        def instead(method: str, path: str) -> None:
            if method == "GET" and path.endswith("/events") and not begun:
                begun.append("polled")
                remove(bench, "Aarhus", keep_at_vtn=True)
                bench.container.vens.removals().settle()

        bench.ask({"payloadType": "READING", "frequency": 0})
        bench.transport.instead = instead
        bench.manager.poll_events()
        for _ in range(12):
            bench.tick()
            bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        streams = bench.container.streams.store().open_streams()
        assert "Aarhus" not in {stream.ven_name for stream in streams}


class TestAVtnThatFailsRemovals:
    def test_deliveries_do_not_wait_for_them(self, bench: Bench) -> None:
        bench.enrol(vens=30, resources_per_ven=1)
        for name in vens(bench)[:27]:
            bench.container.vens.removals().begin(Removal(ven_name=name))
        bench.clock.advance(seconds=A_TICK.total_seconds())

        def slow(method: str, _: str) -> Answer | None:
            if method != "DELETE":
                return None
            bench.clock.advance(seconds=10)
            return Answer(status=429, headers={}, content=b"{}")

        bench.transport.instead = slow
        before = bench.clock.now
        bench.manager.generate_reports()

        assert (bench.clock.now - before).total_seconds() <= 30, "the attempts of one request"

    @pytest.mark.parametrize("status", [401, 429, 500, 503])
    def test_they_are_said(self, bench: Bench, status: int) -> None:
        bench.transport.instead = lambda method, _: (
            Answer(status=status, headers={}, content=b"{}") if method == "DELETE" else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        bench.clock.advance(hours=1)

        warnings = bench.container.ops.health().readiness().warnings
        assert any(line.startswith("VEN Aarhus: to be removed") for line in warnings)

    @pytest.mark.parametrize("status", [400, 405, 406, 410, 415, 451, 501])
    def test_a_plain_no_ends_it(self, bench: Bench, status: int) -> None:
        bench.transport.instead = lambda method, _: (
            Answer(status=status, headers={}, content=b'{"title": "no"}')
            if method == "DELETE"
            else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]

    def test_what_was_asked_for_first_holds(self, bench: Bench) -> None:
        bench.transport.refused["Aarhus"] = 429
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus", keep_at_vtn=True)
        bench.manager.generate_reports()
        remove(bench, "Aarhus", drop_owed=True)
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert "Aarhus" in vens_at_vtn(bench)

    def test_those_behind_one_that_waits_have_their_turn(self, bench: Bench) -> None:
        """Looking at one takes all the time that there is."""

        def slow(method: str, _: str) -> Answer | None:
            if method != "DELETE":
                return None
            bench.clock.advance(seconds=3)
            return Answer(status=429, headers={}, content=b"{}")

        for name in ("Aalborg", "Aarhus"):
            remove(bench, name)
        remove(bench, "Esbjerg", keep_at_vtn=True)
        bench.transport.instead = slow
        for _ in range(3):
            bench.manager.generate_reports()

        assert "Esbjerg" not in vens(bench)

    def test_one_that_does_not_let_one_object_go_lets_others(self, bench: Bench) -> None:
        kept = at_vtn(bench)["id"]
        bench.transport.instead = lambda method, path: (
            Answer(status=403, headers={}, content=b"{}")
            if method == "DELETE" and path.endswith(kept)
            else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()

        assert vens_at_vtn(bench) == ["Aalborg", "Esbjerg"]

    def test_a_404_of_a_proxy_is_none_of_the_vtns(self, bench: Bench) -> None:
        bench.transport.instead = lambda method, _: (
            Answer(status=404, headers={}, content=b"no route") if method == "DELETE" else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()

        assert "Aarhus" in vens(bench)
