"""A simulator that follows real series: they are played again, and called estimated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.fleet import Resource, ResourceKind, Status
from app.intake import MeterFileError
from app.intake.replay import YEAR_QUARTERS, load_replay
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.samples import SAMPLES
from tests.support.workbench import Bench

HEAD = "device,start,end,quantity,unit,direction,value\n"
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
FIRST_QUARTER = 59 * 96
"""Of March, in the year."""


def written(text: str) -> Path:
    path = Path("real.csv")
    path.write_text(HEAD + text)
    return path


def hours(device: str, *values: float, direction: str = "IMPORT") -> str:
    return "".join(
        f"{device},{MARCH + timedelta(hours=place):%Y-%m-%dT%H:%MZ},"
        f"{MARCH + timedelta(hours=place + 1):%Y-%m-%dT%H:%MZ},ENERGY,KWH,{direction},{value}\n"
        for place, value in enumerate(values)
    )


def test_the_energy_of_an_hour_is_its_power_in_four_quarters() -> None:
    series = load_replay(written(hours("d-1", 2.0, 3.0)), "")

    assert len(series["d-1"]) == YEAR_QUARTERS
    assert series["d-1"][FIRST_QUARTER : FIRST_QUARTER + 8].tolist() == [2.0] * 4 + [3.0] * 4


def test_what_is_fed_in_is_negative_beside_what_is_consumed() -> None:
    text = hours("d-1", 2.0, 0.5) + hours("d-1", 0.0, 1.5, direction="EXPORT")

    series = load_replay(written(text), "csv")

    assert series["d-1"][FIRST_QUARTER : FIRST_QUARTER + 8 : 4].tolist() == [2.0, -1.0]


def test_a_day_that_is_there_stands_for_those_that_are_not() -> None:
    series = load_replay(written(hours("d-1", *range(24))), "")

    by_day = series["d-1"].reshape(-1, 96)
    assert (by_day == by_day[0]).all()
    assert by_day[0, ::4].tolist() == list(range(24))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("d-1,soon,,ENERGY,KWH,IMPORT,1\n", "line 2"),
        ("", "there is no measurement in it"),
    ],
)
def test_a_file_that_cannot_be_followed_is_named(text: str, problem: str) -> None:
    with pytest.raises(MeterFileError, match=rf"real\.csv: .*{problem}"):
        load_replay(written(text), "")


def test_a_file_of_another_kind_needs_a_profile() -> None:
    path = Path("real.txt")
    path.touch()

    with pytest.raises(MeterFileError, match="SIMULATOR__REPLAY_PROFILE"):
        load_replay(path, "")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample files are not here")
def test_the_loads_of_an_hdf5_sample_can_be_followed() -> None:
    pytest.importorskip("h5py")

    series = load_replay(SAMPLES / "hdf5/load_data_like_original.h5", "")

    assert "707057500033058697/0" in series
    assert all(np.isfinite(each).all() for each in series.values())


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    """Two resources, of which one follows a series."""
    clock.now = MARCH
    return following(vtn, make_container, clock)


def following(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    path = written(hours("d-1", *[7.25] * 24)).absolute()
    container = make_container(vtn={"embedded_port": vtn.port}, simulator={"replay": path})
    bench = Bench(container, vtn, clock)
    limits: dict[str, Any] = {"power_max_kw": 10.0, "status": Status.APPROVED}
    container.fleet.repository().save(
        {
            "Aarhus": [
                Resource(resource_name=name, kind=ResourceKind.HEAT_PUMP, device=device, **limits)
                for name, device in (("follows", "d-1"), ("does not", "d-2"))
            ]
        }
    )
    return bench


def test_a_resource_follows_the_series_of_its_device(bench: Bench) -> None:
    frame = bench.container.simulator().next_frame()

    powers = dict(frame.powers("Aarhus"))
    assert powers["follows"] == pytest.approx(7.25)
    assert powers["does not"] != pytest.approx(7.25)


def test_reports_call_its_readings_estimated(bench: Bench) -> None:
    request = bench.container.streams.request_index()

    bench.container.ven_manager().enrol()
    bench.container.ven_manager().poll_events()

    told = {active.request.reading_type for active in request.of_ven("Aarhus")[0].values()}
    assert told == {"ESTIMATED"}
