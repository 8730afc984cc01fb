"""What waits for the VTN begins as soon as it is back, and not over and over."""

from __future__ import annotations

import pytest

from app.openadr import Circuit
from app.recovery import Recovery
from app.scheduling import SchedulerConfig, TaskScheduler
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until


class FakeManager:
    """Asks a VTN that answers, or does not."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self.answers = False
        self.asked = 0

    def try_vtn(self) -> None:
        self.asked += 1
        if self._circuit.admits():
            (self._circuit.succeeded if self.answers else self._circuit.failed)()


class Watched:
    """A recovery with its circuits, a task that counts its runs, and time."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.circuit = Circuit(monotonic=clock.monotonic)
        self.writes = Circuit(monotonic=clock.monotonic)
        self.manager = FakeManager(self.circuit)
        self.runs: list[float] = []
        self.scheduler = TaskScheduler([SchedulerConfig("report", self._run, "interval", hours=1)])
        self.recovery = Recovery(
            circuit=self.circuit,
            writes=self.writes,
            ven_manager=self.manager,  # type: ignore[arg-type]
            scheduler=self.scheduler,
            tasks=("report", "not enabled"),
            monotonic=clock.monotonic,
        )

    def _run(self) -> None:
        self.runs.append(self.clock.monotonic())

    def look(self, seconds: int) -> None:
        """Once a second, as the watch does."""
        for _ in range(seconds):
            self.clock.advance(seconds=1)
            self.recovery()
            wait_until(lambda: not self.scheduler.get_job_info("report")["running"])

    def break_(self, circuit: Circuit) -> None:
        for _ in range(3):
            circuit.failed()


@pytest.fixture
def watched(clock: FakeClock) -> Watched:
    return Watched(clock)


def test_nothing_is_asked_while_all_is_well(watched: Watched) -> None:
    watched.look(60)

    assert (watched.manager.asked, watched.runs) == (0, [])


def test_a_vtn_that_is_back_is_found_within_10_s_and_tasks_run_once(watched: Watched) -> None:
    watched.break_(watched.circuit)
    watched.look(600)
    asked = watched.manager.asked
    assert watched.runs == []
    assert asked < 150

    watched.manager.answers = True
    returned_s = watched.clock.monotonic()
    watched.look(60)

    (ran_s,) = watched.runs
    assert ran_s - returned_s <= 10


def test_an_outage_that_ended_between_two_looks_is_noticed(watched: Watched) -> None:
    watched.break_(watched.circuit)
    watched.circuit.succeeded()
    watched.look(5)

    assert len(watched.runs) == 1


def test_where_only_writing_fails_reports_are_tried_now_and_then(watched: Watched) -> None:
    watched.break_(watched.writes)
    watched.look(80)

    assert 8 <= len(watched.runs) <= 10
    assert watched.manager.asked == 0
