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
def throttled(look: Look, clock: FakeClock) -> ThrottledValue[int]:
    """Every 5 s at most."""
    return ThrottledValue(look=look, every_s=5.0, monotonic=clock.monotonic)


def test_it_looks_again_when_the_time_has_passed(
    throttled: ThrottledValue[int], clock: FakeClock
) -> None:
    first = throttled()
    clock.advance(seconds=4.9)
    still = throttled()
    clock.advance(seconds=0.1)

    assert (first, still, throttled()) == (1, 1, 2)


def test_what_takes_long_is_looked_for_more_seldom(
    throttled: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    look.takes_s = 0.25
    throttled()
    clock.advance(seconds=24.65)
    assert throttled() == 1, "looking would take more than 1 % of the time"

    clock.advance(seconds=0.1)
    assert throttled() == 2


def test_nothing_is_kept_for_longer_than_half_a_minute(
    throttled: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    look.takes_s = 20.0  # a database that was silent, a process that was frozen
    throttled()
    clock.advance(seconds=10.1)

    assert throttled() == 2


def test_who_asks_while_another_looks_gets_what_was_there(
    throttled: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    throttled()
    clock.advance(seconds=5)
    look.may_end.clear()
    other = threading.Thread(target=throttled)
    other.start()
    wait_until(lambda: look.count == 2)

    found = throttled()
    look.may_end.set()
    other.join()

    assert (found, throttled()) == (1, 2)


def test_all_wait_for_the_first_look(throttled: ThrottledValue[int], look: Look) -> None:
    look.may_end.clear()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(throttled())) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: look.count == 1)

    look.may_end.set()
    for thread in threads:
        thread.join()

    assert found == [1] * 4


def test_who_asks_while_another_looks_does_not_get_what_is_old(
    throttled: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    throttled()
    clock.advance(hours=8)
    look.may_end.clear()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(throttled())) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: look.count == 2)

    look.may_end.set()
    for thread in threads:
        thread.join()

    assert found == [2, 2]


def test_a_first_look_that_fails_is_told_and_made_again(
    throttled: ThrottledValue[int], look: Look
) -> None:
    look.fails = True
    with pytest.raises(OSError, match="nothing can be seen"):
        throttled()

    look.fails = False
    assert throttled() == 2


def test_a_look_that_fails_is_told_and_made_again(
    throttled: ThrottledValue[int], look: Look, clock: FakeClock
) -> None:
    throttled()
    clock.advance(seconds=5)
    look.fails = True
    with pytest.raises(OSError, match="nothing can be seen"):
        throttled()

    look.fails = False
    assert throttled() == 3
