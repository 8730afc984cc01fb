"""Twice the fleet is twice the work, and no more: lines of ours that run are counted, not time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from app.fleet import sample_fleet
from app.openadr import read_event, write_instant
from bench import intervals
from bench.fleet import Sink, sink
from containers import Container
from tests.conftest import MakeContainer
from tests.support.wiring import provider
from tests.support.workbench import Bench

pytestmark = [pytest.mark.in_process, pytest.mark.rest]

APP = str(Path(__file__).parents[2] / "app")
SMALL = 60
MAX_GROWTH = 2.02
"""From one fleet to one of twice its size; what is done once for all makes it less than 2."""
OF_ALL_VENS = 8
"""Statements of a delivery that has nothing to send, however many VENs there are."""


class Lines:
    """How many lines of the application ran, on all threads."""

    def __init__(self) -> None:
        self.count = 0

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(APP):
            return None
        self.count += event == "line"
        return self.trace


@contextmanager
def counted() -> Iterator[Lines]:
    lines = Lines()
    before = sys.gettrace()
    threading.settrace(lines.trace)
    sys.settrace(lines.trace)
    try:
        yield lines
    finally:
        sys.settrace(before)
        threading.settrace(before)


def enrol(container: Container) -> None:
    # As in a large fleet: the targets of all are not read with every poll.
    provider(container, "events.sync").add_kwargs(few=0)
    container.ven_manager().enrol()


def start_again(container: Container) -> None:
    container.ven_manager().enrol()


def poll(container: Container) -> None:
    container.ven_manager().poll_events()


def follow_a_new_event(container: Container) -> None:
    """One that asks for reports per interval, and one for forecasts."""
    now = container.platform.clock()()
    period = {"start": write_instant(now), "duration": "PT15M"}
    asks = [{"payloadType": "USAGE"}, {"payloadType": "USAGE_FORECAST", "historical": False}]
    event = read_event(
        {
            "id": "new",
            "programID": "bench-program",
            "intervalPeriod": period,
            "intervals": [{"id": number} for number in range(8)],
            "reportDescriptors": asks,
        }
    )
    pushed = [(name, event) for name in container.ven_manager().polled]
    container.ven_manager().take_events(pushed)


def look_at_the_page(container: Container) -> None:
    """What it shows of the whole fleet, its events, and of one VEN."""
    services = container.ops.page_services()
    _, total = services.fleet.vens(skip=0, limit=50)
    assert total
    services.fleet.ven(next(iter(container.ven_manager().polled)))
    services.events.rows(before=timedelta(hours=1), after=timedelta(hours=6))


def cycle(container: Container) -> None:
    container.simulator().increase_time()
    assert container.ven_manager().generate_reports()


def heartbeat(container: Container) -> None:
    container.ven_manager().heartbeat()
    container.simulator().get_statistics()


STEPS: tuple[Callable[[Container], None], ...] = (
    *(enrol, start_again, poll, cycle, cycle, heartbeat),
    *(follow_a_new_event, cycle, cycle, poll, look_at_the_page),
)


def work(vens: int, make_container: MakeContainer, vtn: Sink, data_dir: Path) -> list[int]:
    """The lines that each step takes with a fleet of this size."""
    container = make_container(
        data_dir=data_dir, vtn={"base_url": vtn.base_url, "bearer_token": "one-for-all"}
    )
    container.fleet.repository().save(sample_fleet(vens=vens, resources_per_ven=2))
    taken = []
    for step in STEPS:
        with counted() as lines:
            step(container)
        taken.append(lines.count)
    return taken


def least(vens: int, make_container: MakeContainer, vtn: Sink, data_dir: Path) -> list[int]:
    """Of two fleets of this size: who waits for a busy machine looks more often."""
    runs = [work(vens, make_container, vtn, data_dir / name) for name in ("first", "second")]
    return [min(each) for each in zip(*runs, strict=True)]


def test_twice_the_vens_are_twice_the_work(tmp_path: Path, make_container: MakeContainer) -> None:
    with sink() as first, sink() as second:
        small = least(SMALL, make_container, first, tmp_path / "small")
        large = least(2 * SMALL, make_container, second, tmp_path / "large")

    growth = {
        f"{place} {step.__name__}": b / a
        for place, (step, a, b) in enumerate(zip(STEPS, small, large, strict=True))
    }
    assert {name: each for name, each in growth.items() if each > MAX_GROWTH} == {}


def test_interval_reports_that_are_not_due_cost_no_statement_of_their_own(bench: Bench) -> None:
    bench.ask(
        {"payloadType": "USAGE"},
        duration="P1D",
        intervalPeriod={"start": bench.clock.now.isoformat(), "duration": "PT15M"},
        intervals=[{"id": 0}],
    )
    bench.manager.poll_events()
    bench.manager.generate_reports()  # what is read once
    of_each_delivery = []
    for _ in range(28):
        bench.tick()
        with intervals.counted() as statements:
            assert bench.manager.generate_reports() == 0
            bench.container.delivery.service().waiting()
        of_each_delivery.append(statements.count)

    assert max(of_each_delivery) <= OF_ALL_VENS
