"""A VTN that does not take the values of some resources gets those of all others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest

from app.reporting.delivery.divisions import MAX_IN_VAIN
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.workbench import Bench

pytestmark = pytest.mark.in_process

RESOURCES = 16
MAX_REQUESTS = 2 * int(math.log2(RESOURCES)) + 1


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    """One VEN with many resources."""
    container = make_container(vtn={"embedded_port": vtn.port})
    made = Bench(container, vtn, clock)
    made.enrol(vens=1, resources_per_ven=RESOURCES)
    return made


def names(bench: Bench) -> list[str]:
    return [
        resource.resource_name for _, resource in bench.container.fleet.repository().resources()
    ]


def refuse(bench: Bench, resources: Collection[str]) -> None:
    """The VTN takes no report that has one of these."""

    def refuses(report: dict[str, Any]) -> bool:
        return any(each["resourceName"] in resources for each in report["resources"])

    bench.transport.refuses = refuses


def posts(bench: Bench) -> int:
    """How many reports were sent, whatever came of them."""
    return len(bench.transport.of("POST", "/reports")) + bench.transport.refusals


def round_(bench: Bench) -> int:
    """Meter and deliver once; how many reports were sent."""
    before = posts(bench)
    bench.tick()
    bench.manager.generate_reports()
    return posts(bench) - before


def of_resource(bench: Bench) -> Counter[str]:
    return Counter(name for name, _ in bench.readings())


@pytest.mark.parametrize("place", range(0, RESOURCES, 5))
def test_one_resource_costs_no_other_its_report(bench: Bench, place: int) -> None:
    odd = names(bench)[place]
    refuse(bench, {odd})

    assert round_(bench) <= MAX_REQUESTS

    assert of_resource(bench) == dict.fromkeys(set(names(bench)) - {odd}, 1)
    (aside,) = bench.container.streams.rejected().reports()
    assert (aside.readings, aside.to_send) == (1, False)


def test_it_is_remembered_for_a_day(bench: Bench) -> None:
    refuse(bench, {names(bench)[3]})
    round_(bench)

    assert [round_(bench) for _ in range(3)] == [1, 1, 1]
    assert len(bench.container.streams.rejected().reports()) == 4
    assert bench.waiting() == 0

    bench.clock.advance(days=1)
    assert round_(bench) > 1


def test_of_several_each_is_found(bench: Bench) -> None:
    odd = set(names(bench)[::4])
    refuse(bench, odd)

    round_(bench)

    assert of_resource(bench) == dict.fromkeys(set(names(bench)) - odd, 1)
    assert round_(bench) == 1


def test_a_vtn_that_refuses_all_is_not_asked_for_each_resource(bench: Bench) -> None:
    refuse(bench, names(bench))

    first = round_(bench)

    assert first == MAX_IN_VAIN
    assert [round_(bench) for _ in range(3)] == [1, 1, 1]
    asides = bench.container.streams.rejected().reports()
    assert sum(aside.readings for aside in asides) == 4 * RESOURCES
    assert not any(aside.to_send for aside in asides)


def test_what_was_set_aside_arrives_when_the_vtn_takes_it(bench: Bench) -> None:
    refuse(bench, set(names(bench)[:3]))
    for _ in range(3):
        round_(bench)
    bench.transport.refuses = None
    bench.retry()
    bench.manager.generate_reports()

    bench.assert_each_once(3 * RESOURCES)
    assert bench.container.streams.rejected().reports() == []


@pytest.mark.parametrize("fault", ["lost answer", "lost request", 503, 429, 401])
def test_whatever_happens_to_the_parts_each_reading_is_there_once(
    bench: Bench, fault: str | int
) -> None:
    odd = names(bench)[2]
    refuse(bench, {odd})
    bench.transport.faults.extend(["ok", fault, "ok", fault, fault])
    for _ in range(6):
        bench.clock.advance(minutes=5)
        round_(bench)

    assert of_resource(bench) == dict.fromkeys(set(names(bench)) - {odd}, 6)
    assert set(bench.readings().values()) == {1}
    assert sum(aside.readings for aside in bench.container.streams.rejected().reports()) == 6


def test_a_restart_between_the_parts_loses_none(
    bench: Bench, make_container: MakeContainer
) -> None:
    refuse(bench, {names(bench)[5]})
    bench.transport.faults.extend(["ok", 401, 401])
    bench.tick()
    bench.manager.generate_reports()
    bench.container.platform.database().close()

    settings = {"embedded_port": bench.vtn.port}
    again = Bench(make_container(vtn=settings), bench.vtn, bench.clock)
    refuse(again, {names(bench)[5]})
    again.manager.generate_reports()

    assert sum(of_resource(again).values()) == RESOURCES - 1
