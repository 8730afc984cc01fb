"""What an operator may change by hand, and what the page shows of it."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.fleet import Status
from app.openadr import OutcomeUnknown, VtnError
from app.ops import AuditLog, EventsView, FleetView, OperatorActions
from tests.support.workbench import RESOURCES, Bench

pytestmark = pytest.mark.in_process

WHO = "127.0.0.1"


@pytest.fixture
def actions(bench: Bench) -> OperatorActions:
    made: OperatorActions = bench.container.ops.actions()
    return made


@pytest.fixture
def fleet(bench: Bench) -> FleetView:
    made: FleetView = bench.container.ops.page_services().fleet
    return made


@pytest.fixture
def events(bench: Bench) -> EventsView:
    made: EventsView = bench.container.ops.page_services().events
    return made


def without_time(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "time"}


def audit(bench: Bench) -> list[dict[str, Any]]:
    path: Path = bench.container.settings().audit_file
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_change_is_written_down_with_what_came_of_it(
    bench: Bench, actions: OperatorActions
) -> None:
    actions.change_interval(WHO, "heartbeat", 60)
    with pytest.raises(ValueError, match="no resource 'x'"):
        actions.suspend(WHO, "Aarhus", "x")

    interval = {"who": WHO, "action": "change interval of task", "about": "heartbeat"}
    suspend = {"who": WHO, "action": "suspend resource", "about": "x"}
    assert [without_time(entry) for entry in audit(bench)] == [
        {**interval, "state": "asked", "seconds": 60},
        {**interval, "state": "done", "seconds": 60},
        {**suspend, "state": "asked", "ven": "Aarhus"},
        {**suspend, "state": "failed", "ven": "Aarhus", "why": "VEN 'Aarhus' has no resource 'x'"},
    ]
    mode = bench.container.settings().audit_file.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_an_event_that_was_sent_is_written_down_with_its_id(
    bench: Bench, actions: OperatorActions
) -> None:
    event_id = actions.send_event(
        WHO, kind="SIMPLE", value="2", duration="PT10M", ven_name=None, priority=None
    )

    assert audit(bench)[-1]["event"] == event_id


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [
        (OutcomeUnknown("no answer"), "unknown", "no answer"),
        (VtnError("refused, says \ud800"), "failed", "refused, says \ud800"),
        (TimeoutError(), "failed", "TimeoutError"),
    ],
)
def test_what_came_of_a_change_is_written_down_whatever_it_is(
    bench: Bench, error: Exception, state: str, why: str
) -> None:
    audit_log = AuditLog(path=bench.container.settings().audit_file, clock=bench.clock)

    with pytest.raises(type(error)), audit_log.change(WHO, "send event", "SIMPLE"):
        raise error

    written = audit(bench)[-1]
    assert (written["state"], written["why"]) == (state, why)


def test_a_change_whose_outcome_cannot_be_written_down_is_made_and_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    path: Path = bench.container.settings().audit_file
    scheduler = bench.container.scheduler()

    with AuditLog(path=path, clock=bench.clock).change(WHO, "pause task", "heartbeat"):
        scheduler.pause_task("heartbeat")
        path.unlink()
        path.mkdir()

    assert scheduler.get_job_info("heartbeat")["paused"]
    assert "the outcome of a change cannot be written" in caplog.text


def test_the_log_has_words_that_are_no_unicode_as_the_audit_log_has_them(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    audit_log = AuditLog(path=bench.container.settings().audit_file, clock=bench.clock)

    audit_log.write(WHO, "send event", "\ud800", "asked", {"value": "\udc80"})

    assert caplog.messages == [f"by hand, from {WHO}: send event \\ud800: asked, value \\udc80"]


def test_what_cannot_be_written_down_is_not_done(bench: Bench, actions: OperatorActions) -> None:
    bench.container.settings().audit_file.mkdir()

    with pytest.raises(OSError, match="directory"):
        actions.pause_task(WHO, "heartbeat")

    assert not bench.container.scheduler().get_job_info("heartbeat")["paused"]


def test_a_suspended_resource_is_neither_metered_nor_shown_with_a_power(
    bench: Bench, actions: OperatorActions, fleet: FleetView
) -> None:
    (row, *_), total = fleet.resources("Aarhus", skip=0, limit=10)
    name = row.resource.resource_name
    actions.suspend(WHO, "Aarhus", name)

    bench.tick()

    rows, total = fleet.resources("Aarhus", skip=0, limit=10)
    assert total == RESOURCES
    assert rows[0].resource.status is Status.SUSPENDED
    assert rows[0].power_kw is None
    assert rows[1].power_kw is not None


def test_the_last_reading_of_a_suspended_resource_is_none_of_now(
    bench: Bench, actions: OperatorActions, fleet: FleetView
) -> None:
    actions.send_event(
        WHO, kind="SIMPLE", value="2", duration="PT10M", ven_name=None, priority=None
    )
    bench.manager.poll_events()
    bench.tick()
    (row, *_), _ = fleet.resources("Aarhus", skip=0, limit=10)
    assert row.power_kw is not None
    assert row.follows

    actions.suspend(WHO, "Aarhus", row.resource.resource_name)

    (row, *_), _ = fleet.resources("Aarhus", skip=0, limit=10)
    assert row.power_kw is None
    assert row.follows == []


def test_a_resource_that_is_resumed_is_what_it_was(bench: Bench, actions: OperatorActions) -> None:
    repository = bench.container.fleet.repository()
    name = next(repository.resources("Aarhus"))[1].resource_name
    actions.suspend(WHO, "Aarhus", name)

    actions.resume(WHO, "Aarhus", name)

    assert repository.resource("Aarhus", name).status is Status.APPROVED


def test_an_event_that_is_sent_reaches_the_fleet_and_is_shown(
    bench: Bench, actions: OperatorActions, events: EventsView, fleet: FleetView
) -> None:
    event_id = actions.send_event(
        WHO, kind="SIMPLE", value="2", duration="PT10M", ven_name=None, priority=1
    )
    bench.manager.poll_events()
    bench.clock.advance(seconds=1)

    rows, _ = events.rows(before=timedelta(hours=1), after=timedelta(hours=1))

    (row,) = [row for row in rows if row.event_id == event_id]
    assert row.holds
    assert row.vens == 3
    assert row.priority == 1
    assert [bar.words for bar in row.bars] == ["SIMPLE 2"]
    resources, _ = fleet.resources("Aarhus", skip=0, limit=10)
    assert any("SIMPLE 2" in resource.follows for resource in resources)


def test_an_event_that_is_cancelled_holds_no_more(
    bench: Bench, actions: OperatorActions, events: EventsView
) -> None:
    event_id = actions.send_event(
        WHO, kind="SIMPLE", value="2", duration="PT10M", ven_name=None, priority=None
    )
    bench.manager.poll_events()

    actions.cancel_event(WHO, event_id)
    bench.manager.poll_events()

    rows, _ = events.rows(before=timedelta(hours=1), after=timedelta(hours=1))
    (row,) = [row for row in rows if row.event_id == event_id]
    assert row.is_cancelled
    assert not row.holds


@pytest.mark.parametrize(
    ("value", "duration", "words"),
    [("much", "PT10M", "whole number"), ("2", "ten minutes", "duration")],
)
def test_an_event_that_is_none_is_refused(
    actions: OperatorActions, value: str, duration: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        actions.send_event(
            WHO, kind="SIMPLE", value=value, duration=duration, ven_name=None, priority=None
        )


def test_a_report_that_was_refused_is_sent_again(bench: Bench, actions: OperatorActions) -> None:
    bench.transport.refused["Aarhus"] = 422
    bench.tick()
    bench.manager.generate_reports()
    bench.transport.refused.clear()
    ((aside,), total) = bench.container.streams.rejected().page(skip=0, limit=10)
    assert total == 1

    assert actions.retry_reports(WHO, [aside.set_aside_id]) == 1
    bench.manager.generate_reports()

    assert bench.container.streams.rejected().count() == 0
    bench.assert_each_once(3 * RESOURCES)


class TestTheEventsOfAVtnThatMeansIll:
    """What loops without end is looked at, and no further than is drawn."""

    def test_what_holds_is_known_however_much_came_before(
        self, bench: Bench, events: EventsView
    ) -> None:
        bench.ask(
            intervalPeriod={"start": "2020-01-01T00:00:00Z", "duration": "PT1S"},
            duration="P9999D",
            intervals=[{"id": 0, "payloads": [{"type": "SIMPLE", "values": [1]}]}],
        )
        bench.manager.poll_events()

        ((row,), _) = events.rows(before=timedelta(hours=1), after=timedelta(hours=1))

        assert [bar.words for bar in row.in_force] == ["SIMPLE 1"]
        assert len(row.bars) <= 201

    def test_a_loop_that_is_over_costs_nothing(self, bench: Bench, events: EventsView) -> None:
        bench.ask(
            intervalPeriod={"start": "2020-01-01T00:00:00Z", "duration": "PT0.001S"},
            duration="P1D",
            intervals=[{"id": 0, "payloads": [{"type": "SIMPLE", "values": [1]}]}],
        )
        bench.manager.poll_events()

        ((row,), _) = events.rows(before=timedelta(hours=1), after=timedelta(hours=1))

        assert not row.holds
        assert row.bars == []


class TestTheBacklog:
    """What waited over the last hour."""

    def look(self, bench: Bench, *, for_s: int) -> None:
        for _ in range(for_s // 5):
            bench.clock.advance(seconds=5)
            bench.container.ops.backlog_history()()

    def test_what_waits_is_kept_for_an_hour_by_half_minutes(self, bench: Bench) -> None:
        bench.container.ops.backlog_history()
        bench.tick()

        self.look(bench, for_s=2 * 3600)

        points = bench.container.ops.backlog_history().points()
        assert len(points) == 120
        assert {point.waiting for point in points} == {3 * RESOURCES}
        assert (points[-1].at - points[0].at).total_seconds() == 119 * 30

    def test_readings_on_their_way_are_no_backlog(self, bench: Bench) -> None:
        bench.container.ops.backlog_history()
        for _ in range(4):
            bench.container.simulator().increase_time()
            self.look(bench, for_s=15)
            bench.manager.generate_reports()
            self.look(bench, for_s=15)

        points = bench.container.ops.backlog_history().points()
        assert [point.waiting for point in points] == [0] * 4

    def test_a_database_that_does_not_answer_is_no_defect(self, bench: Bench) -> None:
        backlog, history = (
            bench.container.ops.backlog_history(),
            bench.container.metering.power_history(),
        )
        bench.tick()
        with bench.container.platform.database().write() as connection:
            connection.exec_driver_sql("ALTER TABLE fleet RENAME TO elsewhere")

        history()

        assert history.points() == ()
        with bench.container.platform.database().write() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO fleet")
        history()
        backlog()
        assert len(history.points()) == 1


class TestTheTableOfVens:
    """A page at a time."""

    def test_pages_follow_one_another(self, fleet: FleetView) -> None:
        first, total = fleet.vens(skip=0, limit=2)
        second, _ = fleet.vens(skip=2, limit=2)

        names = [row.summary.ven.ven_name for row in (*first, *second)]
        assert names == ["Aalborg", "Aarhus", "Esbjerg"]
        assert total == 3
        assert {row.summary.approved for row in first} == {RESOURCES}

    def test_a_part_of_a_name_is_enough(self, fleet: FleetView) -> None:
        rows, total = fleet.vens(skip=0, limit=10, search="RHU")

        assert [row.summary.ven.ven_name for row in rows] == ["Aarhus"]
        assert total == 1

    def test_a_percent_sign_is_a_percent_sign(self, fleet: FleetView) -> None:
        assert fleet.vens(skip=0, limit=10, search="%") == ([], 0)

    def test_only_those_with_problems(self, bench: Bench, fleet: FleetView) -> None:
        bench.transport.refused["Aarhus"] = 403
        bench.tick()
        bench.manager.generate_reports()

        rows, total = fleet.vens(skip=0, limit=10, only_problems=True)

        assert total == 1
        assert rows[0].summary.ven.ven_name == "Aarhus"
        assert "403" in str(rows[0].delivery.problem)
        well, _ = fleet.vens(skip=0, limit=1)
        assert well[0].delivery.last_report_at is not None

    def test_a_problem_is_over_with_the_next_report(self, bench: Bench, fleet: FleetView) -> None:
        bench.transport.refused["Aarhus"] = 403
        bench.tick()
        bench.manager.generate_reports()
        bench.transport.refused.clear()
        bench.wait_out_holds()

        bench.manager.generate_reports()

        assert fleet.vens(skip=0, limit=10, only_problems=True) == ([], 0)
