"""What lies between one value and the next is told once, in order of time, whatever comes when."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.energy import MeterLimits, new_steps
from app.intake.measurement import Quantity
from app.intake.store import ROW, Rows, SeriesName

MINUTE_US = 60_000_000
NAME = SeriesName("Aarhus", "hall", "REGISTER", "IMPORT")
LIMITS = MeterLimits(max_age_us=15 * MINUTE_US)
WAIT = 7


def came(minutes: list[int]) -> Rows:
    """A register that counts 0.25 kWh a minute, read at these minutes, in this order."""
    rows = np.zeros(len(minutes), dtype=ROW)
    rows["start"] = rows["end"] = np.array(minutes) * MINUTE_US
    rows["value"] = 100 + np.array(minutes) / 4
    rows["seq"] = np.arange(1, len(minutes) + 1)
    return rows[np.argsort(rows["start"], kind="stable")]


def told(rows: Rows, numbers: list[int]) -> list[tuple[int, int, float]]:
    """(from a minute, to a minute, kWh), when it is looked at after each of these numbers."""
    found = []
    for after, through in zip([0, *numbers], numbers, strict=False):
        steps = new_steps(
            {NAME: rows},
            LIMITS,
            Quantity.REGISTER,
            after=after,
            through=through,
            wait_us=WAIT * MINUTE_US,
            since_us=-1,
        )
        columns = steps.start_us // MINUTE_US, steps.end_us // MINUTE_US, steps.kwh
        found += list(zip(*(column.tolist() for column in columns), strict=True))
    return found


@given(
    minutes=st.permutations(range(0, 60, 5)),
    looked_at=st.sets(st.integers(1, 12)),
)
def test_it_is_told_without_a_gap_and_without_a_double(
    minutes: list[int], looked_at: set[int]
) -> None:
    found = told(came(minutes), sorted({*looked_at, len(minutes)}))

    assert all(one[1] == other[0] for one, other in pairwise(found))
    for start, end, kwh in found:
        assert kwh == pytest.approx((end - start) / 4)


def test_what_comes_behind_the_watermark_is_in_the_step_that_passes_it() -> None:
    rows = came([0, 15, 45, 30, 60])

    assert told(rows, [1, 2, 3, 4, 5]) == [(0, 15, 3.75), (15, 45, 7.5)]
