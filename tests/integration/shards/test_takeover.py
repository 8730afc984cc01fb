"""What a former owner had in flight may still come: it is waited for, and looked for later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.workbench import TICK, Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def taken_over(bench: Bench) -> Bench:
    """Its lease ended a minute after it had begun to send a report."""
    bench.tick()
    bench.transport.faults.extend(["lost request"])
    bench.transport.lookup_status = 401
    bench.manager.generate_reports()
    bench.transport.lookup_status = 0
    (flying,) = [each for each in bench.container.streams.store().streams() if each.in_flight]
    assert flying.in_flight
    bench.clock.advance(minutes=1)
    bench.restart()
    assert bench.container.delivery.takeover()(bench.clock() - timedelta(seconds=1)) == 1
    return bench


def test_it_is_held_until_the_settling_time_has_passed_since_the_lease_ended(
    taken_over: Bench,
) -> None:
    held = TICK - sum(taken_over.readings().values())
    assert taken_over.manager.generate_reports() == 0
    taken_over.clock.advance(seconds=28)
    assert taken_over.manager.generate_reports() == 0

    taken_over.clock.advance(seconds=2)

    assert taken_over.manager.generate_reports() == held
    taken_over.assert_each_once(TICK)


def test_all_others_go_on_at_once(taken_over: Bench) -> None:
    before = sum(taken_over.readings().values())
    taken_over.clock.advance(seconds=10)
    taken_over.container.simulator().increase_time()

    assert taken_over.manager.generate_reports() == before


@pytest.mark.parametrize("after", [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)])
def test_what_comes_late_is_found_and_removed(taken_over: Bench, after: timedelta) -> None:
    """The former owner woke up just before we look, and sent the rest of what it was sending."""
    looks = [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)]
    began = taken_over.clock()
    for at in looks[: looks.index(after)]:
        taken_over.clock.now = began + at
        taken_over.manager.generate_reports()
    taken_over.clock.now = began + after - timedelta(seconds=1)
    taken_over.manager.generate_reports()
    (late,) = [each for each in taken_over.reports() if each["clientName"] in late_of(taken_over)]
    taken_over.vtn.store.add("REPORT", late, client_id=late["clientID"], parent=late["eventID"])
    assert max(taken_over.readings().values()) == 2

    taken_over.clock.now = began + after + timedelta(seconds=1)
    taken_over.manager.generate_reports()

    taken_over.assert_each_once(TICK)


def late_of(bench: Bench) -> list[str]:
    """The VENs whose reports are looked for."""
    with bench.container.platform.database().read() as connection:
        rows = connection.exec_driver_sql("SELECT ven_name FROM second_look")
        return [row.ven_name for row in rows]
