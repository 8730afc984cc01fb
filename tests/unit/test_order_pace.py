"""How fast orders may change: ramps, and least times on and off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.actuation.order import Key
from tests.support.events import in_force
from tests.support.fakes import resource
from tests.support.ordered_site import AT, CAR, PUMP, K, Site, opted_out

TEN_MINUTES = timedelta(minutes=10)
STORE = {"energy_max_kwh": 16.0, "actuator": "homes", "source": "meters"}


@pytest.fixture
def site() -> Site:
    return Site()


class TestPace:
    def test_a_ramp_goes_step_by_step(self, site: Site) -> None:
        site.fleet.change({"Aarhus": site.members(ramp_kw_per_min=6.0)})
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0))]

        steps = []
        for _ in range(5):
            steps.append(site.setpoints()[PUMP])
            site.clock.advance(seconds=10)

        assert steps == pytest.approx([2.0, 1.0, 0.0, 0.0, 0.0])

    def test_no_step_comes_before_its_time(self, site: Site) -> None:
        site.fleet.change({"Aarhus": site.members(ramp_kw_per_min=6.0)})
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0))]
        site.asked()

        site.clock.advance(seconds=4)
        plan = site.plan()

        assert plan.wanted[PUMP].desired.setpoint_kw == 2.0
        assert plan.next_change == AT + timedelta(seconds=10)

    def test_what_runs_runs_for_a_while(self, site: Site) -> None:
        site.fleet.change({"Aarhus": site.members(min_on=timedelta(minutes=10))})
        site.events = [in_force(("DISPATCH_SETPOINT", 4.0), id="e-1")]
        site.asked()
        site.clock.advance(minutes=4)

        site.events = [in_force(("DISPATCH_SETPOINT", 0.0), id="e-1")]
        plan = site.plan()
        assert plan.wanted[PUMP].desired.setpoint_kw == 4.0
        site.clock.advance(minutes=6)

        assert site.setpoints()[PUMP] == 0.0

    def test_since_it_began_to_run_whatever_it_was_asked_meanwhile(self, site: Site) -> None:
        site.fleet.change({"Aarhus": site.members(min_on=timedelta(minutes=10))})
        for setpoint_kw in (4.0, 3.0):
            site.events = [in_force(("DISPATCH_SETPOINT", setpoint_kw))]
            site.asked()
            site.clock.advance(minutes=5)

        site.events = [in_force(("DISPATCH_SETPOINT", 0.0))]

        assert site.setpoints()[PUMP] == 0.0

    def test_what_stands_stands_for_a_while(self, site: Site) -> None:
        site.fleet.change({"Aarhus": site.members(min_off=timedelta(minutes=10))})
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0))]
        site.asked()
        site.clock.advance(minutes=4)

        site.events = [in_force(("DISPATCH_SETPOINT", 4.0))]

        assert site.setpoints()[PUMP] == 0.0

    def test_orders_of_a_clock_that_was_ahead_hold_up_nothing(self, site: Site) -> None:
        site.fleet.change(
            {"Aarhus": site.members(min_on=timedelta(minutes=10), ramp_kw_per_min=60.0)}
        )
        site.events = [in_force(("DISPATCH_SETPOINT", 4.0))]
        site.asked()
        site.clock.set_back(seconds=50)

        site.events = [in_force(("DISPATCH_SETPOINT", 0.0))]

        assert site.setpoints()[PUMP] == 0.0

    def test_a_release_does_not_wait(self, site: Site) -> None:
        site.fleet.change({"Aarhus": site.members(min_off=timedelta(hours=1), ramp_kw_per_min=0.1)})
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0))]
        site.asked()

        site.events = []

        assert site.asked() == {}
        assert site.last_orders()[PUMP].is_release

    def test_a_limit_does_not_contradict_what_has_to_run(self, site: Site) -> None:
        """A device that heard of both could not do both."""
        site.fleet.change({"Aarhus": site.members(min_on=timedelta(minutes=10))})
        site.events = [in_force(("DISPATCH_SETPOINT", 4.0), id="e-1")]
        site.asked()
        site.clock.advance(minutes=4)

        site.events = [in_force(("DISPATCH_SETPOINT", 0.0), ("IMPORT_CAPACITY_LIMIT", 0.0))]
        asked = site.asked()[PUMP]

        assert (asked.setpoint_kw, asked.import_limit_kw) == (4.0, 4.0)

    def test_a_limit_of_export_does_not_either(self, site: Site) -> None:
        battery = resource(
            "pump", K.BATTERY, power_min_kw=-8.0, power_max_kw=8.0, **STORE, min_on=TEN_MINUTES
        )
        site.fleet.change({"Aarhus": [battery]})
        site.events = [in_force(("DISPATCH_SETPOINT", -4.0), id="e-1")]
        site.asked()
        site.clock.advance(minutes=4)

        site.events = [in_force(("DISPATCH_SETPOINT", 0.0), ("EXPORT_CAPACITY_LIMIT", 0.0))]
        asked = site.asked()[PUMP]

        assert (asked.setpoint_kw, asked.export_limit_kw) == (-4.0, 4.0)

    def test_the_others_of_its_site_give_way_meanwhile(self, site: Site) -> None:
        """The rest of the house takes 1 kW, and the pump is on its way down from 3 kW."""
        site.fleet.change({"Aarhus": site.members(ramp_kw_per_min=0.6)})
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 4.0), ("DISPATCH_SETPOINT", 0.0))]
        site.meters.measure(CAR, 2.0)

        asked = site.asked()

        assert asked[PUMP].setpoint_kw == pytest.approx(2.9)
        assert asked[CAR].setpoint_kw == pytest.approx(0.0)
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 2.0), ("DISPATCH_SETPOINT", 9.0))]
        asked = site.asked()
        assert asked[PUMP].setpoint_kw == pytest.approx(2.9)
        assert asked[CAR].import_limit_kw == pytest.approx(0.0)

    def test_who_does_not_take_part_gives_way_for_nobody(self, site: Site) -> None:
        """The pump needs 2.9 kW on its way down, and the car charges on with 2 kW."""
        boiler = resource("boiler", K.HEAT_PUMP, actuator="homes", source="meters")
        site.fleet.change({"Aarhus": [*site.members(ramp_kw_per_min=0.6), boiler]})
        site.usual |= {"boiler": 5.0, "car": 2.0}
        site.who = opted_out(CAR)
        site.meters.measure(CAR, 2.0)
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 8.0), ("DISPATCH_SETPOINT", 9.0))]

        setpoints = site.setpoints()

        assert setpoints[PUMP] == pytest.approx(2.9)
        assert setpoints[Key("Aarhus", "boiler")] == pytest.approx(8.0 - 2.9 - 2.0 - 1.0)
