"""What is taken out of the fleet is metered no more, and goes when nothing of it is owed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.fleet import (
    THE_VEN,
    FleetRepository,
    Removal,
    Resource,
    Status,
    Told,
    sample_fleet,
)
from app.fleet.removals import A_TICK
from app.openadr import Answer
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.workbench import RESOURCES, SAMPLE, TICK, Bench

PUMP = "Aarhus-01-heat-pump"


@pytest.fixture(params=["3.1.0", "3.0.1"])
def bench(
    request: pytest.FixtureRequest,
    vtn: EmbeddedVtn,
    make_container: MakeContainer,
    clock: FakeClock,
) -> Bench:
    settings = {"embedded_port": vtn.port, "api_version": request.param}
    made = Bench(make_container(vtn=settings), vtn, clock)
    made.enrol()
    return made


def pump_of(bench: Bench) -> Resource:
    found: Resource | None = bench.container.repository().resource("Aarhus", PUMP)
    assert found is not None
    return found


def import_(bench: Bench, **changed: Any) -> None:
    repository: FleetRepository = bench.container.repository()
    repository.save({"Aarhus": [replace(pump_of(bench), **changed)]})


def at_vtn(bench: Bench, name: str = PUMP) -> dict[str, Any]:
    (found,) = [
        each
        for each in bench.vtn.store.select("RESOURCE", limit=1_000)
        if each["resourceName"] == name
    ]
    return found


def attributes_at_vtn(bench: Bench) -> dict[str, Any]:
    return {each["type"]: each["values"] for each in at_vtn(bench)["attributes"]}


def puts(bench: Bench) -> int:
    return sum(each.method == "PUT" for each in bench.exchange.requests)


def remove(bench: Bench, ven_name: str, resource_name: str = THE_VEN, **how: bool) -> None:
    removal = Removal(ven_name=ven_name, resource_name=resource_name, **how)
    bench.container.removals().begin(removal)
    bench.clock.advance(seconds=A_TICK.total_seconds())


def vens(bench: Bench) -> list[str]:
    return list(bench.container.repository().ven_names())


def vens_at_vtn(bench: Bench) -> list[str]:
    return sorted(each["venName"] for each in bench.vtn.store.select("VEN"))


class TestAVenThatIsRemoved:
    def test_it_is_metered_no_more_and_what_it_owes_is_delivered_first(self, bench: Bench) -> None:
        bench.exchange.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.tick(2)
        bench.manager.generate_reports()
        assert "Aarhus" in vens(bench), "it owes two ticks"

        bench.exchange.refused.clear()
        bench.wait_out_holds()
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        bench.assert_each_once(4 * TICK - 2 * RESOURCES)

    def test_the_vtn_has_it_no_more(self, bench: Bench) -> None:
        remove(bench, "Aarhus")
        bench.manager.generate_reports()

        assert vens_at_vtn(bench) == ["Aalborg", "Esbjerg"]
        assert len(bench.vtn.store.select("RESOURCE")) == 2 * RESOURCES

    def test_or_keeps_it(self, bench: Bench) -> None:
        remove(bench, "Aarhus", keep_at_vtn=True)
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert vens_at_vtn(bench) == sorted(SAMPLE)

    def test_what_it_owes_may_be_lost(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        bench.exchange.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus", drop_owed=True)
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert f"VEN Aarhus is removed; {2 * RESOURCES} readings that were owed are lost" in (
            caplog.text
        )
        assert bench.container.tally().all() == {"dropped": 2 * RESOURCES}
        assert bench.waiting() == 0

    def test_nothing_of_it_is_left(self, bench: Bench) -> None:
        bench.tick()
        bench.exchange.refused["Aarhus"] = 400
        bench.manager.generate_reports()
        remove(bench, "Aarhus", drop_owed=True)
        for _ in range(12):  # until its frames are pruned
            bench.tick()
            bench.manager.generate_reports()

        with bench.container.database().read() as connection:
            for table in ("event", "ven_view", "stream", "set_aside", "enrolled_again", "removal"):
                rows = connection.exec_driver_sql(
                    f"SELECT count(*) FROM {table} WHERE ven_name = 'Aarhus'"
                )
                assert rows.scalar_one() == 0, table
        assert "Aarhus" not in bench.container.events().ven_names()
        bench.manager.heartbeat()
        assert bench.container.health().readiness().warnings == ()

    def test_reports_that_were_set_aside_stay_where_nothing_is_given_up(self, bench: Bench) -> None:
        bench.tick()
        bench.exchange.refused["Aarhus"] = 400
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        assert vens(bench) == ["Aalborg", "Esbjerg"]

        bench.exchange.refused.clear()
        bench.retry()
        bench.manager.generate_reports()

        bench.assert_each_once(TICK)

    def test_a_report_in_doubt_is_looked_for_first(self, bench: Bench) -> None:
        bench.tick()
        bench.exchange.faults.extend(["lost answer"] * len(SAMPLE))
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        for _ in range(3):
            bench.clock.advance(minutes=1)
            bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        bench.assert_each_once(TICK)

    def test_one_that_the_vtn_does_not_let_go_is_said(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.exchange.instead = lambda method, _: (
            Answer(status=403, headers={}, content=b"{}") if method == "DELETE" else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert "VEN Aarhus: the VTN does not let it go" in caplog.text

    def test_where_the_vtn_does_not_answer_it_goes_later(self, bench: Bench) -> None:
        bench.exchange.instead = lambda method, _: (
            Answer(status=503, headers={}, content=b"{}") if method == "DELETE" else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        assert "Aarhus" in vens(bench)

        bench.exchange.instead = lambda *_: None
        bench.wait_out_holds()
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert vens_at_vtn(bench) == ["Aalborg", "Esbjerg"]

    def test_one_that_the_vtn_fails_is_said_and_tried_seldom(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        tried = []

        def refuse(method: str, path: str) -> Answer | None:
            if method == "DELETE":
                tried.append(path)
                return Answer(status=429, headers={}, content=b"{}")
            return None

        bench.exchange.instead = refuse
        remove(bench, "Aarhus")
        for _ in range(20):
            bench.clock.advance(seconds=1)
            bench.manager.generate_reports()
        bench.manager.heartbeat()

        assert 1 < len(tried) < 20, "three requests each time"
        assert "VEN Aarhus: its requests are held" in caplog.text

    def test_the_readings_of_a_tick_that_had_begun_are_delivered(self, bench: Bench) -> None:
        """Metering has read the fleet, and stores what it metered after the removal began."""
        bench.tick()
        bench.manager.generate_reports()
        late = bench.container.simulator().next_frame()
        bench.container.removals().begin(Removal(ven_name="Aarhus"))
        bench.manager.generate_reports()
        bench.container.frames().append(late)
        bench.clock.advance(seconds=A_TICK.total_seconds())
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        bench.assert_each_once(2 * TICK)

    def test_the_last_one_of_a_fleet_goes_too(self, bench: Bench) -> None:
        bench.tick()
        for name in SAMPLE:
            remove(bench, name)
        bench.tick()
        bench.manager.generate_reports()

        assert vens(bench) == []
        bench.assert_each_once(TICK)

    def test_it_is_not_enrolled_again(self, bench: Bench) -> None:
        bench.exchange.refused["Aarhus"] = 503
        bench.tick()
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        for each in bench.vtn.store.select("VEN"):
            if each["venName"] == "Aarhus":
                bench.vtn.store.remove("VEN", each["id"])
        for _ in range(3):
            bench.clock.advance(minutes=5)
            bench.manager.heartbeat()

        assert vens_at_vtn(bench) == ["Aalborg", "Esbjerg"]

    def test_one_that_is_imported_again_stays(self, bench: Bench) -> None:
        bench.exchange.refused["Aarhus"] = 503
        bench.tick()
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        import_(bench)
        bench.exchange.refused.clear()
        bench.wait_out_holds()
        bench.manager.heartbeat()
        bench.manager.generate_reports()
        bench.tick()
        bench.manager.generate_reports()

        assert vens(bench) == sorted(SAMPLE)
        assert len(vens_at_vtn(bench)) == len(SAMPLE)
        bench.assert_each_once(2 * TICK)


class TestAResourceThatIsRemoved:
    def test_it_goes_and_its_readings_arrive(self, bench: Bench) -> None:
        bench.exchange.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus", PUMP)
        bench.tick()
        bench.manager.generate_reports()
        assert pump_of(bench).status is Status.REMOVED

        bench.exchange.refused.clear()
        bench.wait_out_holds()
        bench.manager.generate_reports()

        assert bench.container.repository().resource("Aarhus", PUMP) is None
        assert len(bench.vtn.store.select("RESOURCE")) == TICK - 1
        bench.assert_each_once(3 * TICK - 1)

    def test_the_others_go_on(self, bench: Bench) -> None:
        remove(bench, "Aarhus", PUMP)
        bench.manager.generate_reports()
        bench.tick()
        bench.manager.heartbeat()
        bench.manager.generate_reports()

        bench.assert_each_once(TICK - 1)
        assert bench.container.repository().resource("Aarhus", PUMP) is None

    def test_one_that_is_imported_again_stays(self, bench: Bench) -> None:
        remove(bench, "Aarhus", PUMP)
        bench.container.repository().save({"Aarhus": [pump_of(bench)]})
        bench.manager.heartbeat()
        bench.manager.generate_reports()
        bench.tick()
        bench.manager.generate_reports()

        assert pump_of(bench).status is Status.APPROVED
        bench.assert_each_once(TICK)


USAGE = {"payloadType": "USAGE"}
EACH = {**USAGE, "numIntervals": 1, "frequency": 1, "repeat": 3, "startInterval": 0}


def ask_for_ten_minutes(bench: Bench, times: int, descriptor: dict[str, Any]) -> None:
    """An event of so many intervals of ten minutes, from now on."""
    price = {"type": "PRICE", "values": [1.0]}
    bench.ask(
        descriptor,
        intervalPeriod={"start": bench.clock.now.isoformat(), "duration": "PT10M"},
        intervals=[{"id": number, "payloads": [price]} for number in range(times)],
    )
    bench.manager.poll_events()


def told_by(bench: Bench, ven_name: str, payload_type: str) -> int:
    """How many values of a type the VTN has of a VEN's resources."""
    found = bench.readings(payload_type)
    return sum(count for (name, _), count in found.items() if name.startswith(ven_name))


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
        bench.exchange.faults.extend([] if fault is None else [fault] * len(SAMPLE))
        if fault is not None:
            bench.manager.generate_reports()
        remove(bench, "Aarhus")
        for _ in range(3):
            bench.clock.advance(minutes=1)
            bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert told_by(bench, "Aarhus", kind) == told_by(bench, "Aalborg", kind) > 0

    @pytest.mark.parametrize("status", [401, 429])
    def test_a_report_that_is_due_is_waited_for(self, bench: Bench, status: int) -> None:
        ask_for_ten_minutes(bench, 3, EACH)
        bench.exchange.refused["Aarhus"] = status
        bench.tick(21)
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.tick()
        bench.manager.generate_reports()
        assert "Aarhus" in vens(bench)

        bench.exchange.refused.clear()
        bench.wait_out_holds()
        bench.tick(20)
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert told_by(bench, "Aarhus", "USAGE") >= RESOURCES

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
        assert told_by(bench, "Aarhus", "USAGE") > 0

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
        bench.exchange.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        for event in bench.vtn.store.select("EVENT"):
            bench.vtn.store.remove("EVENT", event["id"])
        bench.exchange.refused.clear()
        for _ in range(10):
            bench.clock.advance(hours=12)
            bench.manager.poll_events()
            bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert bench.container.tally().all()["expired"] >= 2 * RESOURCES

    def test_what_is_given_up_is_what_the_question_said(self, bench: Bench) -> None:
        """With what was set aside, and what an event that is over left."""
        bench.tick()
        bench.exchange.refused["Aarhus"] = 400
        bench.manager.generate_reports()
        bench.exchange.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        removal = Removal(ven_name="Aarhus", drop_owed=True)
        asked = bench.container.removals().owed(removal)
        bench.container.removals().begin(removal)
        bench.manager.generate_reports()

        assert asked == 3 * RESOURCES
        assert bench.container.tally().all() == {"dropped": 3 * RESOURCES}


class TestAnImportMeanwhile:
    """Whoever imports a VEN again has it."""

    def again(self, bench: Bench, ven_name: str) -> None:
        repository = bench.container.repository()
        repository.save({ven_name: [each for _, each in repository.resources(ven_name)]})

    @pytest.mark.parametrize("ven_name", ["Aalborg", "Esbjerg"])
    def test_it_stays_while_it_or_another_one_is_removed(self, bench: Bench, ven_name: str) -> None:
        done: list[str] = []

        def instead(method: str, _: str) -> None:
            if method == "DELETE" and not done:
                done.append("imported")
                self.again(bench, ven_name)

        remove(bench, "Aalborg")
        remove(bench, "Esbjerg")
        bench.exchange.instead = instead
        bench.manager.generate_reports()
        bench.manager.heartbeat()
        bench.tick()
        bench.manager.generate_reports()

        assert vens(bench) == sorted({"Aarhus", ven_name}, key=sorted(SAMPLE).index)
        assert vens_at_vtn(bench) == vens(bench)
        assert told_by(bench, ven_name, "READING") == RESOURCES

    def test_what_is_gone_at_the_vtn_already_is_made_anew(self, bench: Bench) -> None:
        def resources_only(method: str, path: str) -> Answer | None:
            if method == "DELETE" and "/resources/" not in path:
                return Answer(status=503, headers={}, content=b"{}")
            return None

        bench.exchange.instead = resources_only
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        bench.exchange.instead = lambda *_: None
        self.again(bench, "Aarhus")
        bench.wait_out_holds()
        bench.manager.heartbeat()

        assert len(bench.vtn.store.select("RESOURCE")) == TICK
        assert pump_of(bench).status is Status.APPROVED

    def test_a_resource_that_was_removed_of_itself_goes_all_the_same(self, bench: Bench) -> None:
        repository = bench.container.repository()
        remove(bench, "Aarhus", PUMP)
        remove(bench, "Aarhus")
        others = [each for _, each in repository.resources("Aarhus") if each.resource_name != PUMP]
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
        repository = bench.container.repository()
        fleet = {
            "Aarhus": [
                replace(each, status=Status.PENDING, vtn_resource_id=None)
                for _, each in repository.resources("Aarhus")
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
        bench.container.repository().save({"Vejle": sample})
        done: list[str] = []

        def instead(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/vens") and not done:
                done.append("removed")
                remove(bench, "Vejle")
                bench.container.removals().settle()

        bench.exchange.instead = instead
        bench.manager.enrol(pending_only=True)

        assert "Vejle" not in vens(bench)


class TestAVtnThatFailsRemovals:
    def test_deliveries_do_not_wait_for_them(self, bench: Bench) -> None:
        bench.enrol(vens=30, resources_per_ven=1)
        for name in vens(bench)[:27]:
            bench.container.removals().begin(Removal(ven_name=name))
        bench.clock.advance(seconds=A_TICK.total_seconds())

        def slow(method: str, _: str) -> Answer | None:
            if method != "DELETE":
                return None
            bench.clock.advance(seconds=10)
            return Answer(status=429, headers={}, content=b"{}")

        bench.exchange.instead = slow
        before = bench.clock.now
        bench.manager.generate_reports()

        assert (bench.clock.now - before).total_seconds() <= 30, "the attempts of one request"

    @pytest.mark.parametrize("status", [401, 429, 500, 503])
    def test_they_are_said(self, bench: Bench, status: int) -> None:
        bench.exchange.instead = lambda method, _: (
            Answer(status=status, headers={}, content=b"{}") if method == "DELETE" else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        bench.clock.advance(hours=1)

        warnings = bench.container.health().readiness().warnings
        assert any(line.startswith("VEN Aarhus: to be removed") for line in warnings)

    def test_one_that_does_not_let_one_object_go_lets_others(self, bench: Bench) -> None:
        kept = at_vtn(bench)["id"]
        bench.exchange.instead = lambda method, path: (
            Answer(status=403, headers={}, content=b"{}")
            if method == "DELETE" and path.endswith(kept)
            else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()

        assert vens_at_vtn(bench) == ["Aalborg", "Esbjerg"]

    def test_a_404_of_a_proxy_is_none_of_the_vtns(self, bench: Bench) -> None:
        bench.exchange.instead = lambda method, _: (
            Answer(status=404, headers={}, content=b"no route") if method == "DELETE" else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()

        assert "Aarhus" in vens(bench)


def test_push_opens_nothing_for_one_that_is_gone(bench: Bench) -> None:
    (event,) = bench.container.events().of_ven("Aarhus")
    remove(bench, "Aarhus")
    bench.manager.generate_reports()

    assert bench.manager.take_events([("Aarhus", event.event)]) == [Told.KNOWN]

    assert "Aarhus" not in bench.container.events().ven_names()
    open_ = [each.ven_name for each in bench.container.ledger().open_streams()]
    assert "Aarhus" not in open_


def test_what_is_not_there_cannot_be_removed(bench: Bench) -> None:
    with pytest.raises(ValueError, match="the fleet has no VEN 'Atlantis'"):
        remove(bench, "Atlantis")
    with pytest.raises(ValueError, match="VEN 'Aarhus' has no resource 'flux'"):
        remove(bench, "Aarhus", "flux")
    assert bench.container.removals().pending() == []
