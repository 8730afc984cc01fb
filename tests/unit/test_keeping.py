"""A keeper's process: it looks while it has the lease, and says what is not known once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from app.cluster.engine import EngineError, NewHeadError
from app.cluster.engine.keeping import Keeping
from app.cluster.engine.rounds import Rounds
from app.platform import LogOnce, Shutdown


class Lease:
    """Ours from the start, until it is `taken`; `certain` says so, look by look."""

    def __init__(self, certain: Sequence[bool] = ()) -> None:
        self.certain = list(certain)
        self.taken: str | None = None
        self.is_released = False

    def acquire(self) -> None:
        """Nobody else has it."""

    def lost(self) -> str | None:
        return self.taken

    def is_certain(self) -> bool:
        return self.certain.pop(0) if self.certain else True

    def release(self) -> None:
        self.is_released = True


class Told:
    """A keeper that does what it is told, look by look, and then stops the process."""

    def __init__(self, shutdown: Shutdown, *looks: Callable[[], None]) -> None:
        self._shutdown = shutdown
        self._looks = list(looks)
        self.looked = 0

    def __call__(self) -> None:
        self.looked += 1
        look = self._looks.pop(0) if self._looks else self._shutdown.set
        look()


def nothing() -> None:
    """All is well."""


def fail() -> None:
    raise EngineError("Ray does not answer")


def begin_anew() -> None:
    raise NewHeadError("the head has begun anew")


def run(lease: Lease, keeper: Told, shutdown: Shutdown) -> bool:
    rounds = Rounds(nothing, within_s=600, monotonic=time.monotonic)
    keeping = Keeping(lease=lease, shutdown=shutdown, log_once=LogOnce())
    is_done = keeping.run(keeper, rounds)
    rounds.join(10)
    assert not rounds.is_alive()
    return is_done


def test_it_ends_in_order_when_it_is_stopped() -> None:
    shutdown, lease = Shutdown(), Lease()

    assert run(lease, Told(shutdown, nothing), shutdown)
    assert lease.is_released


def test_what_is_not_known_is_said_once_and_when_it_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    shutdown = Shutdown()

    assert run(Lease(), Told(shutdown, fail, fail, nothing), shutdown)
    assert caplog.messages == ["Ray does not answer", "what the cluster has is known again"]


def test_a_new_head_ends_it() -> None:
    shutdown, lease = Shutdown(), Lease()

    assert not run(lease, Told(shutdown, begin_anew), shutdown)
    assert lease.is_released


def test_a_lost_lease_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    shutdown, lease = Shutdown(), Lease()

    def take() -> None:
        lease.taken = "another process has taken over the cluster"

    assert not run(lease, Told(shutdown, take), shutdown)
    assert "another process has taken over the cluster; this keeper ends" in caplog.messages


def test_it_does_not_look_while_the_lease_is_not_certain() -> None:
    shutdown, lease = Shutdown(), Lease(certain=[False, False])
    keeper = Told(shutdown)

    assert run(lease, keeper, shutdown)
    assert lease.certain == []
    assert keeper.looked == 1


def test_however_long_it_waits_for_the_lease_it_has_time_for_its_rounds() -> None:
    gave_up, now_s = threading.Event(), [0.0]

    class TakenForLong(Lease):
        def acquire(self) -> None:
            now_s[0] += 3_600

    rounds = Rounds(gave_up.set, within_s=60, monotonic=lambda: now_s[0])
    shutdown = Shutdown()

    assert Keeping(lease=TakenForLong(), shutdown=shutdown, log_once=LogOnce()).run(
        Told(shutdown), rounds
    )
    rounds.join(10)
    assert not gave_up.is_set()


def test_an_end_that_hangs_after_an_error_is_ended_by_its_rounds() -> None:
    gave_up, now_s = threading.Event(), [0.0]
    rounds = Rounds(gave_up.set, within_s=0.01, monotonic=lambda: now_s[0])
    lease, shutdown = Lease(), Shutdown()

    def break_down() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Keeping(lease=lease, shutdown=shutdown, log_once=LogOnce()).run(
            Told(shutdown, break_down), rounds
        )
    now_s[0] = 1.0

    assert gave_up.wait(10)
    assert lease.is_released
