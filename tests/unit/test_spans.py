"""What frames come to over the spans that events set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control import ResourceArrays
from app.readings import Frame, FrameDetail, Roster
from app.reporting.content.aggregate import SpanSum, SpanSums
from app.reporting.content.interval_reports import _by_name
from app.reporting.requests.quantities import Quantity
from tests.support.events import NOW

ROSTER = Roster({"V": ("r1", "r2")}.items())
M = timedelta(minutes=1)


def frame(seq: int, at_s: float, *powers: float, roster: Roster = ROSTER) -> Frame:
    return Frame(
        seq=seq,
        taken_at=NOW + timedelta(seconds=at_s),
        profile_index=seq,
        roster=roster,
        power_kw=np.array(powers, dtype=np.float32),
    )


def summed(frames: list[Frame], start_s: float, end_s: float) -> SpanSum:
    span = NOW + timedelta(seconds=start_s), NOW + timedelta(seconds=end_s)
    ((found,),) = SpanSums(spans=[(span, None)]).sweep([frames]).done
    return found


def test_energy_is_the_integral_of_a_power_that_runs_straight_between_readings() -> None:
    frames = [frame(1, 0, 0, 6), frame(2, 3600, 6, 6)]

    assert summed(frames, 0, 3600).energy_kwh == pytest.approx([3, 6])
    assert summed(frames, 1800, 3600).energy_kwh == pytest.approx([2.25, 3])


@given(
    st.lists(st.floats(1, 900), min_size=4, max_size=20),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6, unique=True),
    st.integers(1, 6),
    st.data(),
)
def test_the_usage_of_the_parts_adds_up_to_the_usage_of_the_whole(
    gaps_s: list[float], cuts: list[float], window: int, data: st.DataObject
) -> None:
    """Whatever the tick, and however frames are read from the store."""
    at_s = [0.0, *np.cumsum(gaps_s).tolist()]
    powers = data.draw(
        st.lists(st.floats(-50, 50, width=32), min_size=len(at_s), max_size=len(at_s))
    )
    taken = zip(at_s, powers, strict=True)
    frames = [frame(n, at, power, -power) for n, (at, power) in enumerate(taken, 1)]
    whole_s = at_s[0] + 0.1, at_s[-1] - 0.1
    ends = sorted(
        {whole_s[0], whole_s[1], *(whole_s[0] + c * (whole_s[1] - whole_s[0]) for c in cuts)}
    )
    spans = [
        (NOW + timedelta(seconds=a), NOW + timedelta(seconds=b))
        for a, b in [whole_s, *zip(ends, ends[1:])]  # noqa: B905, RUF007
    ]
    windows = [frames[n : n + window + 1] for n in range(0, len(frames) - 1, window)]

    whole, *parts = (
        found[0] for found in SpanSums(spans=[(span, None) for span in spans]).sweep(windows).done
    )

    total = sum(part.energy_kwh for part in parts)
    assert total == pytest.approx(whole.energy_kwh, abs=1e-4)


def test_quality_is_of_what_was_read() -> None:
    frames = [frame(1, 0, 1, 1), frame(2, 60, 1, 1), frame(3, 1000, 1, float("nan"))]

    assert summed(frames, 0, 60).quality.tolist() == ["OK", "OK"]
    assert summed(frames, 0, 900).quality.tolist() == ["ESTIMATED", "ESTIMATED"]
    assert summed(frames, 100, 900).quality.tolist() == ["ESTIMATED", "MISSING"]


def test_a_fleet_that_changes_in_the_middle_loses_nothing() -> None:
    other = Roster({"V": ("r2", "r3")}.items())
    frames = [
        frame(1, 0, 6, 6),
        frame(2, 1800, 6, 6),
        frame(3, 3600, 6, 6, roster=other),
    ]
    span = NOW, NOW + 60 * M
    ((before, after),) = SpanSums(spans=[(span, None)]).sweep([frames]).done

    assert before.energy_kwh == pytest.approx([3, 3])
    assert after.energy_kwh == pytest.approx([3, 0]), "r2 goes on; r3 is new"


def test_the_baseline_is_beside_the_power() -> None:
    frames = [
        Frame(
            seq=n,
            taken_at=NOW + n * 60 * M,
            profile_index=n,
            roster=ROSTER,
            power_kw=np.zeros(2, dtype=np.float32),
            detail=FrameDetail(baseline_kw=np.array([2, 4], dtype=np.float32)),
        )
        for n in range(2)
    ]
    found = summed(frames, 0, 3600)

    assert found.baseline_kwh == pytest.approx([2, 4])
    assert found.energy_kwh == pytest.approx([0, 0])


def test_a_mean_over_a_fleet_that_changes_is_weighed_by_time() -> None:
    """Another VEN gets a resource: 55 minutes at 6 kW, then five at none."""
    before = Roster({"V": ("r1",), "W": ("x",)}.items())
    after = Roster({"V": ("r1",), "W": ("x", "y")}.items())
    frames = [
        frame(1, 0, 6, 0, roster=before),
        frame(2, 3300, 6, 0, roster=before),
        frame(3, 3300.001, 0, 0, 0, roster=after),
        frame(4, 3600, 0, 0, 0, roster=after),
    ]
    span = NOW, NOW + 60 * M
    (sums,) = SpanSums(spans=[(span, "V")]).sweep([frames]).done

    ((mean, _),) = _by_name("V", Quantity.MEAN_POWER, sums, NoOutlook()).values()

    assert mean == pytest.approx(5.5, abs=1e-3)


def test_the_level_in_a_span_is_not_that_of_a_frame_after_it() -> None:
    before = Roster({"V": ("r1",), "W": ("x",)}.items())
    after = Roster({"V": ("r1",), "W": ("x", "y")}.items())
    level = FrameDetail(level=np.array([2, 2], dtype=np.int8))
    frames = [
        replace(frame(1, 0, 6, 0, roster=before), detail=level),
        replace(frame(2, 3590, 6, 0, roster=before), detail=level),
        frame(3, 3605, 0, 0, 0, roster=after),
    ]
    span = NOW, NOW + 60 * M
    (sums,) = SpanSums(spans=[(span, "V")]).sweep([frames]).done

    assert _by_name("V", Quantity.LEVEL, sums, NoOutlook()) == {"r1": (2, "OK")}


class NoOutlook:
    """For quantities that need none."""

    def resources(self) -> ResourceArrays:
        raise AssertionError

    def past_resources(self) -> ResourceArrays:
        raise AssertionError

    def bounds_kw(self, frame: Frame) -> tuple[Any, Any]:
        raise AssertionError(frame)

    def forecast(self, ven_name: str, spans: Sequence[Any]) -> list[Any]:
        raise AssertionError((ven_name, spans))
