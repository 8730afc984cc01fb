"""What became of a report is stored whole, or not at all."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import pytest
from sqlalchemy import text

from app.platform import DatabaseError
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.flaky_database import FlakyDatabase
from tests.support.workbench import TICK, VENS, Bench

pytestmark = pytest.mark.in_process

ASKED = 2
"""Reports that are asked for, of each VEN."""


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    container = make_container(vtn={"embedded_port": vtn.port})
    container.platform.database.override(FlakyDatabase(container.platform.engine()))
    made = Bench(container, vtn, clock)
    made.enrol()
    return made


def fail_at(bench: Bench, write: int | None) -> None:
    bench.container.platform.database().fails_at = write


@pytest.mark.parametrize("write", range(8))
def test_a_write_that_fails_makes_no_report_more_nor_less(bench: Bench, write: int) -> None:
    bench.ask({"payloadType": "READING", "frequency": 0, "repeat": ASKED})
    bench.manager.poll_events()
    bench.tick()
    bench.manager.generate_reports()
    bench.tick()

    fail_at(bench, write)
    with contextlib.suppress(DatabaseError):
        bench.manager.generate_reports()
    fail_at(bench, None)
    for _ in range(4):
        bench.tick()
        bench.clock.advance(minutes=1)
        bench.manager.generate_reports()

    assert len(bench.reports()) == ASKED * VENS
    assert set(bench.readings().values()) == {1}
    assert bench.container.streams.store().open_streams() == []


def test_a_stream_that_an_earlier_version_left_below_zero_is_ended(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ask({"payloadType": "READING", "frequency": 0, "repeat": 6})
    bench.manager.poll_events()
    bench.tick()
    bench.manager.generate_reports()
    with bench.container.platform.database().write() as connection:
        connection.execute(text("UPDATE stream SET reports_left = -18"))
    bench.restart()

    with caplog.at_level(logging.WARNING, logger="app"):
        for _ in range(3):
            bench.tick()
            bench.manager.poll_events()
            assert bench.manager.generate_reports() == 0

    (line,) = [message for message in caplog.messages if message.startswith("ended ")]
    assert line.startswith(f"ended {VENS} report streams")
    bench.assert_each_once(TICK)


def test_a_full_disk_at_a_poll_fails_the_task_in_one_line(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = bench.container.scheduler()
    bench.ask({"payloadType": "USAGE", "frequency": 0})
    bench.container.platform.database().full = True

    with caplog.at_level(logging.WARNING, logger="app"):
        assert not scheduler.run_now("poll_events").result(20)

    assert scheduler.get_job_info("poll_events")["failures"] == 1
    assert caplog.messages == ["task poll_events: failed: database fleet.db: disk is full"]
    bench.container.platform.database().full = False
    assert scheduler.run_now("poll_events").result(20)


def test_a_held_ven_whose_event_goes_while_its_report_is_made_is_tried_again(bench: Bench) -> None:
    bench.transport.refused["Aalborg"] = 403
    bench.tick()
    bench.manager.generate_reports()
    bench.transport.refused.clear()
    bench.wait_out_holds()
    builder = bench.container.delivery.builder()

    class EventGoes:
        """The builder, and a poll that ends the event just after it."""

        def __getattr__(self, name: str) -> object:
            return getattr(builder, name)

        def next_batch(self, streams: list[Any]) -> object:
            batch = builder.next_batch(streams)
            ended = [stream for stream in streams if stream.ven_name == "Aalborg"]
            bench.container.streams.store().apply(
                [(each, lambda now: now.end(at_us=1, last_frame=1)) for each in ended]
            )
            return batch

    bench.replace("delivery.builder", EventGoes())
    bench.manager.generate_reports()
    bench.replace("delivery.builder", builder)

    held = bench.container.fleet.held_reports()
    assert held.is_held("Aalborg")
    assert held.due() == ["Aalborg"], "nobody has it still"
