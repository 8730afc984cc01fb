"""Who runs a shard: looked up by one thread, and known to all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.platform import Owners, ShardOwner, make_engine
from app.platform.errors import DatabaseError
from app.platform.shards import GatewayToken, Registry
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until

FIRST = ShardOwner("vm:1", 1, None)


class Leases:
    """What a database says, when it does."""

    def __init__(self) -> None:
        self.owner: ShardOwner | None = None
        self.fails = False
        self.looks = 0
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self) -> Sequence[ShardOwner | None]:
        self.looks += 1
        self.answers.wait(20)
        if self.fails:
            raise DatabaseError("it cannot be reached")
        return [self.owner]

    def close(self) -> None: ...


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def owners(leases: Leases, clock: FakeClock, tmp_path: Path) -> Owners:
    registry = Registry(make_engine(f"sqlite:///{tmp_path}/shards.db", pools=False))
    token = GatewayToken("known", directory=tmp_path)
    return Owners(leases, registry=registry, token=token, shards=1, monotonic=clock.monotonic)


def test_it_is_looked_up_again_after_half_a_second(
    owners: Owners, leases: Leases, clock: FakeClock
) -> None:
    assert owners.all() == [None]
    leases.owner = FIRST
    clock.advance(seconds=0.4)
    assert owners.all() == [None]

    clock.advance(seconds=0.2)

    assert owners.all() == [FIRST]


def test_who_comes_while_another_looks_is_told_what_that_finds(
    owners: Owners, leases: Leases, clock: FakeClock
) -> None:
    assert owners.all() == [None]
    leases.owner = FIRST
    clock.advance(seconds=1)
    leases.answers.clear()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(owners.all) for _ in range(2)]
        wait_until(lambda: leases.looks == 2)
        leases.answers.set()

        assert [each.result() for each in both] == [[FIRST], [FIRST]]
    assert leases.looks == 2


def test_what_was_known_holds_where_it_cannot_be_looked_up(
    owners: Owners, leases: Leases, clock: FakeClock
) -> None:
    leases.owner = FIRST
    assert owners.all() == [FIRST]
    leases.fails = True
    clock.advance(seconds=1)

    assert owners.all() == [FIRST]
    assert owners.problem == "it cannot be reached"
