"""The simulator: one step for all resources, the same after a restart, and real shapes."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.fleet import VEN, ResourceKind, Status
from app.metering import MeterDataSimulator, ProfileError, Profiles, load_profiles
from app.observability.tracing import NoTracing
from tests.support.fakes import (
    AsShaped,
    FakeClock,
    FakeFleet,
    FakeFrames,
    FakeMeters,
    NoOrders,
    UnlimitedSpace,
    resource,
)

YEAR = 365 * 96


def make_simulator(
    fleet: FakeFleet, frames: FakeFrames, clock: FakeClock, *, seed: int = 0, **measured: float
) -> MeterDataSimulator:
    return MeterDataSimulator(
        repository=fleet,
        frames=frames,
        profiles=load_profiles,
        control_model=AsShaped(),
        orders=NoOrders(),
        latest=FakeMeters(**measured),
        tracing=NoTracing(),
        space=UnlimitedSpace(),
        clock=clock,
        monotonic=clock.monotonic,
        seed=seed,
    )


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet(
        {
            "Aarhus": [
                resource("pump"),
                resource("sun", ResourceKind.PV, power_min_kw=-8.0, power_max_kw=0.0),
                resource("new", status=Status.PENDING),
            ],
            "Vejle": [
                resource("fridge", ResourceKind.REFRIGERATION),
                resource("old", status=Status.SUSPENDED),
            ],
        }
    )


def test_a_tick_moves_to_the_next_index_and_stores_one_frame(
    fleet: FakeFleet, clock: FakeClock
) -> None:
    frames = FakeFrames()
    simulator = make_simulator(fleet, frames, clock)

    first = simulator.increase_time()
    clock.advance(seconds=30)
    second = simulator.increase_time()

    assert second == first + 1
    assert [frame.profile_index for frame in frames.frames] == [first, second]
    assert frames.frames[1].taken_at == clock.now


def test_only_approved_resources_are_metered(fleet: FakeFleet, clock: FakeClock) -> None:
    simulator = make_simulator(fleet, FakeFrames(), clock)

    assert simulator.initialize_resources() == 3
    simulator.increase_time()

    readings = simulator.collect_next_metering("Aarhus")
    assert [reading.resource_name for reading in readings] == ["pump", "sun"]
    assert {reading.taken_at for reading in readings} == {clock.now}
    assert simulator.collect_next_metering("Nowhere") == []


def test_before_the_first_tick_there_are_no_readings(fleet: FakeFleet, clock: FakeClock) -> None:
    assert make_simulator(fleet, FakeFrames(), clock).collect_next_metering("Aarhus") == []


def test_some_vens_may_be_chosen(fleet: FakeFleet, clock: FakeClock) -> None:
    simulator = make_simulator(fleet, FakeFrames(), clock)

    assert simulator.initialize_resources([VEN(ven_name="Vejle")]) == 1
    assert simulator.initialize_resources(["Aarhus", "Vejle"]) == 3


def test_a_change_of_the_fleet_is_taken_up_by_the_next_tick(
    fleet: FakeFleet, clock: FakeClock
) -> None:
    frames = FakeFrames()
    simulator = make_simulator(fleet, frames, clock)
    simulator.increase_time()

    fleet.change({"Vejle": [resource("fridge")]})
    clock.advance(seconds=1)
    simulator.increase_time()

    assert [frame.roster.size for frame in frames.frames] == [3, 1]


def test_the_index_wraps_at_the_end_of_the_year(fleet: FakeFleet, clock: FakeClock) -> None:
    clock.now = datetime(2027, 12, 31, 23, 50, tzinfo=UTC)
    simulator = make_simulator(fleet, FakeFrames(), clock)

    indices = []
    for _ in range(3):
        indices.append(simulator.increase_time())
        clock.advance(seconds=1)

    assert indices == [YEAR - 1, 0, 1]


def test_a_restart_goes_on_with_the_index_and_the_same_powers(
    fleet: FakeFleet, clock: FakeClock
) -> None:
    one, other = FakeFrames(), FakeFrames()
    unbroken = make_simulator(fleet, one, clock)
    for _ in range(4):
        unbroken.increase_time()
        clock.advance(seconds=1)

    clock.advance(seconds=-4)
    for _ in range(4):
        make_simulator(fleet, other, clock).increase_time()
        clock.advance(seconds=1)

    for left, right in zip(one.frames, other.frames, strict=True):
        assert left.profile_index == right.profile_index
        assert np.array_equal(left.power_kw, right.power_kw)


def test_another_seed_gives_other_noise(fleet: FakeFleet, clock: FakeClock) -> None:
    powers = [
        make_simulator(fleet, FakeFrames(), clock, seed=seed).next_frame().power_kw.tolist()
        for seed in (1, 1, 2)
    ]

    assert powers[0] == powers[1] != powers[2]


def test_two_simulators_share_nothing(fleet: FakeFleet, clock: FakeClock) -> None:
    one = make_simulator(fleet, FakeFrames(), clock)
    other = make_simulator(fleet, FakeFrames(), clock)
    other_first = other.increase_time()
    clock.advance(seconds=1)

    for _ in range(5):
        one.increase_time()
        clock.advance(seconds=1)

    assert other.increase_time() == other_first + 1


def test_every_tick_carries_the_time_of_the_clock_and_none_twice_the_same(
    fleet: FakeFleet, clock: FakeClock
) -> None:
    frames = FakeFrames()
    simulator = make_simulator(fleet, frames, clock)
    shown = []
    for step in (0, 0, -3600, 7200):
        clock.advance(seconds=step)
        shown.append(clock.now)
        simulator.increase_time()

    times = [frame.taken_at for frame in frames.frames]
    assert times == [shown[0], shown[1] + timedelta(microseconds=1), *shown[2:]]


def test_many_threads_make_one_frame_each(fleet: FakeFleet, clock: FakeClock) -> None:
    frames = FakeFrames()
    simulator = make_simulator(fleet, frames, clock)
    threads = [threading.Thread(target=simulator.increase_time) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    indices = [frame.profile_index for frame in frames.frames]
    assert indices == list(range(indices[0], indices[0] + 16))


def test_powers_stay_within_the_limits_all_year(fleet: FakeFleet, clock: FakeClock) -> None:
    frames = FakeFrames()
    simulator = make_simulator(fleet, frames, clock)
    for _ in range(400):
        simulator.increase_time()
        clock.advance(seconds=1)

    powers = np.stack([frame.power_kw for frame in frames.frames])
    pump, sun, fridge = powers.T
    assert pump.min() >= 0.0
    assert pump.max() <= 10.0
    assert sun.min() >= -8.0
    assert sun.max() <= 0.0
    assert fridge.min() > 0.0
    assert np.allclose(powers, np.round(powers, 3))


def test_statistics_count_by_status_and_ven(fleet: FakeFleet, clock: FakeClock) -> None:
    statistics = make_simulator(fleet, FakeFrames(), clock).get_statistics()

    assert statistics == {
        "total_vens": 2,
        "total_resources": 5,
        "total_approved": 3,
        "total_pending": 1,
        "total_suspended": 1,
        "total_by_status": {"APPROVED": 3, "PENDING": 1, "SUSPENDED": 1},
        "by_ven": {
            "Aarhus": {
                "status": "APPROVED",
                "resources": 3,
                "approved": 2,
                "pending": 1,
                "suspended": 0,
            },
            "Vejle": {
                "status": "APPROVED",
                "resources": 2,
                "approved": 1,
                "pending": 0,
                "suspended": 1,
            },
        },
    }


class TestProfiles:
    """The shipped shapes, and where each came from."""

    @pytest.fixture
    def profiles(self) -> Profiles:
        return load_profiles()

    def test_a_year_at_15_minutes_for_every_kind(self, profiles: Profiles) -> None:
        assert profiles.steps == YEAR
        assert set(profiles.kinds) == set(ResourceKind)

    def test_every_shape_names_its_library(self, profiles: Profiles) -> None:
        sources = dict(zip(profiles.kinds, profiles.sources, strict=True))

        assert all("demandlib" in source or "pvlib" in source for source in sources.values())
        assert "clear sky (Haurwitz) at Copenhagen" in sources["PV"]
        assert "pvlib" in sources["PV"]
        assert sources["BASE_LOAD"].startswith("BDEW G0")
        assert sources["HEAT_PUMP"].startswith("BDEW heat profile")

    def test_the_sun_is_down_at_midnight_and_highest_in_june(self, profiles: Profiles) -> None:
        sun = -profiles.per_unit[:, profiles.kinds.index("PV")].reshape(365, 96)

        assert sun[:, 0].max() == 0.0
        assert 150 <= int(sun.sum(axis=1).argmax()) <= 190

    def test_heat_is_needed_in_winter(self, profiles: Profiles) -> None:
        heat = profiles.per_unit[:, profiles.kinds.index("HEAT_PUMP")].reshape(365, 96).sum(axis=1)

        assert heat[:60].mean() > 3 * heat[180:240].mean()

    def test_shapes_are_per_unit(self, profiles: Profiles) -> None:
        assert np.abs(profiles.per_unit).max(axis=0) == pytest.approx(np.ones(8))

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x93NUMPY"])
    def test_a_damaged_file_is_named(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "profiles.npz"
        path.write_bytes(content)

        with pytest.raises(ProfileError, match=str(path)):
            load_profiles(path)

    def test_a_file_of_other_tables_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "profiles.npz"
        np.savez(path, kinds=["PV"], sources=["x"], per_unit=np.zeros((2, 3), np.int16))

        with pytest.raises(ProfileError, match="do not fit"):
            load_profiles(path)


def test_of_a_real_meter_a_frame_holds_what_it_measured_last(clock: FakeClock) -> None:
    fleet = FakeFleet(
        {
            "Aarhus": [
                resource("hall", source="plant"),
                resource("model", source="simulator"),
                resource("silent", source="plant"),
                resource("unmetered", source="none"),
            ]
        }
    )

    frame = make_simulator(fleet, FakeFrames(), clock, hall=4.25, model=99.0).next_frame()

    names = frame.roster.names("Aarhus")
    powers = dict(zip(names, frame.power_kw.tolist(), strict=True))
    simulated = dict(zip(names, frame.simulated_kw.tolist(), strict=True))
    assert names == ("hall", "model", "silent")
    assert powers["hall"] == 4.25
    assert powers["model"] != 99.0
    assert np.isnan(powers["silent"])
    assert np.isnan(simulated["hall"])
    assert simulated["model"] == powers["model"]
    assert frame.readings == 2
