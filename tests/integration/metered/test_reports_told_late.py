"""Reports of which nothing was measured when they were due."""

from __future__ import annotations

import pytest

from tests.support.intake import measured
from tests.support.metered import QUARTER, MeteredBench

pytestmark = pytest.mark.in_process
USAGE = {"payloadType": "USAGE"}


def test_a_report_without_any_value_holds_back_no_later_one(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=30)
    bench.take(measured(begin + QUARTER, 2.0))

    bench.pass_time(seconds=15)
    bench.pass_time(seconds=15)

    assert bench.told() == {("hall", begin + QUARTER): [2.0]}


def test_what_comes_later_is_its_first_sending(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=17)
    assert bench.reports() == []

    bench.clock.advance(hours=20)
    bench.take(measured(begin, 1.25))
    bench.pass_time(seconds=15)

    assert bench.told()["hall", begin] == [1.25]
    assert not any("-c" in report["reportName"][-4:] for report in bench.reports())


def test_it_is_passed_when_nothing_came_in_time(bench: MeteredBench) -> None:
    bench.ask_by_quarter(USAGE, count=1)
    bench.pass_time(minutes=17)

    bench.pass_time(days=2)

    assert bench.container.streams.losses().all()["not_told"] == 1


def test_it_can_be_corrected_after_it_was_sent_late(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE, count=1)
    bench.pass_time(minutes=17)
    bench.take(measured(begin, 1.25))
    bench.pass_time(seconds=15)

    bench.take(measured(begin, 1.5))
    bench.pass_time(seconds=15)

    assert len(bench.reports()) == 1
    assert bench.told() == {("hall", begin): [1.5]}
