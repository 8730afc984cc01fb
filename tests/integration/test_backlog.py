"""How much is owed is kept with the cursors, and is what counting anew would give."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from app.fleet import Status
from app.reporting.streams import Backlog
from bench.intervals import counted
from tests.support.fakes import resource
from tests.support.workbench import SAMPLE, Bench

pytestmark = pytest.mark.in_process

READING = {"payloadType": "READING", "frequency": 0}
INTERVALS = {"payloadType": "USAGE", "frequency": 1, "repeat": -1}


class Days:
    """A fleet on which anything may happen next."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.random = random.Random(seed)
        self.added = 0
        self.steps: list[Callable[[], object]] = [
            *(lambda: bench.tick(self.random.randint(1, 4)),) * 4,
            *(bench.manager.generate_reports,) * 3,
            bench.manager.poll_events,
            lambda: bench.clock.advance(seconds=self.random.choice([60, 3600])),
            self.another_event,
            self.more_events,
            self.trouble,
            self.more_resources,
            self.fewer_resources,
        ]

    def another_event(self) -> None:
        descriptors = self.random.choice(
            [
                [READING],
                [READING, {**READING, "payloadType": "USAGE"}],
                [{**READING, "repeat": 3}],
                [{**READING, "aggregate": True}],
                [INTERVALS],
                [],
            ]
        )
        timed = {
            "intervals": [{"id": 0, "payloads": []}],
            "intervalPeriod": {"start": self.bench.clock.now.isoformat(), "duration": "PT5M"},
        }
        self.bench.ask(*descriptors, **(timed if INTERVALS in descriptors else {}))
        self.bench.clock.advance(seconds=1)
        self.bench.manager.poll_events()

    def more_events(self) -> None:
        (program,) = self.bench.vtn.store.select("PROGRAM")
        body = {"programID": program["id"], "reportDescriptors": [READING]}
        self.bench.vtn.store.add("EVENT", body, parent=program["id"])
        self.bench.manager.poll_events()

    def trouble(self) -> None:
        self.bench.transport.faults.extend(
            self.random.choices(["lost answer", "lost request", 503, 422, 401], k=3)
        )

    def more_resources(self) -> None:
        self.added += 1
        name = self.random.choice(SAMPLE)
        self.bench.container.fleet.repository().save({name: [resource(f"more-{self.added}")]})
        self.bench.manager.enrol()

    def fewer_resources(self) -> None:
        repository = self.bench.container.fleet.repository()
        ven_name, chosen = self.random.choice(list(repository.resources()))
        repository.set_status(ven_name, chosen.resource_name, Status.SUSPENDED)


@pytest.mark.parametrize("seed", range(6))
def test_the_count_is_what_counting_anew_gives(bench: Bench, seed: int) -> None:
    days = Days(bench, seed)
    store, backlog = bench.container.streams.store(), bench.container.streams.backlog()
    assert isinstance(backlog, Backlog)
    for _ in range(40):
        step = days.random.choice(days.steps)
        step()
        assert store.waiting() == backlog.waiting_of(store.streams()), step


def test_it_is_read_without_a_query(bench: Bench) -> None:
    bench.tick(3)
    bench.waiting()
    bench.tick()
    bench.manager.generate_reports()
    bench.tick()

    with counted() as statements:
        owed = bench.waiting()

    assert (owed, statements.count) == (12, 0)
