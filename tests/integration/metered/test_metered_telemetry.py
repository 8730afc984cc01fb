"""Telemetry of real meters: each measurement once, with its own time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.intake import Direction, Measurements, Quality, Quantity
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import SOURCES, measured, meter
from tests.support.metered import MINUTE, QUARTER, MeteredBench

pytestmark = pytest.mark.in_process
READING, USAGE, DEMAND = ({"payloadType": name} for name in ("READING", "USAGE", "DEMAND"))
TICK = timedelta(seconds=30)


def spans(bench: MeteredBench, payload_type: str) -> list[tuple[datetime, str, Any]]:
    """(start, duration, value) of what was told of `hall`, in order of time."""
    return sorted(
        (
            datetime.fromisoformat(interval["intervalPeriod"]["start"]),
            interval["intervalPeriod"]["duration"],
            payload["values"][0],
        )
        for report in bench.reports()
        for resource in report["resources"]
        for interval in resource["intervals"]
        for payload in interval["payloads"]
        if payload["type"] == payload_type
    )


def test_power_is_told_at_its_instants(bench: MeteredBench) -> None:
    begin = bench.ask_for(READING)
    bench.clock.advance(minutes=2)
    bench.take(measured(begin + TICK, 2.5, 3.5, quantity=Quantity.POWER, step=TICK))

    bench.manager.generate_reports()

    assert spans(bench, "READING") == [
        (begin + TICK, "PT0S", 2.5),
        (begin + 2 * TICK, "PT0S", 3.5),
    ]


def test_energy_is_told_with_its_interval(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=30)
    bench.take(measured(begin, 1.25, 1.5))

    bench.manager.generate_reports()

    assert spans(bench, "USAGE") == [
        (begin, "PT900S", 1.25),
        (begin + QUARTER, "PT900S", 1.5),
    ]


def test_energy_is_told_as_its_mean_power(bench: MeteredBench) -> None:
    begin = bench.ask_for(DEMAND)
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.25))

    bench.manager.generate_reports()

    assert spans(bench, "DEMAND") == [(begin, "PT900S", 5.0)]


def test_a_register_is_told_in_kwh(bench: MeteredBench) -> None:
    begin = bench.ask_for({"payloadType": "READING", "units": "KWH"})
    bench.clock.advance(minutes=1)
    bench.take(measured(begin + TICK, 5123.25, quantity=Quantity.REGISTER))

    bench.manager.generate_reports()

    (report,) = bench.reports()
    assert report["payloadDescriptors"][0]["units"] == "KWH"
    assert spans(bench, "READING") == [(begin + TICK, "PT0S", 5123.25)]


def test_each_is_told_once_however_often_it_comes(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=15)
    for _ in range(3):
        bench.take(measured(begin, 1.25))
        bench.manager.generate_reports()
        bench.clock.advance(seconds=15)

    assert spans(bench, "USAGE") == [(begin, "PT900S", 1.25)]


def test_what_comes_late_and_in_another_order_is_told_too(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(hours=1)
    for number in (3, 0, 2, 1):
        bench.take(measured(begin + number * QUARTER, float(number)))
        bench.manager.generate_reports()

    assert [value for _, _, value in spans(bench, "USAGE")] == [0.0, 1.0, 2.0, 3.0]


def test_what_ended_before_the_event_is_not_told(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.take(measured(begin - QUARTER, 1.0))
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 2.0))

    bench.manager.generate_reports()

    assert [value for _, _, value in spans(bench, "USAGE")] == [2.0]


def test_a_correction_before_it_was_told_replaces_it(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.0))
    bench.take(measured(begin, 2.0))

    bench.manager.generate_reports()

    assert spans(bench, "USAGE") == [(begin, "PT900S", 2.0)]


def test_import_and_export_are_told_when_both_are_there(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=30)
    bench.take(measured(begin, 1.0, 1.0))
    bench.take(measured(begin, 0.25, direction=Direction.EXPORT))
    bench.manager.generate_reports()
    assert spans(bench, "USAGE") == [(begin, "PT900S", 0.75)]

    bench.take(measured(begin + QUARTER, 3.0, direction=Direction.EXPORT))
    bench.manager.generate_reports()

    assert spans(bench, "USAGE") == [
        (begin, "PT900S", 0.75),
        (begin + QUARTER, "PT900S", -2.0),
    ]


def test_differences_of_a_register_are_told_up_to_a_watermark(bench: MeteredBench) -> None:
    """`wait` is two minutes."""
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=4)
    bench.take(measured(begin, 100.0, 100.1, 100.2, 100.3, quantity=Quantity.REGISTER, step=MINUTE))
    bench.manager.generate_reports()
    assert spans(bench, "USAGE") == [(begin, "PT60S", pytest.approx(0.1))]

    bench.take(measured(begin + 4 * MINUTE, 100.5, quantity=Quantity.REGISTER))
    bench.manager.generate_reports()

    assert spans(bench, "USAGE") == [
        (begin, "PT60S", pytest.approx(0.1)),
        (begin + MINUTE, "PT60S", pytest.approx(0.1)),
    ]


def test_a_value_behind_the_watermark_changes_nothing_that_was_told(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=8)
    register = Quantity.REGISTER
    bench.take(measured(begin, 100.0, 100.2, quantity=register, step=2 * MINUTE))
    bench.take(measured(begin + 4 * MINUTE, 100.4, quantity=register))
    bench.manager.generate_reports()
    told = spans(bench, "USAGE")
    assert told == [(begin, "PT120S", pytest.approx(0.2))]

    bench.take(measured(begin + MINUTE, 100.05, quantity=register))
    bench.take(measured(begin + 6 * MINUTE, 100.6, quantity=register))
    bench.manager.generate_reports()

    assert spans(bench, "USAGE") == [
        *told,
        (begin + 2 * MINUTE, "PT120S", pytest.approx(0.2)),
    ]


def test_bad_values_are_told_only_with_their_quality(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.0, quality=Quality.BAD))
    bench.manager.generate_reports()
    assert bench.reports() == []

    bench.ask_for(USAGE, {"payloadType": "DATA_QUALITY"})
    bench.clock.advance(minutes=15)
    bench.take(measured(begin + QUARTER, 1.0, quality=Quality.BAD))
    bench.manager.generate_reports()

    assert spans(bench, "DATA_QUALITY") == [(begin + QUARTER, "PT900S", "BAD")]


def test_instants_are_told_as_often_as_the_source_says(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = MeteredBench(make_container(vtn={"embedded_port": vtn.port}), vtn, clock)
    sources = SOURCES.replace('type = "http"', 'type = "http"\ntell_every = "PT1M"', 1)
    bench.enrol_meters(sources=sources)
    begin = bench.ask_for(READING)
    bench.clock.advance(minutes=3)
    for number in range(1, 6):
        bench.take(measured(begin + number * TICK, float(number), quantity=Quantity.POWER))
        bench.manager.generate_reports()

    assert [(start, value) for start, _, value in spans(bench, "READING")] == [
        (begin + TICK, 1.0),
        (begin + 2 * TICK, 2.0),
        (begin + 4 * TICK, 4.0),
    ]


def test_simulated_and_real_resources_are_told_apart(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = MeteredBench(make_container(vtn={"embedded_port": vtn.port}), vtn, clock)
    bench.enrol_meters(
        meter("hall", source="plant", device="d-1"), meter("model", source="simulator")
    )
    begin = bench.ask_for(READING)
    bench.tick(2)
    bench.take(measured(begin + TICK / 2, 9.0, quantity=Quantity.POWER))

    bench.manager.generate_reports()

    told = bench.told("READING")
    assert told["hall", begin + TICK / 2] == [9.0]
    assert sorted(name for name, _ in told) == ["hall", "model", "model"]
    assert bench.waiting() == 0


def test_a_large_batch_is_told_in_parts(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = MeteredBench(
        make_container(vtn={"embedded_port": vtn.port}, reporting={"max_readings_per_report": 10}),
        vtn,
        clock,
    )
    bench.enrol_meters()
    begin = bench.ask_for(USAGE)
    bench.clock.advance(hours=12)
    bench.take(measured(begin, *(n / 4 for n in range(34))))
    bench.take(measured(begin + 34 * QUARTER, *(n / 4 for n in range(34, 48))))
    assert bench.waiting() == 48

    bench.manager.generate_reports()

    assert [value for _, _, value in spans(bench, "USAGE")] == [n / 4 for n in range(48)]
    assert max(len(report["resources"][0]["intervals"]) for report in bench.reports()) == 10
    assert bench.waiting() == 0


def test_nothing_is_owed_of_a_meter_that_is_not_asked_for(bench: MeteredBench) -> None:
    begin = bench.ask_for(READING)
    bench.clock.advance(minutes=15)
    bench.take(measured(begin, 1.0))

    assert bench.waiting() == 0


def test_what_came_is_kept_until_it_is_told(bench: MeteredBench) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(minutes=15)
    bench.manager.generate_reports()
    bench.take(measured(begin, 1.0))
    compaction = bench.container.intake.compaction()
    while compaction.compact():
        pass
    bench.restart()

    bench.manager.generate_reports()

    assert bench.told() == {("hall", begin): [1.0]}


def test_nothing_that_is_fed_in_is_no_negative_zero(bench: MeteredBench) -> None:
    begin = bench.ask_for(READING)
    bench.clock.advance(minutes=1)
    bench.take(measured(begin + TICK, 0.0, quantity=Quantity.POWER, direction=Direction.EXPORT))

    bench.manager.generate_reports()

    assert [str(value) for _, _, value in spans(bench, "READING")] == ["0.0"]


class TestWhatIsSilentDoesNotCount:
    """One old value of another kind does not end what is told of a meter."""

    def test_energy_of_the_past_beside_a_register_that_is_read_now(
        self, bench: MeteredBench
    ) -> None:
        begin = bench.ask_for(USAGE)
        bench.clock.advance(minutes=10)
        bench.take(measured(begin - 12 * QUARTER, 9.0))
        bench.take(
            measured(begin, 100.0, 100.5, 101.0, quantity=Quantity.REGISTER, step=4 * MINUTE)
        )

        bench.pass_time(minutes=1)

        assert [value for _, _, value in spans(bench, "USAGE")] == [0.5]

    def test_one_mean_among_instants_of_power(self, bench: MeteredBench) -> None:
        begin = bench.ask_for(DEMAND)
        bench.clock.advance(minutes=22)
        bench.take(mean_power(begin, 4.0))
        later = begin + QUARTER + MINUTE
        bench.take(measured(later, 2.0, 2.0, quantity=Quantity.POWER, step=MINUTE))
        bench.take(measured(later + 5 * MINUTE, 2.0, quantity=Quantity.POWER))

        bench.pass_time(minutes=1)

        assert spans(bench, "DEMAND") == [
            (begin, "PT900S", 4.0),
            (later, "PT60S", 2.0),
        ]

    def test_one_net_value_among_those_of_one_direction(self, bench: MeteredBench) -> None:
        begin = bench.ask_for(READING)
        bench.clock.advance(hours=1)
        bench.take(measured(begin + MINUTE, 1.0, quantity=Quantity.POWER, direction=Direction.NET))
        bench.take(measured(begin + 30 * MINUTE, 2.0, quantity=Quantity.POWER))

        bench.manager.generate_reports()

        assert [value for _, _, value in spans(bench, "READING")] == [2.0]


def mean_power(begin: datetime, kw: float) -> Measurements:
    """Of a quarter-hour."""
    energy = measured(begin, kw)
    key = energy.keys[0]._replace(quantity=Quantity.POWER)
    return replace(energy, keys=[key])
