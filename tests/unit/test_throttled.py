"""Looking costs little, however many ask and however long a look takes."""

from __future__ import annotations

import threading

import pytest

from app.ops import ThrottledValue
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until


class Look:
    """Finds how often it has looked; takes so long, and fails when it is told to."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.count = 0
        self.takes_s = 0.0
        self.fails = False
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self) -> int:
        self.count += 1
        self.may_end.wait(10)
        self._clock.advance(seconds=self.takes_s)
        if self.fails:
            raise OSError("nothing can be seen")
        return self.count


@pytest.fixture
def look(clock: FakeClock) -> Look:
    return Look(clock)


@pytest.fixture
def seldom(look: Look, clock: FakeClock) -> ThrottledValue[int]:
    """Every 5 s at most."""
    return ThrottledValue(look=look, every_s=5.0, monotonic=clock.monotonic)


def test_it_looks_again_when_the_time_has_passed(
    seldom: ThrottledValue[int], clock: FakeClock
) -> None:
    first = seldom()
    clock.advance(seconds=4.9)
    still = seldom()
    clock.advance(seconds=0.1)

    assert (first, still, seldom()) == (1, 1, 2)


def test_what_takes_long_is_looked_for_more_seldom(
    seldom: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    look.takes_s = 0.25
    seldom()
    clock.advance(seconds=24.65)
    assert seldom() == 1, "looking would take more than 1 % of the time"

    clock.advance(seconds=0.1)
    assert seldom() == 2


def test_nothing_is_kept_for_longer_than_half_a_minute(
    seldom: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    look.takes_s = 20.0  # a database that was silent, a process that was frozen
    seldom()
    clock.advance(seconds=10.1)

    assert seldom() == 2


def test_who_asks_while_another_looks_gets_what_was_there(
    seldom: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    seldom()
    clock.advance(seconds=5)
    look.may_end.clear()
    other = threading.Thread(target=seldom)
    other.start()
    wait_until(lambda: look.count == 2)

    found = seldom()
    look.may_end.set()
    other.join()

    assert (found, seldom()) == (1, 2)


def test_all_wait_for_the_first_look(seldom: ThrottledValue[int], look: Look) -> None:
    look.may_end.clear()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(seldom())) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: look.count == 1)

    look.may_end.set()
    for thread in threads:
        thread.join()

    assert found == [1] * 4


def test_who_asks_while_another_looks_does_not_get_what_is_old(
    seldom: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    seldom()
    clock.advance(hours=8)
    look.may_end.clear()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(seldom())) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: look.count == 2)

    look.may_end.set()
    for thread in threads:
        thread.join()

    assert found == [2, 2]


def test_a_first_look_that_fails_is_told_and_made_again(
    seldom: ThrottledValue[int], look: Look
) -> None:
    look.fails = True
    with pytest.raises(OSError, match="nothing can be seen"):
        seldom()

    look.fails = False
    assert seldom() == 2


def test_a_look_that_fails_is_told_and_made_again(
    seldom: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    seldom()
    clock.advance(seconds=5)
    look.fails = True
    with pytest.raises(OSError, match="nothing can be seen"):
        seldom()

    look.fails = False
    assert seldom() == 3
