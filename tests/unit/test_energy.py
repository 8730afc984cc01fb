"""What measurements of a resource come to: one origin, its parts together, and no value made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake import Quality
from app.intake.energy import Anomaly, MeterLimits, ResourceSeries, SpanEnergy, counted
from app.intake.store import ROW, Rows, SeriesName

MINUTE_US = 60_000_000
QUARTER_US = 15 * MINUTE_US
LIMITS = MeterLimits(max_age_us=QUARTER_US, import_kw=10.0, export_kw=5.0)
Told = tuple[float, float, float]
"""From a minute to a minute, a value."""


def rows(*told: Told, quality: Quality = Quality.OK) -> Rows:
    made = np.zeros(len(told), dtype=ROW)
    for place, (start, end, value) in enumerate(sorted(told)):
        made[place]["start"] = start * MINUTE_US
        made[place]["end"] = end * MINUTE_US
        made[place]["value"] = value
    made["quality"] = quality
    return made


def at(*told: tuple[float, float]) -> Rows:
    """Instants: a minute, a value."""
    return rows(*((minute, minute, value) for minute, value in told))


def series(
    quantity: str, of: Rows, direction: str = "IMPORT", channel: str = ""
) -> dict[SeriesName, Rows]:
    return {SeriesName("Aarhus", "hall", quantity, direction, channel): of}


def energy(
    measured: dict[SeriesName, Rows],
    start: float,
    end: float,
    limits: MeterLimits = LIMITS,
    **options: Any,
) -> SpanEnergy:
    """Between two minutes."""
    found = ResourceSeries(measured, limits, **options)
    return found.energy(round(start * MINUTE_US), round(end * MINUTE_US))


class TestEnergyOfIntervals:
    def test_an_interval_that_is_covered_is_complete(self) -> None:
        found = energy(series("ENERGY", rows((0, 15, 1.5), (15, 30, 2.0))), 0, 30)

        assert (found.kwh, found.is_complete, found.quality) == (3.5, True, Quality.OK)

    def test_a_part_of_an_interval_longer_than_max_age_is_estimated(self) -> None:
        hourly = series("ENERGY", rows((0, 60, 4.0)))

        part, whole = energy(hourly, 15, 30), energy(hourly, 0, 60)

        assert (part.kwh, part.quality) == (1.0, Quality.ESTIMATED)
        assert (whole.kwh, whole.quality) == (4.0, Quality.OK)

    def test_where_a_tenth_is_missing_the_rest_is_scaled(self) -> None:
        found = energy(series("ENERGY", rows((0, 54, 9.0))), 0, 60)

        assert found.kwh == pytest.approx(10.0)
        assert found.measured == pytest.approx(0.9)
        assert (found.is_complete, found.quality) == (False, Quality.ESTIMATED)

    def test_bad_values_count_only_where_they_are_asked_for(self) -> None:
        bad = series("ENERGY", rows((0, 15, 1.5), quality=Quality.BAD))

        assert energy(bad, 0, 15).measured == 0
        assert energy(bad, 0, 15, with_bad=True).kwh == 1.5


class TestNetEnergy:
    def test_what_is_fed_in_counts_against_what_is_consumed(self) -> None:
        both = series("ENERGY", rows((0, 15, 1.5))) | series("ENERGY", rows((0, 15, 2.0)), "EXPORT")

        assert energy(both, 0, 15).kwh == -0.5

    def test_a_direction_that_is_missing_leaves_it_incomplete(self) -> None:
        both = series("ENERGY", rows((0, 15, 1.5), (15, 30, 1.5))) | series(
            "ENERGY", rows((0, 15, 2.0)), "EXPORT"
        )

        found = energy(both, 15, 30)

        assert (found.is_complete, found.measured) == (False, 0.0)

    def test_tariffs_add_up(self) -> None:
        tariffs = series("ENERGY", rows((0, 15, 1.0)), channel="T1") | series(
            "ENERGY", rows((0, 15, 0.5)), channel="T2"
        )

        assert energy(tariffs, 0, 15).kwh == 1.5

    def test_a_total_counts_and_not_its_parts(self) -> None:
        all_of_it = (
            series("ENERGY", rows((0, 15, 1.5)))
            | series("ENERGY", rows((0, 15, 1.0)), channel="T1")
            | series("ENERGY", rows((0, 15, 0.5)), channel="T2")
        )

        assert energy(all_of_it, 0, 15).kwh == 1.5

    def test_parts_count_where_the_total_is_missing(self) -> None:
        measured = series("ENERGY", rows((0, 15, 1.5))) | series(
            "ENERGY", rows((0, 15, 1.0), (15, 30, 1.25)), channel="T1"
        )

        assert energy(measured, 15, 30).kwh == 1.25


class TestOneOrigin:
    def test_energy_comes_before_registers_and_these_before_power(self) -> None:
        power = series("POWER", at((0, 4.0), (15, 4.0)), "NET")
        register = series("REGISTER", at((0, 100.0), (15, 101.01)))
        intervals = series("ENERGY", rows((0, 15, 1.02)))

        assert energy(power, 0, 15).kwh == 1.0
        assert energy(power | register, 0, 15).kwh == pytest.approx(1.01)
        assert energy(power | register | intervals, 0, 15).kwh == 1.02

    def test_the_next_one_is_used_where_the_first_is_not_complete(self) -> None:
        measured = series("ENERGY", rows((0, 10, 1.0))) | series(
            "POWER", at((0, 4.0), (15, 4.0)), "NET"
        )

        found = energy(measured, 0, 15)

        assert (found.kwh, found.is_complete) == (1.0, True)

    def test_two_that_differ_by_more_than_a_twentieth_are_noticed(self) -> None:
        power = series("POWER", at((0, 4.0), (15, 4.0)), "NET")

        implausible, usual = (
            ResourceSeries(power | series("ENERGY", rows((0, 15, kwh))), LIMITS)
            for kwh in (2.0, 1.02)
        )
        for each in (implausible, usual):
            each.energy(0, QUARTER_US)

        assert implausible.anomalies == {Anomaly.DIFFERENT}
        assert usual.anomalies == set()


class TestPower:
    def test_it_is_linear_between_two_instants(self) -> None:
        found = energy(series("POWER", at((0, 0.0), (10, 6.0)), "NET"), 0, 10)

        assert found.kwh == pytest.approx(0.5)

    def test_what_is_longer_than_max_age_is_not_measured(self) -> None:
        found = energy(series("POWER", at((0, 6.0), (16, 6.0)), "NET"), 0, 16)

        assert (found.measured, found.is_complete) == (0.0, False)

    def test_a_mean_counts_for_its_interval(self) -> None:
        means = series("POWER", rows((0, 15, 4.0), (15, 30, 8.0)), "NET")

        assert energy(means, 0, 30).kwh == 3.0

    def test_instants_fill_what_means_leave_open(self) -> None:
        mixed = series("POWER", rows((0, 15, 4.0), (15, 15, 4.0), (25, 25, 4.0)), "NET")

        assert energy(mixed, 0, 25).measured == 1.0

    def test_the_peak_is_that_of_the_net_power(self) -> None:
        both = series("POWER", at((0, 4.0), (5, 8.0), (10, 4.0))) | series(
            "POWER", at((0, 3.0), (5, 3.0), (10, 3.0)), "EXPORT"
        )

        assert ResourceSeries(both, LIMITS).peak_kw(0, 10 * MINUTE_US) == 5.0


class TestRegisters:
    def kwh(self, *values: float, step: float = 5, **limits: Any) -> list[tuple[int, float]]:
        """By the minute at which it ends: what was counted."""
        given = {"limit_kw": 10.0, **limits}
        times = np.arange(len(values)) * round(step * MINUTE_US)
        found = counted(times, np.array(values), **given)
        return list(
            zip((found.end_us // MINUTE_US).tolist(), found.kwh.round(6).tolist(), strict=True)
        )

    def test_it_is_the_difference_of_two_values(self) -> None:
        assert self.kwh(100.0, 100.5, 101.25) == [(5, 0.5), (10, 0.75)]

    def test_a_value_below_that_is_above_again_was_a_glitch(self) -> None:
        assert self.kwh(100.0, 0.0, 100.5) == [(10, 0.5)]

    def test_a_value_below_is_pending_until_the_next_one(self) -> None:
        assert self.kwh(100.0, 100.5, 0.0) == [(5, 0.5)]

    def test_a_new_meter_begins_at_zero_where_the_power_allows_it(self) -> None:
        assert self.kwh(100.0, 0.25, 0.5) == [(5, 0.25), (10, 0.25)]

    def test_a_new_meter_that_counted_elsewhere_begins_with_a_gap(self) -> None:
        assert self.kwh(100.0, 50.0, 50.5) == [(10, 0.5)]

    def test_a_register_that_rolls_over_goes_on(self) -> None:
        assert self.kwh(999.75, 0.25, 0.5, size_kwh=1000.0) == [(5, 0.5), (10, 0.25)]

    def test_a_rise_that_the_power_does_not_allow_is_left_out(self) -> None:
        assert self.kwh(100.0, 5000.0, 100.5) == [(10, 0.5)]

    def test_three_of_them_that_agree_are_believed(self) -> None:
        assert self.kwh(100.0, 500.0, 500.5, 501.0, 501.5) == [(10, 0.5), (15, 0.5), (20, 0.5)]

    def test_two_of_them_are_not_yet(self) -> None:
        assert self.kwh(100.0, 500.0, 500.5) == []

    def test_a_register_that_counts_whole_kwh_may_step_by_one(self) -> None:
        assert self.kwh(100.0, 100.0, 101.0, 101.0, step=0.5) == [(0, 0.0), (1, 1.0), (1, 0.0)]

    def test_without_limits_any_rise_is_believed_and_no_meter_begins_at_zero(self) -> None:
        assert self.kwh(100.0, 5000.0, 1.0, 2.0, limit_kw=None) == [(5, 4900.0), (15, 1.0)]

    def test_a_gap_is_measured_and_its_parts_are_estimated(self) -> None:
        measured = series("REGISTER", at((0, 100.0), (120, 108.0)))

        part, whole = energy(measured, 30, 45), energy(measured, 0, 120)

        assert (part.kwh, part.measured, part.quality) == (1.0, 1.0, Quality.ESTIMATED)
        assert (whole.kwh, whole.quality, whole.is_complete) == (8.0, Quality.OK, False)


@st.composite
def registers(draw: st.DrawFn) -> tuple[list[int], list[float], list[float]]:
    """A register that is read every 1 to 20 minutes: when, what it counted, what was read of it."""
    count = draw(st.integers(min_value=6, max_value=40))
    steps = draw(st.lists(st.integers(1, 20), min_size=count, max_size=count))
    powers = draw(st.lists(st.floats(0, 10, allow_subnormal=False), min_size=count, max_size=count))
    minutes = np.cumsum(steps).tolist()
    true = (5000 + np.cumsum(np.array(powers) * np.array(steps) / 60)).round(3).tolist()
    read = list(true)
    # Faults lie apart, so that what is around each of them is right.
    for place in draw(st.sets(st.integers(1, (count - 3) // 3), max_size=4)):
        read[3 * place] = draw(st.sampled_from([0.0, 1e6, true[3 * place - 1] - 2.0]))
    return minutes, true, read


class TestAgainstWhatWasCounted:
    @given(measured=registers(), cut=st.integers(0, 1000))
    def test_faults_change_no_energy(
        self, measured: tuple[list[int], list[float], list[float]], cut: int
    ) -> None:
        minutes, true, read = measured
        found = ResourceSeries(series("REGISTER", at(*zip(minutes, read, strict=True))), LIMITS)

        whole = found.energy(minutes[0] * MINUTE_US, minutes[-1] * MINUTE_US)

        assert whole.measured == 1.0
        assert whole.kwh == pytest.approx(true[-1] - true[0], abs=1e-6)
        middle = minutes[0] + (minutes[-1] - minutes[0]) * cut / 1000
        parts = [
            found.energy(round(start * MINUTE_US), round(end * MINUTE_US)).kwh
            for start, end in ((minutes[0], middle), (middle, minutes[-1]))
            if end > start
        ]
        assert sum(parts) == pytest.approx(whole.kwh, abs=1e-6)

    @given(
        powers=st.lists(st.floats(-5, 10), min_size=1, max_size=30),
        start=st.integers(0, 200),
        length=st.integers(1, 250),
    )
    def test_intervals_come_to_what_was_consumed_in_them(
        self, powers: Sequence[float], start: int, length: int
    ) -> None:
        told = [(15 * n, 15 * n + 15, kw / 4) for n, kw in enumerate(powers)]
        end = min(start + length, 15 * len(powers))

        found = energy(series("ENERGY", rows(*told), "NET"), start, start + length)

        expected = sum(powers[minute // 15] / 60 for minute in range(start, end))
        measured = max(end - start, 0) / length
        assert found.measured == pytest.approx(measured)
        assert found.kwh * found.measured == pytest.approx(expected, abs=1e-9)
        assert found.is_complete == (measured == 1)
