"""An owner stands still at one point, another one takes over, and it wakes up: what comes of it.

The pause is made inside of one process: the other one takes over and works while the first one is
in the middle of something, which then goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from app.fleet import sample_fleet
from app.platform import DatabaseError, Fence
from app.vtn import EmbeddedCredentials, EmbeddedVtn
from containers import Container
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.postgres import Postgres
from tests.support.waiting import wait_until
from tests.support.workbench import Bench

pytestmark = [pytest.mark.in_process, pytest.mark.rest]
VENS, RESOURCES = 4, 2
SETTLE_S = 30


class Pausing:
    """A fence of a process that stands still before it looks."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self.before_check: Callable[[], None] = lambda: None
        self.before_wait: Callable[[], None] = lambda: None

    def check(self, connection: Connection) -> None:
        self.before_check()
        self._fence.check(connection)

    def wait(self) -> None:
        self.before_wait()
        self._fence.wait()

    def is_certain(self) -> bool:
        return self._fence.is_certain()

    def is_owner(self) -> bool:
        return self._fence.is_owner()


class Owners:
    """The first owner of a shard, and the next one, at one VTN."""

    def __init__(self, make: Callable[[], Container], vtn: EmbeddedVtn, clock: FakeClock) -> None:
        self._make, self._vtn, self._clock = make, vtn, clock
        self._stood_still_s = 0.0
        self._pausing = threading.Lock()
        container = make()
        container.platform.boottime.override(self._boottime)
        self.fence = Pausing(container.platform.server_lease())
        container.platform.fence.override(self.fence)
        container.platform.owner().acquire()
        self.first = Bench(container, vtn, clock)
        self.next: Bench | None = None
        self.ticks = 0

    def _boottime(self) -> float:
        return time.monotonic() + self._stood_still_s

    def begin(self) -> None:
        """The VENs of the shard are enrolled, and asked for telemetry."""
        repository = self.first.container.fleet.repository()
        sample = sample_fleet(vens=2 * VENS, resources_per_ven=RESOURCES)
        repository.save(repository.own(sample))
        self.first.manager.enrol()
        self.first.manager.poll_events()

    def tick(self, bench: Bench) -> None:
        self.ticks += 1
        self._clock.advance(seconds=30)
        bench.container.simulator().increase_time()

    def pause(self) -> None:
        """Once: the lease of the first one ends, and the next one takes over, and delivers."""
        with self._pausing:  # several reports are sent at a time
            if self.next is None:
                self._take_over()

    def _take_over(self) -> None:
        wait_until(self._has_stood_still)
        with self.first.container.platform.engine().begin() as connection:
            # Of another epoch: the thread that renews the lease does not stand still with the rest.
            connection.execute(
                text("UPDATE lease SET epoch = epoch + 1, expires_at = clock_timestamp()")
            )
        container = self._make()
        container.platform.owner().acquire()
        self.next = Bench(container, self._vtn, self._clock)
        ended_at = container.platform.owner().former_end
        container.delivery.takeover()(ended_at)
        self._stood_still_s += 60
        self.next.manager.generate_reports()
        self._clock.advance(seconds=SETTLE_S + 1)
        self.next.manager.generate_reports()

    def _has_stood_still(self) -> bool:
        """Longer than a transaction may: a lease lasts longer, too."""
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
            " AND state_change > clock_timestamp() - interval '3 s' AND pid <> pg_backend_pid()"
            " AND datname = current_database()"
        )
        with self.first.container.platform.engine().begin() as connection:
            return bool(connection.execute(query).scalar() == 0)

    def look_for_late_ones(self) -> None:
        assert self.next is not None
        self._clock.advance(minutes=61)
        for _ in range(3):
            self.next.manager.generate_reports()
            self._clock.advance(minutes=61)

    @property
    def expected(self) -> int:
        return self.ticks * sum(1 for _ in self.first.container.fleet.repository().resources())

    def close(self) -> None:
        for bench in (self.first, self.next):
            if bench is not None:
                bench.container.platform.owner().release()


@pytest.fixture
def owners(
    make_container: MakeContainer,
    vtn: EmbeddedVtn,
    clock: FakeClock,
    tmp_path: Path,
    postgres: Postgres,
) -> Iterator[Owners]:
    url, secret = postgres.make_database(), EmbeddedCredentials.of(tmp_path / "data" / "vtn")
    settings: dict[str, Any] = {
        "vtn": {
            "base_url": vtn.base_url,
            "client_id": "{ven_name}",
            "client_secret": secret.ven_secret,
        },
        "fleet": {"shards": 2, "shard": 0},
        "database": {"url": url},
        "metering": {"default_source": "simulator"},
    }
    made = Owners(lambda: make_container(**settings), vtn, clock)
    made.begin()
    yield made
    made.close()


def end_of(deliver: Callable[[], object]) -> None:
    """The first owner finds out that it is none any more, or that its transaction was ended."""
    with pytest.raises(DatabaseError):
        deliver()


def test_before_the_check_it_stores_nothing(owners: Owners) -> None:
    owners.tick(owners.first)
    owners.fence.before_check = owners.pause

    end_of(owners.first.manager.generate_reports)

    assert owners.next is not None
    owners.next.assert_each_once(owners.expected)


def test_after_the_commit_it_sends_nothing(owners: Owners) -> None:
    """What it was about to send is in flight: the next owner looks for it, and sends it."""
    owners.tick(owners.first)
    sent = len(owners.first.transport.requests)
    owners.fence.before_wait = owners.pause

    end_of(owners.first.manager.generate_reports)

    assert len(owners.first.transport.requests) == sent
    assert owners.next is not None
    owners.next.assert_each_once(owners.expected)


def test_within_a_post_it_ends_up_at_the_vtn_once(owners: Owners) -> None:
    """The rest of the report comes when the next owner has sent it again: one of two is removed."""
    owners.tick(owners.first)
    owners.first.transport.on_report = lambda _: owners.pause()

    end_of(owners.first.manager.generate_reports)

    assert owners.next is not None
    assert max(owners.next.readings().values()) == 2, "it came late"
    owners.look_for_late_ones()
    owners.next.assert_each_once(owners.expected)


def test_the_next_owner_goes_on(owners: Owners) -> None:
    owners.tick(owners.first)
    owners.fence.before_check = owners.pause
    end_of(owners.first.manager.generate_reports)

    assert owners.next is not None
    owners.tick(owners.next)
    owners.next.manager.generate_reports()

    owners.next.assert_each_once(owners.expected)
