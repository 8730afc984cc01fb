"""The power of the last hour, by kind of resource."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from app.fleet import Resource, ResourceKind, Status
from app.metering import PowerHistory
from app.metering.power import AskedPower
from app.readings import Frame, FrameDetail, Roster
from containers import Container
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock


def resource(name: str, kind: ResourceKind, most_kw: float) -> Resource:
    least = -most_kw if kind is ResourceKind.PV else 0.0
    return Resource(
        resource_name=name,
        kind=kind,
        power_min_kw=least,
        power_max_kw=0.0 if kind is ResourceKind.PV else most_kw,
        status=Status.APPROVED,
    )


@pytest.fixture
def container(make_container: MakeContainer, clock: FakeClock) -> Container:
    made = make_container()
    made.platform.clock.override(clock)
    made.platform.monotonic.override(clock.monotonic)
    made.fleet.repository().save(
        {
            "Aarhus": [
                resource("pump", ResourceKind.HEAT_PUMP, 5),
                resource("roof", ResourceKind.PV, 8),
            ],
            "Odense": [resource("pump", ResourceKind.HEAT_PUMP, 7)],
        }
    )
    return made


@pytest.fixture
def history(container: Container) -> PowerHistory:
    made: PowerHistory = container.metering.power_history()
    return made


def tick(container: Container, clock: FakeClock, seconds: float = 30) -> None:
    clock.advance(seconds=seconds)
    container.simulator().increase_time()


def test_each_kind_is_the_sum_of_its_resources(
    container: Container, clock: FakeClock, history: PowerHistory
) -> None:
    tick(container, clock)

    history()

    (point,) = history.points()
    frame = container.readings.log().last()
    assert frame is not None
    powers = dict(frame.powers("Aarhus"))
    (pump_of_odense,) = dict(frame.powers("Odense")).values()
    assert point.by_kind_kw == pytest.approx(
        {
            ResourceKind.HEAT_PUMP: powers["pump"] + pump_of_odense,
            ResourceKind.PV: powers["roof"],
        },
        abs=1e-4,
    )
    assert point.total_kw == pytest.approx(float(np.sum(frame.power_kw)), abs=1e-4)


def test_a_frame_counts_once(container: Container, clock: FakeClock, history: PowerHistory) -> None:
    tick(container, clock)

    history()
    history()

    assert len(history.points()) == 1


def test_what_is_older_than_an_hour_goes(
    container: Container, clock: FakeClock, history: PowerHistory
) -> None:
    for _ in range(5):
        tick(container, clock, seconds=1200)
        history()

    points = history.points()

    assert len(points) == 4
    assert (points[-1].taken_at - points[0].taken_at).total_seconds() <= 3600


def test_a_resource_that_was_suspended_since_does_not_count(
    container: Container, clock: FakeClock, history: PowerHistory
) -> None:
    tick(container, clock)
    container.fleet.repository().set_status("Odense", "pump", Status.SUSPENDED)

    history()

    (point,) = history.points()
    frame = container.readings.log().last()
    assert frame is not None
    powers = dict(frame.powers("Aarhus"))
    assert point.by_kind_kw[ResourceKind.HEAT_PUMP] == pytest.approx(powers["pump"], abs=1e-4)


def test_asked_are_devices_that_have_a_set_point_and_are_measured(
    container: Container, clock: FakeClock, history: PowerHistory
) -> None:
    def each(*values: float) -> npt.NDArray[np.float32]:
        return np.array(values, dtype=np.float32)

    names = ["measured", "silent", "simulated", "not asked"]
    pumps = [resource(name, ResourceKind.HEAT_PUMP, 9) for name in names]
    container.fleet.repository().save({"Ribe": pumps})
    container.readings.log().append(
        Frame(
            taken_at=clock(),
            profile_index=0,
            roster=Roster([("Ribe", names)]),
            power_kw=each(2.5, np.nan, 4.0, 8.0),
            detail=FrameDetail(
                baseline_kw=each(3.0, 3.0, 4.0, 8.0),
                setpoint_kw=each(2.0, 2.0, 4.0, np.nan),
                metered=np.array([1, 1, 0, 1], dtype=np.int8),
            ),
        )
    )

    history()

    (point,) = history.points()
    assert point.asked == AskedPower(asked_kw=2.0, measured_kw=2.5, usual_kw=3.0)
