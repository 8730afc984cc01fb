"""What changes after it was told one by one is told again."""

from __future__ import annotations

import pytest

from app.intake import Quality
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import measured
from tests.support.metered import QUARTER, MeteredBench

pytestmark = pytest.mark.in_process
USAGE = {"payloadType": "USAGE"}


def test_what_was_told_is_told_again_in_a_report_that_says_so(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=30)
    bench.take(measured(begin, 1.0, 2.0))
    bench.manager.generate_reports()

    bench.take(measured(begin, 1.5))
    bench.clock.advance(minutes=15)
    bench.manager.generate_reports()
    bench.manager.generate_reports()

    first, second = bench.reports()
    assert bench.told() == {("hall", begin): [1.0, 1.5], ("hall", begin + QUARTER): [2.0]}
    assert "-corrects-20260601T120000Z-" in second["reportName"]
    assert "corrects" not in first["reportName"]


def test_of_several_corrections_within_a_quarter_hour_the_last_is_told(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.0))
    bench.manager.generate_reports()

    for value in (1.25, 1.5, 1.75):
        bench.take(measured(begin, value))
        bench.clock.advance(minutes=4)
        bench.manager.generate_reports()
        assert bench.told() == {("hall", begin): [1.0]}
    bench.clock.advance(minutes=3)
    bench.manager.generate_reports()

    assert bench.told() == {("hall", begin): [1.0, 1.75]}


def test_what_was_corrected_before_it_was_told_is_told_once(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.0))
    bench.take(measured(begin, 2.0))
    bench.manager.generate_reports()

    bench.clock.advance(minutes=20)
    bench.manager.generate_reports()

    assert bench.told() == {("hall", begin): [2.0]}


def test_it_does_not_count_against_repeat(bench: MeteredBench) -> None:
    begin = bench.ask_for({**USAGE, "repeat": 2})
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.0))
    bench.manager.generate_reports()
    bench.take(measured(begin, 1.5))
    bench.clock.advance(minutes=15)
    bench.manager.generate_reports()

    bench.take(measured(begin + QUARTER, 2.0))
    bench.manager.generate_reports()

    assert bench.told() == {("hall", begin): [1.0, 1.5], ("hall", begin + QUARTER): [2.0]}


def test_after_an_unseen_answer_it_is_there_once(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.0))
    bench.manager.generate_reports()
    bench.take(measured(begin, 1.5))
    bench.clock.advance(minutes=15)
    bench.transport.faults.append("lost answer")

    bench.manager.generate_reports()
    bench.restart()
    bench.wait_out_holds()
    bench.manager.generate_reports()

    assert bench.told() == {("hall", begin): [1.0, 1.5]}


def test_a_bad_value_that_becomes_sure_is_told(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.0, quality=Quality.BAD))
    bench.manager.generate_reports()
    assert bench.told() == {}

    bench.take(measured(begin, 2.0))
    bench.clock.advance(minutes=15)
    bench.manager.generate_reports()

    assert bench.told() == {("hall", begin): [2.0]}


def test_many_are_told_in_parts(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = MeteredBench(
        make_container(vtn={"embedded_port": vtn.port}, reporting={"max_readings_per_report": 10}),
        vtn,
        clock,
    )
    bench.enrol_meters()
    begin = bench.ask_for(USAGE)
    bench.clock.advance(hours=8)
    bench.take(measured(begin, *([1.0] * 24)))
    bench.manager.generate_reports()

    bench.take(measured(begin, *([2.0] * 24)))
    bench.clock.advance(minutes=15)
    bench.manager.generate_reports()

    assert bench.told() == {("hall", begin + n * QUARTER): [1.0, 2.0] for n in range(24)}
    sizes = [len(report["resources"][0]["intervals"]) for report in bench.reports()]
    assert sizes == [10, 10, 4, 10, 10, 4]
