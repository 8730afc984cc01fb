"""One VEN's trouble is not an outage: the others are polled, and report, as if nothing were."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.fleet import sample_fleet
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.failing_vens import FAULTS, TIME_OUT, FailingVens
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until
from tests.support.workbench import Bench

VENS = 10
ROUNDS = 8
TIMEOUT_S = 0.2


class Fleet(Bench):
    """Ten VENs with credentials of their own, some of which the VTN fails."""

    names: list[str]
    transport: FailingVens  # type: ignore[assignment]

    def fail(self, fault: str, *ven_names: str) -> None:
        self.transport.failing = dict.fromkeys(ven_names, fault)

    def round(self) -> None:
        """What the tasks do in half a minute."""
        self.tick()
        self.manager.poll_events()
        self.manager.generate_reports()

    def polls(self, ven_name: str) -> int:
        return self.transport.answered[ven_name, "GET", "/events"]

    def reports_of(self, ven_name: str) -> int:
        return sum(report["clientName"] == ven_name for report in self.reports())


@pytest.fixture
def fleet(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Iterator[Fleet]:
    container = make_container(vtn={"embedded_port": vtn.port})
    made = Fleet(container, vtn, clock)
    sample = sample_fleet(vens=VENS, resources_per_ven=2)
    made.names = sorted(sample)
    container.fleet.repository().save(sample)

    made.transport = FailingVens(vtn, timeout_s=TIMEOUT_S)
    container.openadr.transport.override(made.transport)
    made.manager.enrol()
    made.round()
    yield made
    made.transport.waits.set()


@pytest.mark.parametrize("fault", [*FAULTS, TIME_OUT])
def test_two_of_ten_that_fail_cost_the_others_nothing(fleet: Fleet, fault: str) -> None:
    failing, others = (
        fleet.names[:2],
        fleet.names[2:],
    )  # the first by name, which were asked for all
    fleet.fail(fault, *failing)
    polls = {name: fleet.polls(name) for name in others}
    reports = {name: fleet.reports_of(name) for name in others}

    for _ in range(ROUNDS):
        fleet.round()

    assert not fleet.container.openadr.circuit().outages
    assert not fleet.container.openadr.write_circuit().outages
    # Each poll lists events once without targets, and once with.
    assert min(fleet.polls(name) - polls[name] for name in others) >= ROUNDS
    assert {fleet.reports_of(name) - reports[name] for name in others} == {ROUNDS}
    assert set(fleet.container.fleet.held_reports().problems()) == set(failing)
    health = fleet.container.ops.health()
    health.started = True
    readiness = health.readiness()
    assert readiness.ready
    assert any(failing[0] in warning for warning in readiness.warnings)


@pytest.mark.parametrize("fault", [*FAULTS, TIME_OUT])
def test_when_the_trouble_is_over_nothing_was_lost(fleet: Fleet, fault: str) -> None:
    fleet.fail(fault, *fleet.names[:2])
    for _ in range(3):
        fleet.round()
    fleet.transport.failing.clear()
    fleet.wait_out_holds()
    for _ in range(2):
        fleet.round()
        fleet.clock.advance(minutes=1)

    assert fleet.waiting() == 0
    fleet.assert_each_once(6 * VENS * 2)
    assert fleet.container.fleet.held_vens().problems() == {}


@pytest.mark.parametrize("fault", ["500", "HTML", TIME_OUT])
def test_when_all_fail_it_is_an_outage_in_one_line(
    fleet: Fleet, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.fail(fault, *fleet.names)

    fleet.round()

    assert fleet.container.openadr.circuit().is_open
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) <= 2


def test_while_held_vens_time_out_the_others_reports_go_on(fleet: Fleet) -> None:
    """A round that waits for a time-out does not keep what is metered meanwhile."""
    fleet.fail("403", fleet.names[0])
    fleet.round()
    fleet.transport.timeout_s = 20.0
    fleet.fail(TIME_OUT, fleet.names[0])
    fleet.clock.advance(minutes=1)
    other = fleet.names[1]
    delivering = threading.Thread(target=fleet.manager.generate_reports)
    delivering.start()
    try:
        reports = fleet.reports_of(other)
        fleet.tick()
        wait_until(lambda: fleet.reports_of(other) == reports + 1)
        fleet.tick()
        wait_until(lambda: fleet.reports_of(other) == reports + 2)
        assert delivering.is_alive(), "it returns when every report was answered or failed"
    finally:
        fleet.transport.waits.set()
        delivering.join(20)
