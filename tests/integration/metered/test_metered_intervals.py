"""Interval reports of real meters: when they go, what they say, and what they leave out."""

from __future__ import annotations

import pytest

from app.fleet import Resource, ResourceKind
from app.intake import Direction, Quality, Quantity
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import measured, meter
from tests.support.metered import MINUTE, QUARTER, MeteredBench

pytestmark = pytest.mark.in_process
USAGE = {"payloadType": "USAGE"}
DATA_QUALITY = {"payloadType": "DATA_QUALITY"}


def test_a_report_goes_when_its_interval_is_measured(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    assert bench.told() == {}

    bench.take(measured(begin, 1.25))
    bench.pass_time(seconds=15)

    assert bench.told() == {("hall", begin): [1.25]}


def test_what_is_not_measured_is_waited_for_and_then_left_out(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    bench.take(measured(begin, 1.25, step=14 * MINUTE))  # of 15
    bench.pass_time(minutes=1, seconds=59)
    assert bench.told() == {}

    bench.pass_time(seconds=1)

    assert bench.told() == {("hall", begin): [pytest.approx(1.25 * 15 / 14)]}


def test_of_less_than_nine_tenths_nothing_is_told(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    bench.take(measured(begin, 1.25, step=13 * MINUTE))
    bench.pass_time(minutes=2)

    assert bench.told() == {}


def test_with_data_quality_it_is_told_as_missing(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE, DATA_QUALITY)
    bench.pass_time(minutes=15)

    bench.pass_time(minutes=2)

    assert bench.told() == {("hall", begin): [0]}
    assert bench.told("DATA_QUALITY") == {("hall", begin): ["MISSING"]}


def test_a_bad_value_is_told_only_with_its_quality(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE, DATA_QUALITY)
    bench.pass_time(minutes=15)
    bench.take(measured(begin, 1.25, quality=Quality.BAD))
    bench.pass_time(minutes=2)

    assert bench.told() == {("hall", begin): [1.25]}
    assert bench.told("DATA_QUALITY") == {("hall", begin): ["BAD"]}


def test_a_bad_value_is_not_told_without_its_quality(bench: MeteredBench) -> None:
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    bench.take(measured(bench.clock(), 1.25, quality=Quality.BAD))
    bench.pass_time(minutes=2)

    assert bench.told() == {}


def test_a_register_is_told_by_its_differences(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    bench.take(
        measured(begin, 100.0, 100.5, 101.5, 102.0, quantity=Quantity.REGISTER, step=5 * MINUTE)
    )
    bench.pass_time(seconds=15)

    assert bench.told() == {("hall", begin): [2.0]}


def test_a_gap_between_two_register_values_is_spread_and_estimated(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE, DATA_QUALITY)
    bench.pass_time(minutes=16)
    bench.take(measured(begin, 100.0, 101.6, quantity=Quantity.REGISTER, step=16 * MINUTE))

    bench.pass_time(minutes=1)

    assert bench.told() == {("hall", begin): [pytest.approx(1.5)]}
    assert bench.told("DATA_QUALITY") == {("hall", begin): ["ESTIMATED"]}


def test_power_is_told_as_its_mean(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter({"payloadType": "DEMAND"})
    bench.pass_time(minutes=15)
    bench.take(measured(begin, 2.0, 4.0, quantity=Quantity.POWER, step=QUARTER))
    bench.pass_time(seconds=15)

    assert bench.told("DEMAND") == {("hall", begin): [3.0]}


def test_what_is_fed_in_counts_against_it(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    bench.take(measured(begin, 0.5))
    bench.take(measured(begin, 2.0, direction=Direction.EXPORT))

    bench.pass_time(seconds=15)

    assert bench.told() == {("hall", begin): [-1.5]}


def test_the_longest_wait_of_those_that_are_not_complete_counts(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = MeteredBench(make_container(vtn={"embedded_port": vtn.port}), vtn, clock)
    bench.enrol_meters(
        meter("hall", source="plant", device="d-1"),
        meter("pump", source="slow", device="d-1"),
        sources="""
[[source]]
name = "plant"
type = "http"
token_file = "plant.token"
[[source]]
name = "slow"
type = "file"
wait = "PT1H"
""",
    )
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.pass_time(minutes=15)
    bench.take(measured(begin, 1.25))
    bench.pass_time(minutes=59)
    assert bench.told() == {}

    bench.pass_time(minutes=1)

    assert bench.told()["hall", begin] == [1.25]


def test_simulated_and_real_resources_are_in_one_report(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = MeteredBench(make_container(vtn={"embedded_port": vtn.port}), vtn, clock)
    bench.enrol_meters(
        meter("hall", source="plant", device="d-1"), meter("model", source="simulator")
    )
    bench.tick()
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.tick(30)
    bench.take(measured(begin, 9.0))
    bench.manager.generate_reports()

    (report,) = bench.reports()
    assert [each["resourceName"] for each in report["resources"]] == ["model", "hall"]
    assert bench.told()["hall", begin] == [9.0]
    assert 0 < bench.told()["model", begin][0] < 10 / 4


def test_a_real_meter_never_gets_a_simulated_value(bench: MeteredBench) -> None:
    repository = bench.container.fleet.repository()
    repository.save({"Aarhus": [meter("hall", source="simulator")]})
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    bench.tick(20)
    repository.save({"Aarhus": [meter("hall", source="plant", device="d-1")]})
    bench.tick(10)
    bench.take(measured(begin + 10 * MINUTE, 1.25, step=5 * MINUTE))

    bench.pass_time(minutes=2)

    assert bench.told() == {}


def test_a_simulated_resource_never_gets_a_measured_value(bench: MeteredBench) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    for _ in range(30):
        bench.take(measured(bench.clock(), 9.0, quantity=Quantity.POWER))
        bench.tick()
    bench.container.fleet.repository().save({"Aarhus": [meter("hall", source="simulator")]})

    bench.pass_time(seconds=30)

    assert bench.told() == {}
    assert begin < bench.clock()


def test_a_charge_level_is_told_as_a_share(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = MeteredBench(make_container(vtn={"embedded_port": vtn.port}), vtn, clock)
    bench.enrol_meters(
        Resource(
            resource_name="store",
            kind=ResourceKind.BATTERY,
            power_max_kw=5.0,
            energy_max_kwh=10.0,
            source="plant",
            device="d-1",
        )
    )
    begin = bench.clock()
    bench.ask_by_quarter({"payloadType": "STORAGE_CHARGE_LEVEL"})
    bench.pass_time(minutes=15)
    bench.take(
        measured(
            begin + 5 * MINUTE,
            80.0,
            85.0,
            90.0,
            quantity=Quantity.CHARGE_LEVEL,
            direction=Direction.NET,
            step=5 * MINUTE,
        )
    )
    bench.pass_time(seconds=15)

    assert bench.told("STORAGE_CHARGE_LEVEL") == {("store", begin): [0.85]}


def test_what_contradicts_what_is_told_is_counted_and_said_once(
    bench: MeteredBench, caplog: pytest.LogCaptureFixture
) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE)
    for number in range(2):
        bench.pass_time(minutes=15)
        bench.take(measured(begin + number * QUARTER, 1.25))
        bench.take(
            measured(begin + number * QUARTER, 2.0, 2.0, quantity=Quantity.POWER, step=QUARTER)
        )
        bench.pass_time(seconds=15)

    assert bench.container.intake.stats().of("plant").differing == 2
    assert caplog.text.count("differ by more than 5 %") == 1


def test_a_max_age_below_the_step_of_the_data_is_warned_of_once(
    bench: MeteredBench, caplog: pytest.LogCaptureFixture
) -> None:
    begin = bench.clock()
    bench.ask_by_quarter(USAGE, count=8)
    bench.pass_time(minutes=60)
    bench.take(measured(begin, 100.0, 104.0, quantity=Quantity.REGISTER, step=4 * QUARTER))

    bench.pass_time(minutes=2)

    assert caplog.text.count("source plant: max_age is shorter than the step of its data") == 1


def test_what_meters_do_not_measure_is_said_once_per_event(
    bench: MeteredBench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        bench.ask_by_quarter({"payloadType": "BASELINE"})
        bench.manager.poll_events()

    assert caplog.text.count("BASELINE is not told of resources with real meters") == 1
