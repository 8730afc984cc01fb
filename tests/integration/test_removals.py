"""What is taken out of the fleet is metered no more, and goes when nothing of it is owed."""

from __future__ import annotations

import pytest

from app.events import PushOutcome
from app.fleet import Status
from app.openadr import Answer
from app.vens import Removal
from app.vens.removals import A_TICK
from tests.support.changing_fleet import (
    PUMP,
    import_,
    pump_of,
    remove,
    vens,
    vens_at_vtn,
)
from tests.support.workbench import RESOURCES, SAMPLE, TICK, Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def bench(bench_of_each_version: Bench) -> Bench:
    return bench_of_each_version


class TestAVenThatIsRemoved:
    def test_it_is_metered_no_more_and_what_it_owes_is_delivered_first(self, bench: Bench) -> None:
        bench.transport.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.tick(2)
        bench.manager.generate_reports()
        assert "Aarhus" in vens(bench), "it owes two ticks"

        bench.transport.refused.clear()
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
        bench.transport.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus", drop_owed=True)
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert f"VEN Aarhus is removed; {2 * RESOURCES} readings that were owed are lost" in (
            caplog.text
        )
        assert bench.container.streams.losses().all() == {"dropped": 2 * RESOURCES}
        assert bench.waiting() == 0

    def test_nothing_of_it_is_left(self, bench: Bench) -> None:
        bench.tick()
        bench.transport.refused["Aarhus"] = 400
        bench.manager.generate_reports()
        remove(bench, "Aarhus", drop_owed=True)
        for _ in range(12):  # until its frames are pruned
            bench.tick()
            bench.manager.generate_reports()

        with bench.container.platform.database().read() as connection:
            for table in ("event", "ven_view", "stream", "set_aside", "enrolled_again", "removal"):
                rows = connection.exec_driver_sql(
                    f"SELECT count(*) FROM {table} WHERE ven_name = 'Aarhus'"
                )
                assert rows.scalar_one() == 0, table
        assert "Aarhus" not in bench.container.events.store().ven_names()
        bench.manager.heartbeat()
        assert bench.container.ops.health().readiness().warnings == ()

    def test_reports_that_were_set_aside_stay_where_nothing_is_given_up(self, bench: Bench) -> None:
        bench.tick()
        bench.transport.refused["Aarhus"] = 400
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        assert vens(bench) == ["Aalborg", "Esbjerg"]

        bench.transport.refused.clear()
        bench.retry()
        bench.manager.generate_reports()

        bench.assert_each_once(TICK)

    def test_a_report_in_doubt_is_looked_for_first(self, bench: Bench) -> None:
        bench.tick()
        bench.transport.faults.extend(["lost answer"] * len(SAMPLE))
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
        bench.transport.instead = lambda method, _: (
            Answer(status=403, headers={}, content=b"{}") if method == "DELETE" else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()

        assert vens(bench) == ["Aalborg", "Esbjerg"]
        assert "VEN Aarhus: the VTN does not let it go" in caplog.text

    def test_where_the_vtn_does_not_answer_it_goes_later(self, bench: Bench) -> None:
        bench.transport.instead = lambda method, _: (
            Answer(status=503, headers={}, content=b"{}") if method == "DELETE" else None
        )
        remove(bench, "Aarhus")
        bench.manager.generate_reports()
        assert "Aarhus" in vens(bench)

        bench.transport.instead = lambda *_: None
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

        bench.transport.instead = refuse
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
        bench.container.vens.removals().begin(Removal(ven_name="Aarhus"))
        bench.manager.generate_reports()
        bench.container.readings.log().append(late)
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
        bench.transport.refused["Aarhus"] = 503
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
        bench.transport.refused["Aarhus"] = 503
        bench.tick()
        bench.manager.generate_reports()
        remove(bench, "Aarhus")
        import_(bench)
        bench.transport.refused.clear()
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
        bench.transport.refused["Aarhus"] = 503
        bench.tick(2)
        bench.manager.generate_reports()
        remove(bench, "Aarhus", PUMP)
        bench.tick()
        bench.manager.generate_reports()
        assert pump_of(bench).status is Status.REMOVED

        bench.transport.refused.clear()
        bench.wait_out_holds()
        bench.manager.generate_reports()

        assert bench.container.fleet.repository().resource("Aarhus", PUMP) is None
        assert len(bench.vtn.store.select("RESOURCE")) == TICK - 1
        bench.assert_each_once(3 * TICK - 1)

    def test_the_others_go_on(self, bench: Bench) -> None:
        remove(bench, "Aarhus", PUMP)
        bench.manager.generate_reports()
        bench.tick()
        bench.manager.heartbeat()
        bench.manager.generate_reports()

        bench.assert_each_once(TICK - 1)
        assert bench.container.fleet.repository().resource("Aarhus", PUMP) is None

    def test_one_that_is_imported_again_stays(self, bench: Bench) -> None:
        remove(bench, "Aarhus", PUMP)
        bench.container.fleet.repository().save({"Aarhus": [pump_of(bench)]})
        bench.manager.heartbeat()
        bench.manager.generate_reports()
        bench.tick()
        bench.manager.generate_reports()

        assert pump_of(bench).status is Status.APPROVED
        bench.assert_each_once(TICK)


def test_push_opens_nothing_for_one_that_is_gone(bench: Bench) -> None:
    (event,) = bench.container.events.store().of_ven("Aarhus")
    remove(bench, "Aarhus")
    bench.manager.generate_reports()

    assert bench.manager.take_events([("Aarhus", event.event)]) == [PushOutcome.KNOWN]

    assert "Aarhus" not in bench.container.events.store().ven_names()
    open_ = [stream.ven_name for stream in bench.container.streams.store().open_streams()]
    assert "Aarhus" not in open_


def test_what_is_not_there_cannot_be_removed(bench: Bench) -> None:
    with pytest.raises(ValueError, match="the fleet has no VEN 'Atlantis'"):
        remove(bench, "Atlantis")
    with pytest.raises(ValueError, match="VEN 'Aarhus' has no resource 'flux'"):
        remove(bench, "Aarhus", "flux")
    assert bench.container.vens.removals().pending() == []
