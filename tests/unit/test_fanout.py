"""The same work for many VENs: how much of it at a time, and what an error stops."""

from __future__ import annotations

import threading
import time

import pytest

from app.openadr import VtnDown, VtnError, VtnRejected, VtnUnavailable, VtnUnreachable
from app.platform import DatabaseError, FanOut, Shutdown


class InFlight:
    """Work that lasts until enough of it is under way, or for a moment."""

    def __init__(self, enough: int, longest_s: float) -> None:
        self._enough = enough
        self._longest_s = longest_s
        self._changed = threading.Condition()
        self._now = 0
        self.most = 0

    def __call__(self, item: int) -> int:
        with self._changed:
            self._now += 1
            self.most = max(self.most, self._now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= self._enough, self._longest_s)
            self._now -= 1
        return item * 2


def test_outcomes_come_in_the_order_of_the_items() -> None:
    fan_out = FanOut(max_workers=4, shutdown=Shutdown())

    outcomes = fan_out(range(100), lambda item: item * 2, failure=VtnError)

    assert outcomes == [(item, item * 2) for item in range(100)]


def test_while_the_vtn_is_waited_for_there_are_more_in_flight_up_to_the_bound() -> None:
    fan_out = FanOut(max_workers=6, shutdown=Shutdown(), cpu_s=lambda: 0.0)
    work = InFlight(enough=6, longest_s=10.0)

    fan_out(range(20), work, failure=VtnError)

    assert work.most == 6
    assert fan_out.workers == 6, "the next time it begins with as many"


def test_while_our_own_processor_is_busy_there_are_two() -> None:
    fan_out = FanOut(max_workers=6, shutdown=Shutdown(), cpu_s=time.monotonic)
    work = InFlight(enough=3, longest_s=0.05)

    fan_out(range(6), work, failure=VtnError)

    assert work.most == 2


def test_the_bound_holds_also_when_it_was_busy_in_between() -> None:
    cpu_s = [0.0]
    fan_out = FanOut(max_workers=3, shutdown=Shutdown(), cpu_s=lambda: cpu_s[0])
    fan_out(range(20), InFlight(enough=3, longest_s=10.0), failure=VtnError)
    work = InFlight(enough=4, longest_s=0.1)

    def busy_then_idle(item: int) -> int:
        if item < 3:
            cpu_s[0] += 1.0
        return work(item)

    fan_out(range(12), busy_then_idle, failure=VtnError)

    assert work.most == 3


def test_there_are_never_more_than_one_where_one_is_the_bound() -> None:
    fan_out = FanOut(max_workers=1, shutdown=Shutdown(), cpu_s=lambda: 0.0)
    work = InFlight(enough=2, longest_s=0.03)

    fan_out(range(3), work, failure=VtnError)

    assert work.most == 1


@pytest.mark.parametrize(
    "error", [VtnRejected("no", status=400), VtnUnreachable("no connection"), VtnUnavailable("500")]
)
def test_one_items_vtn_error_is_its_outcome_and_does_not_stop_the_others(error: VtnError) -> None:
    def work(item: int) -> int:
        if item == 1:
            raise error
        return item

    outcomes = FanOut(max_workers=2, shutdown=Shutdown())(range(5), work, failure=VtnError)

    assert outcomes == [(0, 0), (1, error), (2, 2), (3, 3), (4, 4)]


def test_a_defect_is_raised_when_the_others_are_done() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 1:
            raise RuntimeError("a defect")
        done.append(item)

    with pytest.raises(RuntimeError, match="a defect"):
        FanOut(max_workers=2, shutdown=Shutdown())(range(5), work, failure=VtnError)

    assert sorted(done) == [0, 2, 3, 4]


def test_a_database_that_fails_is_not_tried_for_all() -> None:
    tried: list[int] = []

    def work(item: int) -> None:
        tried.append(item)
        raise DatabaseError("disk is full")

    with pytest.raises(DatabaseError, match="disk is full"):
        FanOut(max_workers=2, shutdown=Shutdown())(range(100), work, failure=VtnError)

    assert len(tried) <= 2


def test_a_vtn_that_counts_as_down_is_not_tried_for_all() -> None:
    told: list[None] = []

    def work(_: int) -> int:
        raise VtnDown("down")

    outcomes = FanOut(max_workers=2, shutdown=Shutdown())(
        range(100), work, failure=VtnError, done=lambda: told.append(None)
    )

    assert len(outcomes) <= 2
    assert len(told) == 100, "progress goes on to the end"


def test_nothing_is_tried_after_the_stop() -> None:
    shutdown = Shutdown()
    shutdown.set()

    fan_out = FanOut(max_workers=2, shutdown=shutdown)
    assert fan_out(range(5), lambda item: item, failure=VtnError) == []
