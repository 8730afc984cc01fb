"""The store of readings stays small, on SQLite and on PostgreSQL: lag, age, size, and policies."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from app.platform import Database
from app.readings import StoreFull
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.workbench import RESOURCES, TICK, VENS, Bench

pytestmark = pytest.mark.in_process

FRAME_BYTES = TICK * 4 + 64
BOUND = 1 << 12
KEPT = 5
"""Frames of two minutes, for events that are seen late."""
MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock, database_url: str
) -> MakeBench:
    """A fleet with these bounds of its store, on a database of either kind."""

    def make(**store: Any) -> Bench:
        container = make_container(
            vtn={"embedded_port": vtn.port},
            database={"url": database_url},
            store=store,
        )
        bench = Bench(container, vtn, clock)
        bench.enrol()
        return bench

    return make


def run(bench: Bench, ticks: int) -> None:
    for _ in range(ticks):
        bench.tick()
        bench.manager.generate_reports()


def rows(database: Database, table: str) -> int:
    with database.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_every_reading_arrives_once_and_leaves_the_store(make_bench: MakeBench) -> None:
    bench = make_bench()
    run(bench, 5)

    bench.assert_each_once(5 * TICK)
    assert rows(bench.container.platform.database(), "frame") == KEPT


class TestLag:
    """One VEN that is refused for hours does not hold the frames of the fleet."""

    def test_its_part_is_moved_out_and_delivered_later(self, make_bench: MakeBench) -> None:
        bench = make_bench(max_lag="PT5M")
        bench.transport.refused["Aarhus"] = 403
        run(bench, 40)

        database = bench.container.platform.database()
        assert rows(database, "frame") <= 12
        assert rows(database, "slice") >= 28
        assert bench.waiting() == 40 * RESOURCES

        bench.transport.refused.clear()
        bench.wait_out_holds()
        assert bench.manager.generate_reports() == 40 * RESOURCES
        bench.assert_each_once(40 * TICK)
        assert rows(database, "slice") == 0
        assert rows(database, "frame") <= KEPT

    def test_a_report_in_doubt_is_made_again_of_what_was_moved_out(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench(max_lag="PT5M")
        bench.tick(3)
        bench.transport.faults.extend(["lost request"] * VENS)
        bench.manager.generate_reports()
        bench.transport.refused["Aarhus"] = 403
        bench.clock.advance(minutes=1)
        run(bench, 30)
        assert rows(bench.container.platform.database(), "slice") > 0

        bench.transport.refused.clear()
        bench.wait_out_holds()
        run(bench, 3)

        bench.assert_each_once(36 * TICK)

    def test_usage_has_no_gap_between_what_was_moved_out_and_what_was_not(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench(max_lag="PT5M")
        bench.ask({"payloadType": "USAGE", "frequency": 0})
        bench.manager.poll_events()
        bench.transport.refused["Aarhus"] = 403
        run(bench, 40)
        bench.transport.refused.clear()
        bench.wait_out_holds()
        run(bench, 1)

        bench.assert_each_once(40 * TICK, "USAGE")

    def test_an_outage_of_all_moves_nothing(self, make_bench: MakeBench) -> None:
        bench = make_bench(max_lag="PT5M")
        bench.transport.refused.update(dict.fromkeys(("Aalborg", "Aarhus", "Esbjerg"), 403))
        run(bench, 30)

        assert rows(bench.container.platform.database(), "slice") == 0
        assert rows(bench.container.platform.database(), "frame") == 30


class TestFull:
    """A bound is never passed: metering stops, or the oldest goes."""

    def test_metering_stops_and_goes_on_when_reports_are_delivered(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench(max_bytes=BOUND)
        while bench.container.readings.log().bytes_stored() <= BOUND - 2 * FRAME_BYTES:
            bench.tick()
        with pytest.raises(StoreFull, match="STORE__MAX_BYTES"):
            bench.tick(2)
        most = rows(bench.container.platform.database(), "frame")
        assert bench.container.simulator().problem is not None

        bench.manager.generate_reports()
        bench.tick()

        assert bench.container.simulator().problem is None
        bench.manager.generate_reports()
        bench.assert_each_once((most + 1) * TICK)

    def test_the_oldest_is_dropped_with_a_count_and_a_warning(
        self, make_bench: MakeBench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench = make_bench(max_bytes=BOUND, when_full="drop_oldest")
        most = (BOUND) // FRAME_BYTES
        with caplog.at_level(logging.WARNING, logger="app"):
            bench.tick(most + 20)

        dropped = bench.container.streams.losses().all()["dropped"]
        assert dropped >= 20 * TICK
        assert "readings that were owed are dropped" in caplog.text
        assert bench.waiting() == (most + 20) * TICK - dropped
        assert bench.manager.generate_reports() == (most + 20) * TICK - dropped
        bench.assert_each_once((most + 20) * TICK - dropped)

    def test_a_report_in_doubt_is_not_sent_again_without_its_readings(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench(max_bytes=BOUND, when_full="drop_oldest")
        bench.tick(10)
        bench.transport.faults.extend(["lost answer"] * VENS)
        bench.transport.lookup_status = 401
        bench.manager.generate_reports()
        bench.transport.lookup_status = 0
        assert len(bench.reports()) == VENS
        bench.tick(2 * (BOUND) // FRAME_BYTES)

        bench.manager.generate_reports()

        found = bench.readings()
        assert set(found.values()) == {1}
        dropped = bench.container.streams.losses().all()["dropped"]
        ticks = 10 + 2 * (BOUND) // FRAME_BYTES
        # What was at the VTN already is counted as dropped, too: nobody could know.
        assert len(found) == ticks * TICK - dropped + 10 * TICK

    def test_reports_that_were_set_aside_count_and_are_dropped_too(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench(max_bytes=BOUND, when_full="drop_oldest")
        bench.transport.refused.update(dict.fromkeys(("Aalborg", "Aarhus", "Esbjerg"), 422))
        run(bench, 40)

        assert bench.container.streams.retention().share_used() <= 1.0
        kept = sum(aside.readings for aside in bench.container.streams.rejected().reports())
        assert kept + bench.container.streams.losses().all()["dropped"] == 40 * TICK

    def test_too_old_readings_are_dropped(self, make_bench: MakeBench) -> None:
        bench = make_bench(max_age="PT10M", when_full="drop_oldest")
        bench.tick(60)

        oldest = bench.container.readings.log().since(0, most_bytes=1)[0]
        assert (bench.clock.now - oldest.taken_at).total_seconds() <= 630
        assert bench.container.streams.losses().all()["dropped"] + bench.waiting() == 60 * TICK

    def test_too_old_readings_stop_metering(self, make_bench: MakeBench) -> None:
        bench = make_bench(max_age="PT10M")
        bench.tick(20)

        with pytest.raises(StoreFull, match="STORE__MAX_AGE"):
            bench.tick(5)


def test_readings_that_no_event_asks_for_are_kept_for_the_time_that_is_set(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(keep_unasked="PT5M")
    bench.ask()
    bench.manager.poll_events()
    run(bench, 30)

    assert rows(bench.container.platform.database(), "frame") == 11


def test_what_waits_is_counted_over_frames_slices_and_streams(make_bench: MakeBench) -> None:
    bench = make_bench(max_lag="PT5M")
    bench.ask({"payloadType": "READING", "frequency": 0}, {"payloadType": "USAGE", "frequency": 0})
    bench.manager.poll_events()
    bench.transport.refused["Aarhus"] = 403
    run(bench, 30)
    bench.tick()

    # There is no USAGE before the second frame.
    assert bench.waiting() == (30 + 29) * RESOURCES + 2 * TICK
