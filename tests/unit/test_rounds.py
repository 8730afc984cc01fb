"""A round that does not end is given up."""

from __future__ import annotations

import threading
import time

from app.cluster.engine.rounds import Rounds
from tests.support.waiting import wait_until


def test_a_round_that_takes_too_long_is_given_up() -> None:
    given_up = threading.Event()
    rounds = Rounds(given_up.set, within_s=0.05, monotonic=time.monotonic)

    rounds.start()

    assert given_up.wait(10)
    rounds.join()


def test_rounds_that_end_are_not() -> None:
    """Given rounds that begin again and again, for longer than one of them may take."""
    given_up = threading.Event()
    now_s = [0.0]
    rounds = Rounds(given_up.set, within_s=0.05, monotonic=lambda: now_s[0])
    rounds.start()
    for _ in range(20):
        now_s[0] += 0.04
        rounds.begin()

    rounds.end()
    wait_until(lambda: not rounds.is_alive())

    assert not given_up.is_set()
