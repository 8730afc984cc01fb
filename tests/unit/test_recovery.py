"""What waits for the VTN begins as soon as it is back, and not over and over."""

from __future__ import annotations

import threading

import pytest

from app.openadr import Circuit
from app.scheduling import SchedulerConfig, TaskScheduler
from app.supervision.recovery import Recovery
from tests.support.fakes import FakeClock, held_vens
from tests.support.waiting import wait_until


class FakeManager:
    """Asks a VTN that answers, or does not."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self.answers = False
        self.asked = 0

    def try_vtn(self) -> None:
        self.asked += 1
        if self._circuit.allow_request():
            (self._circuit.answered if self.answers else self._circuit.not_connected)()

    def retry_held(self, *, for_s: float) -> None:
        raise AssertionError(f"no VEN is held, to be tried for {for_s} s")


class Watched:
    """A recovery with its circuits, a task that counts its runs, and time."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.circuit = Circuit(monotonic=clock.monotonic)
        self.writes = Circuit(monotonic=clock.monotonic)
        self.manager = FakeManager(self.circuit)
        self.held = held_vens(self.circuit, clock)
        self.runs: list[float] = []
        self.polls: list[float] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.scheduler = TaskScheduler(
            [
                SchedulerConfig("report", self._run, "interval", hours=1),
                SchedulerConfig("poll", self._poll, "interval", hours=1),
            ]
        )
        self.recovery = Recovery(
            circuit=self.circuit,
            writes=self.writes,
            ven_manager=self.manager,
            held=self.held,
            most_retries=2,
            scheduler=self.scheduler,
            tasks=("report", "poll", "not enabled"),
            writing=("report",),
            monotonic=clock.monotonic,
        )

    def _run(self) -> None:
        self.runs.append(self.clock.monotonic())
        assert self.goes_on.wait(20)

    def _poll(self) -> None:
        self.polls.append(self.clock.monotonic())

    def look(self, seconds: int) -> None:
        """Once a second, as the watch does."""
        for _ in range(seconds):
            self.clock.advance(seconds=1)
            self.recovery()
            self.settle()

    def settle(self) -> None:
        """Until what the recovery began is done."""
        wait_until(lambda: not any(probe.is_alive() for probe in self.recovery.probes))
        wait_until(lambda: not self.scheduler.get_job_info("report")["running"])
        wait_until(lambda: not self.scheduler.get_job_info("poll")["running"])

    def break_(self, circuit: Circuit) -> None:
        for _ in range(3):
            circuit.not_connected()


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
    watched.circuit.answered()
    watched.look(5)

    assert len(watched.runs) == 1


def test_where_only_writing_fails_reports_are_tried_now_and_then(watched: Watched) -> None:
    watched.break_(watched.writes)
    watched.look(80)

    assert 8 <= len(watched.runs) <= 10
    assert (watched.manager.asked, watched.polls) == (0, [])


def test_a_task_that_still_runs_when_the_vtn_is_back_runs_again(watched: Watched) -> None:
    watched.goes_on.clear()
    watched.scheduler.run_now("report")
    wait_until(lambda: len(watched.runs) == 1)
    watched.break_(watched.circuit)
    watched.circuit.answered()
    watched.recovery()

    watched.goes_on.set()
    watched.settle()
    watched.look(5)

    assert len(watched.runs) == 2


def test_a_probe_that_hangs_does_not_keep_the_next_one_from_finding_the_vtn(
    watched: Watched,
) -> None:
    hangs, answers = threading.Event(), threading.Event()
    tried = watched.manager.try_vtn

    def hang_once() -> None:
        if not hangs.is_set():
            hangs.set()
            assert watched.circuit.allow_request()
            assert answers.wait(20)
        else:
            tried()

    watched.manager.try_vtn = hang_once  # type: ignore[method-assign]
    watched.manager.answers = True
    watched.break_(watched.circuit)
    for _ in range(20):
        watched.clock.advance(seconds=1)
        watched.recovery()
        wait_until(lambda: sum(probe.is_alive() for probe in watched.recovery.probes) <= 1)
    answers.set()
    watched.settle()

    assert not watched.circuit.is_open
