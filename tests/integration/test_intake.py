"""What of measurements is taken, and what becomes of the rest."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.fleet import Status, take_out
from app.intake import ClockInDoubt, Direction, IntakeFull, MeterName, Quality, Quantity
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import QUARTER, IntakeBench, measured, meter, reasons


@pytest.fixture
def bench(make_container: MakeContainer, clock: FakeClock) -> IntakeBench:
    return IntakeBench(make_container, clock)


@pytest.fixture
def hour_ago(clock: FakeClock) -> datetime:
    return clock() - timedelta(hours=1)


def test_what_is_taken_is_there_when_the_call_returns(
    bench: IntakeBench, hour_ago: datetime
) -> None:
    receipt = bench.take(measured(hour_ago, 1.0, 2.0))

    assert (receipt.taken, receipt.refusals.count) == (2, 0)
    assert bench.values() == [
        ("hall", hour_ago, hour_ago + QUARTER, 1.0),
        ("hall", hour_ago + QUARTER, hour_ago + 2 * QUARTER, 2.0),
    ]


class TestWhoseItIs:
    def test_a_meter_point_and_a_name_are_names_of_a_meter_as_well(
        self, bench: IntakeBench, hour_ago: datetime
    ) -> None:
        """Without a device, the meter point is what the source calls it."""
        portal = bench.container.intake.sources().all()["portal"]

        receipt = bench.container.intake.intake().take(
            measured(hour_ago, 1.0, device="NMI1"), portal
        )

        assert receipt.taken == 1

    def test_a_source_has_only_its_own_meters(self, bench: IntakeBench, hour_ago: datetime) -> None:
        receipt = bench.take(measured(hour_ago, 1.0, device="NMI1"))

        assert reasons(receipt) == ["no resource has the meter 'NMI1' of source 'plant'"]

    def test_a_meter_that_nobody_has_is_remembered_to_be_mapped(
        self, bench: IntakeBench, hour_ago: datetime
    ) -> None:
        bench.take(measured(hour_ago, 1.0, 2.0, device="d-9"))
        bench.take(measured(hour_ago, 1.0, device="d-9"))

        (unknown,) = bench.container.intake.unknown_devices().all()
        assert (unknown.source, unknown.device, unknown.refused) == ("plant", "d-9", 3)

    def test_reasons_are_counted_without_what_differs_from_value_to_value(
        self, bench: IntakeBench, hour_ago: datetime
    ) -> None:
        for device in ("d-8", "d-9"):
            receipt = bench.take(measured(hour_ago, 1.0, device=device))
            bench.container.intake.stats().refused("plant", receipt.refusals)

        reasons_of = bench.container.intake.stats().of("plant").reasons
        assert reasons_of == {"no resource has the meter … of source …": 2}

    def test_a_meter_point_that_nobody_has_is_unknown_too(self, bench: IntakeBench) -> None:
        batch = measured(bench.clock() - QUARTER, 1.0)
        key = batch.keys[0]._replace(meter=MeterName(meter_point_id="DE001"))

        bench.take(replace(batch, keys=[key]))

        (unknown,) = bench.container.intake.unknown_devices().all()
        assert unknown.device == "DE001"

    def test_a_meter_that_is_mapped_meanwhile_is_taken_and_no_longer_unknown(
        self, bench: IntakeBench, hour_ago: datetime
    ) -> None:
        bench.take(measured(hour_ago, 1.0, device="d-9"))
        repository = bench.container.fleet.repository()
        repository.save({"Aarhus": [meter("ninth", source="plant", device="d-9")]})

        receipt = bench.take(measured(hour_ago, 1.0, device="d-9"))

        assert receipt.taken == 1
        assert bench.container.intake.unknown_devices().all() == []

    def test_a_meter_that_was_mapped_is_forgotten_in_the_end(
        self, bench: IntakeBench, hour_ago: datetime
    ) -> None:
        bench.take(measured(hour_ago, 1.0, device="d-9"))
        repository = bench.container.fleet.repository()
        repository.save({"Aarhus": [meter("ninth", source="plant", device="d-9")]})
        unknown = bench.container.intake.unknown_devices()
        unknown.forget_mapped()

        repository.save({"Aarhus": [meter("ninth", source="plant", device="d-10")]})

        assert unknown.all() == []

    def test_what_a_suspended_resource_measures_is_kept(
        self, bench: IntakeBench, hour_ago: datetime
    ) -> None:
        bench.container.fleet.repository().set_status("Aarhus", "hall", Status.SUSPENDED)

        assert bench.take(measured(hour_ago, 1.0)).taken == 1

    def test_a_removed_resource_has_no_meter(self, bench: IntakeBench, hour_ago: datetime) -> None:
        with bench.container.platform.database().write() as connection:
            take_out(connection, "Aarhus", "hall")

        assert bench.take(measured(hour_ago, 1.0)).refusals.count == 1


class TestWhenItIsOf:
    def test_what_is_a_little_ahead_is_taken_since_clocks_differ(
        self, bench: IntakeBench, clock: FakeClock
    ) -> None:
        ahead = measured(
            clock() + timedelta(minutes=4), 1.0, quantity=Quantity.POWER, direction=Direction.NET
        )

        assert bench.take(ahead).taken == 1

    def test_what_is_of_the_future_is_refused_and_the_rest_taken(
        self, bench: IntakeBench, clock: FakeClock
    ) -> None:
        receipt = bench.take(measured(clock() - QUARTER, 1.0, 2.0, 3.0))

        assert receipt.taken == 1
        assert reasons(receipt) == ["it is more than five minutes in the future"] * 2

    def test_while_our_clock_is_in_doubt_a_batch_with_such_a_value_has_to_wait(
        self, make_container: MakeContainer, clock: FakeClock
    ) -> None:
        bench = IntakeBench(make_container, clock)
        with (
            bench.container.intake.clock_check.override(DoubtfulClock()),
            pytest.raises(ClockInDoubt),
        ):
            bench.take(measured(clock() + QUARTER, 1.0))

    def test_what_comes_too_late_is_counted_and_not_taken(
        self, bench: IntakeBench, clock: FakeClock
    ) -> None:
        receipt = bench.take(measured(clock() - timedelta(days=2, hours=1), 1.0))

        assert (receipt.taken, receipt.late) == (0, 1)

    def test_within_that_any_order_is_right(self, bench: IntakeBench, clock: FakeClock) -> None:
        receipts = [
            bench.take(measured(clock() - timedelta(hours=hours), 1.0)) for hours in (1, 30, 5)
        ]

        assert [receipt.taken for receipt in receipts] == [1, 1, 1]


class TestWhatItSays:
    @pytest.mark.parametrize(
        ("quantity", "direction", "value", "reason"),
        [
            ("ENERGY", "IMPORT", -1.0, "it is negative"),
            ("ENERGY", "EXPORT", float("inf"), "it is no number that can be"),
            ("POWER", "NET", 1e300, "it is more than any meter measures"),
            ("REGISTER", "NET", 1.0, "the direction of a REGISTER is IMPORT or EXPORT"),
            ("CHARGE_LEVEL", "NET", 101.0, "it is no share from 0 to 100 %"),
            ("CHARGE_LEVEL", "NET", -1.0, "it is no share from 0 to 100 %"),
            ("STORED", "NET", -1.0, "it is negative"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self,
        bench: IntakeBench,
        hour_ago: datetime,
        quantity: str,
        direction: str,
        value: float,
        reason: str,
    ) -> None:
        receipt = bench.take(
            measured(hour_ago, value, quantity=Quantity(quantity), direction=Direction(direction))
        )

        assert reasons(receipt) == [reason]
        assert bench.values() == []

    def test_a_net_power_may_be_negative(self, bench: IntakeBench, hour_ago: datetime) -> None:
        fed_in = measured(hour_ago, -3.0, quantity=Quantity.POWER, direction=Direction.NET)

        assert bench.take(fed_in).taken == 1

    def test_a_bad_value_is_kept(self, bench: IntakeBench, hour_ago: datetime) -> None:
        assert bench.take(measured(hour_ago, 1.0, quality=Quality.BAD)).taken == 1

    def test_an_interval_over_another_one_is_refused_with_its_place(
        self, bench: IntakeBench, hour_ago: datetime
    ) -> None:
        bench.take(measured(hour_ago, 1.0))

        receipt = bench.take(measured(hour_ago - QUARTER, 9.0, 9.0, step=timedelta(minutes=20)))

        assert [(each.line, each.reason) for each in receipt.refusals.first] == [
            (1, "part of its interval is measured already"),
            (2, "part of its interval is measured already"),
        ]


def test_a_full_store_takes_nothing_of_a_batch(
    make_container: MakeContainer, clock: FakeClock
) -> None:
    bench = IntakeBench(make_container, clock, intake={"max_bytes": 4096})
    full = [math.sin(number) for number in range(900)]
    minute, net = timedelta(minutes=1), Direction.NET
    begin = clock() - timedelta(days=1)
    bench.take(measured(begin, *full, quantity=Quantity.POWER, direction=net, step=minute))
    before = bench.values()

    with pytest.raises(IntakeFull, match="INTAKE__MAX_BYTES"):
        bench.take(measured(clock(), 1.0, quantity=Quantity.POWER, direction=net))

    assert bench.values() == before


class TestHowSourcesAre:
    def test_what_came_of_each_is_counted(self, bench: IntakeBench, hour_ago: datetime) -> None:
        bench.take(measured(hour_ago, 1.0, 2.0))
        bench.take(measured(hour_ago, 1.0, 3.0))

        plant, _ = bench.container.intake.statuses().all()

        counts = plant.counts
        assert (counts.taken, counts.repeated, counts.corrected) == (2, 1, 1)
        assert plant.newest == hour_ago + 2 * QUARTER

    def test_resources_without_fresh_data_are_named(
        self, bench: IntakeBench, clock: FakeClock
    ) -> None:
        bench.take(measured(clock() - 2 * QUARTER, 1.0, 1.0))
        fresh, _ = bench.container.intake.statuses().all()
        clock.advance(minutes=16)
        old, portal = bench.container.intake.statuses().all()

        assert fresh.stale == (("Aarhus", "roof"),)
        assert sorted(old.stale) == [("Aarhus", "hall"), ("Aarhus", "roof")]
        assert portal.stale == (), "what is imported is never fresh"

    def test_a_source_that_is_none_is_a_warning(self, bench: IntakeBench) -> None:
        repository = bench.container.fleet.repository()
        repository.save({"Aarhus": [meter("odd", source="plnt")]})

        assert (
            "1 resources name the source plnt, which SOURCES_FILE does not have"
            in bench.container.intake.statuses().warnings()
        )

    def test_a_live_source_that_is_silent_is_a_warning(
        self, bench: IntakeBench, clock: FakeClock
    ) -> None:
        statuses = bench.container.intake.statuses()
        before = list(statuses.warnings())
        bench.take(measured(clock() - QUARTER, 1.0))
        clock.advance(minutes=1)
        while_it_gives = list(statuses.warnings())
        clock.advance(hours=1)

        assert before == ["source plant has given nothing yet"]
        assert while_it_gives == []
        assert list(statuses.warnings()) == [
            "source plant has given nothing since 2026-06-01 12:00:00 UTC"
        ]


class DoubtfulClock:
    """A check that has found the clock to be wrong."""

    def is_in_doubt(self) -> bool:
        return True
