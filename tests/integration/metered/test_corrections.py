"""What changes after an interval was reported, and what comes after its report was due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from app.intake import Direction, Quality, Quantity
from app.openadr import Answer
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import measured
from tests.support.metered import MINUTE, QUARTER, MeteredBench

pytestmark = pytest.mark.in_process
USAGE = {"payloadType": "USAGE"}
DATA_QUALITY = {"payloadType": "DATA_QUALITY"}


def mode(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock, corrections: str
) -> MeteredBench:
    made = MeteredBench(
        make_container(vtn={"embedded_port": vtn.port}, intake={"corrections": corrections}),
        vtn,
        clock,
    )
    made.enrol_meters()
    return made


def told(bench: MeteredBench, value: float = 1.25) -> Any:
    """A quarter-hour that was told; its begin."""
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    bench.take(measured(begin, value))
    bench.pass_time(seconds=15)
    assert bench.told() == {("hall", begin): [value]}
    return begin


def puts_answered_with(status: int) -> Callable[[str, str], Answer | None]:
    """In the place of the VTN."""
    return lambda method, _path: (
        Answer(
            status=status,
            headers={"Content-Type": "application/json"},
            content=b'{"title": "no"}',
            authorization=None,
        )
        if method == "PUT"
        else None
    )


def test_a_correction_takes_the_place_of_what_was_told(bench: MeteredBench) -> None:
    begin = told(bench)
    (before,) = bench.reports()

    bench.take(measured(begin, 1.5))
    bench.pass_time(seconds=15)

    (after,) = bench.reports()
    assert bench.told() == {("hall", begin): [1.5]}
    assert (after["id"], after["reportName"]) == (before["id"], before["reportName"])


class TestReplace:
    def test_what_is_as_it_was_told_is_not_sent_again(self, bench: MeteredBench) -> None:
        begin = told(bench)
        (before,) = bench.reports()

        bench.take(measured(begin, 1.25, quality=Quality.ESTIMATED))
        bench.pass_time(seconds=15)

        assert bench.reports() == [before]

    def test_an_estimated_value_that_becomes_sure_is_corrected_where_its_quality_was_told(
        self, bench: MeteredBench
    ) -> None:
        begin = bench.clock()
        bench.ask_by_quarter(USAGE, DATA_QUALITY)
        bench.pass_time(minutes=15)
        bench.take(measured(begin, 1.25, quality=Quality.ESTIMATED))
        bench.pass_time(seconds=15)
        assert bench.told("DATA_QUALITY") == {("hall", begin): ["ESTIMATED"]}

        bench.take(measured(begin, 1.25))
        bench.pass_time(seconds=15)

        assert bench.told("DATA_QUALITY") == {("hall", begin): ["OK"]}

    def test_a_report_is_corrected_once_in_a_while(self, bench: MeteredBench) -> None:
        begin = told(bench)
        bench.take(measured(begin, 1.5))
        bench.pass_time(seconds=15)

        for value in (1.75, 2.0):
            bench.take(measured(begin, value))
            bench.pass_time(minutes=5)
            assert bench.told() == {("hall", begin): [1.5]}
        bench.pass_time(minutes=5)

        assert bench.told() == {("hall", begin): [2.0]}

    def test_a_late_register_value_corrects_all_intervals_between_its_neighbours(
        self, bench: MeteredBench
    ) -> None:
        begin = bench.clock()
        bench.ask_by_quarter(USAGE, count=2)
        bench.pass_time(minutes=30)
        bench.take(measured(begin, 100.0, 104.0, quantity=Quantity.REGISTER, step=2 * QUARTER))
        bench.pass_time(minutes=2)
        assert bench.told() == {("hall", begin): [2.0], ("hall", begin + QUARTER): [2.0]}

        bench.take(measured(begin + QUARTER, 101.0, quantity=Quantity.REGISTER))
        bench.pass_time(seconds=15)

        assert bench.told() == {("hall", begin): [1.0], ("hall", begin + QUARTER): [3.0]}

    def test_what_was_missing_is_told_when_it_comes(self, two_meters: MeteredBench) -> None:
        bench = two_meters
        begin = bench.clock()
        bench.ask_by_quarter(USAGE)
        bench.pass_time(minutes=15)
        bench.take(measured(begin, 1.25))
        bench.pass_time(minutes=2)
        assert bench.told() == {("hall", begin): [1.25]}

        bench.take(measured(begin, 2.5, device="d-2"))
        bench.pass_time(seconds=15)

        assert len(bench.reports()) == 1
        assert bench.told() == {("hall", begin): [1.25], ("roof", begin): [2.5]}

    def test_what_was_missing_of_a_later_report_is_told_too(self, two_meters: MeteredBench) -> None:
        bench = two_meters
        begin = bench.clock()
        bench.ask_by_quarter(USAGE)
        bench.pass_time(minutes=15)
        bench.take(measured(begin, 1.25))
        bench.take(measured(begin, 2.5, device="d-2"))
        bench.pass_time(minutes=15)
        bench.take(measured(begin + QUARTER, 1.5))
        bench.pass_time(minutes=2)
        assert bench.told()["hall", begin + QUARTER] == [1.5]

        bench.take(measured(begin + QUARTER, 3.0, device="d-2"))
        bench.pass_time(seconds=15)

        assert bench.told()["roof", begin + QUARTER] == [3.0]

    @pytest.mark.parametrize("corrections", ["replace", "send"])
    def test_what_changed_while_the_report_was_in_doubt_is_corrected(
        self,
        vtn: EmbeddedVtn,
        make_container: MakeContainer,
        clock: FakeClock,
        corrections: str,
    ) -> None:
        bench = mode(vtn, make_container, clock, corrections)
        begin = bench.clock()
        bench.ask_by_quarter(USAGE)
        bench.pass_time(minutes=15)
        bench.take(measured(begin, 1.25))
        bench.transport.faults.append("lost answer")
        bench.transport.lookup_status = 503
        bench.manager.generate_reports()
        bench.take(measured(begin, 1.5))

        bench.transport.lookup_status = 0
        bench.wait_out_holds()
        bench.pass_time(seconds=15)
        bench.pass_time(seconds=15)

        assert bench.told()["hall", begin][-1] == 1.5

    def test_where_a_report_cannot_be_replaced_what_changed_is_sent_beside_it(
        self, bench: MeteredBench
    ) -> None:
        begin = told(bench)
        (first,) = bench.reports()
        bench.transport.instead = puts_answered_with(405)

        bench.take(measured(begin, 1.5))
        bench.pass_time(seconds=15)

        assert bench.told() == {("hall", begin): [1.25, 1.5]}
        assert bench.reports()[1]["reportName"] == f"{first['reportName']}-c1"

    def test_a_correction_is_repeated_until_the_vtn_has_it(self, bench: MeteredBench) -> None:
        begin = told(bench)
        bench.take(measured(begin, 1.5))
        bench.transport.instead = puts_answered_with(503)
        bench.pass_time(seconds=15)
        assert bench.told() == {("hall", begin): [1.25]}

        bench.transport.instead = lambda _method, _path: None
        bench.wait_out_holds()
        bench.pass_time(seconds=15)

        assert bench.told() == {("hall", begin): [1.5]}


def test_sent_beside_it_a_correction_holds_only_what_changed(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = mode(vtn, make_container, clock, "send")
    begin = told(bench)

    bench.take(measured(begin, 1.5))
    bench.pass_time(seconds=15)

    first, second = bench.reports()
    assert second["reportName"] == f"{first['reportName']}-c1"
    assert bench.told() == {("hall", begin): [1.25, 1.5]}


def test_kept_it_stays_as_it_was_told(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = mode(vtn, make_container, clock, "keep")
    begin = told(bench)

    bench.take(measured(begin, 1.5))
    bench.pass_time(minutes=16)

    assert bench.told() == {("hall", begin): [1.25]}


def test_of_resources_reported_as_one_the_sum_is_corrected(two_meters: MeteredBench) -> None:
    bench = two_meters
    begin = bench.clock()
    bench.ask_by_quarter({**USAGE, "aggregate": True})
    bench.pass_time(minutes=15)
    bench.take(measured(begin, 1.25))
    bench.take(measured(begin, 2.5, device="d-2"))
    bench.pass_time(seconds=15)
    assert bench.told() == {("AGGREGATED_REPORT", begin): [3.75]}

    bench.take(measured(begin, 2.0))
    bench.pass_time(seconds=15)

    assert bench.told() == {("AGGREGATED_REPORT", begin): [4.5]}


class TestRefused:
    def test_what_the_vtn_took_of_a_divided_report_is_corrected(
        self, two_meters: MeteredBench
    ) -> None:
        bench = two_meters
        bench.transport.refuses = lambda report: "roof" in str(report["resources"])
        begin = bench.clock()
        bench.ask_by_quarter(USAGE)
        bench.pass_time(minutes=15)
        bench.take(measured(begin, 1.25))
        bench.take(measured(begin, 2.5, device="d-2"))
        bench.pass_time(seconds=15)
        assert bench.told() == {("hall", begin): [1.25]}

        bench.take(measured(begin, 1.5))
        bench.pass_time(seconds=15)

        assert bench.told() == {("hall", begin): [1.25, 1.5]}

    def test_a_refused_report_is_corrected_when_the_vtn_takes_it(self, bench: MeteredBench) -> None:
        bench.transport.refuses = lambda _report: True
        begin = bench.clock()
        bench.ask_by_quarter(USAGE)
        bench.pass_time(minutes=15)
        bench.take(measured(begin, 1.25))
        bench.pass_time(seconds=15)
        bench.take(measured(begin, 1.5))
        bench.pass_time(seconds=15)
        assert len(bench.container.streams.rejected().reports()) == 1

        bench.transport.refuses = None
        bench.retry()
        bench.pass_time(seconds=15)
        bench.pass_time(seconds=15)

        assert bench.told() == {("hall", begin): [1.5]}
        assert len(bench.reports()) == 1


def test_an_event_that_is_gone_gets_no_correction(bench: MeteredBench) -> None:
    begin = told(bench)
    for event in bench.vtn.store.select("EVENT"):
        bench.vtn.store.remove("EVENT", event["id"])
    bench.manager.poll_events()

    bench.take(measured(begin, 1.5))
    bench.pass_time(seconds=15)

    assert bench.container.streams.losses().all()["not_told"] == 1


def test_nothing_that_changes_meanwhile_is_forgotten(bench: MeteredBench) -> None:
    """Between the making of a report and its answer."""
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    bench.take(measured(begin, 1.25))
    bench.transport.on_report = lambda _: bench.take(measured(begin, 1.5))

    bench.pass_time(seconds=15)
    bench.pass_time(seconds=15)

    assert bench.told() == {("hall", begin): [1.5]}


def test_an_interval_without_length_stops_nothing(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask(
        {"payloadType": "DEMAND"},
        intervalPeriod={"start": begin.isoformat(), "duration": "PT0S"},
        intervals=[{"id": 0, "payloads": [{"type": "SIMPLE", "values": [0]}]}],
    )
    bench.manager.poll_events()
    bench.take(measured(begin, 4.0, quantity=Quantity.POWER))

    bench.pass_time(minutes=3)

    assert bench.told("DEMAND") == {}


@pytest.mark.parametrize(
    "odd",
    [
        {"resources": [None]},
        {"resources": {}},
        {"resources": [{"resourceName": ["hall"]}]},
        {"resources": [{"resourceName": "hall", "intervals": [None]}]},
        {"resources": [{"resourceName": "hall", "intervals": [{"intervalPeriod": "x"}]}]},
    ],
)
def test_where_the_vtn_shows_something_else_what_changed_is_sent_beside_it(
    bench: MeteredBench, odd: dict[str, Any]
) -> None:
    begin = told(bench)
    bench.transport.instead = lambda method, path: (
        Answer(
            status=200,
            headers={"Content-Type": "application/json"},
            content=orjson.dumps(odd),
            authorization=None,
        )
        if method == "GET" and "/reports/" in path
        else None
    )

    bench.take(measured(begin, 1.5))
    bench.pass_time(seconds=15)

    assert bench.told()["hall", begin][-1] == 1.5


def test_an_instant_at_the_begin_of_an_interval_is_told_however_late_it_comes(
    bench: MeteredBench,
) -> None:
    begin = bench.clock()
    bench.ask_by_quarter({"payloadType": "STORAGE_CHARGE_LEVEL"})
    bench.pass_time(minutes=17)

    bench.take(measured(begin, 80.0, quantity=Quantity.CHARGE_LEVEL, direction=Direction.NET))
    bench.pass_time(seconds=15)

    assert bench.told("STORAGE_CHARGE_LEVEL")["hall", begin] == [0.8]


def test_a_register_value_just_behind_an_interval_corrects_it(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE, count=1)
    bench.pass_time(minutes=20)
    register = Quantity.REGISTER
    bench.take(measured(begin, 100.0, 101.0, 102.0, quantity=register, step=10 * MINUTE))
    bench.pass_time(seconds=15)
    assert bench.told() == {("hall", begin): [pytest.approx(1.5)]}

    bench.take(measured(begin + 16 * MINUTE, 101.0, quantity=register))
    bench.pass_time(seconds=15)

    assert bench.told() == {("hall", begin): [pytest.approx(1.0)]}
