"""What devices are to be asked: events through policies, and the way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.actuation.order import Key, OrderStatus, OutcomeStatus
from app.actuation.planner import BASELINE_SPAN, STEP
from app.actuation.states import LATE
from app.fleet import EVERYBODY, THE_VEN, SetBy, WhoTakesPart
from tests.support.events import NOW, in_force, interval, seen
from tests.support.fakes import resource
from tests.support.ordered_site import AT, CAR, PUMP, K, Site, opted_out


@pytest.fixture
def site() -> Site:
    return Site()


class TestWhoIsAsked:
    def test_nobody_while_no_event_asks(self, site: Site) -> None:
        plan = site.plan()

        assert (plan.wanted, plan.next_change) == ({}, None)
        assert site.meters.spans == {}, "nothing was read for it"

    def test_who_has_an_actuator_and_can_follow(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 3))]

        assert set(site.asked()) == {PUMP, CAR}

    def test_nobody_at_a_level_that_asks_for_no_change(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 0))]

        assert site.asked() == {}

    def test_who_is_meant(self, site: Site) -> None:
        site.events = [in_force(("DISPATCH_SETPOINT", 2.5))]
        site.fleet.change({"Aarhus": site.members(), "Odense": site.members()})

        assert {key.ven_name for key in site.asked()} == {"Aarhus", "Odense"}

    def test_nobody_before_the_event_begins(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 3))]
        site.clock.now = NOW - timedelta(minutes=5)

        plan = site.plan()

        assert (plan.wanted, plan.next_change) == ({}, NOW)


class TestWhatIsAsked:
    def test_the_answer_of_the_policy(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 2), id="e-7")]

        state = site.asked()[PUMP]

        assert state.setpoint_kw == pytest.approx(3.0 * 0.4)
        assert (state.level, state.event_id, state.reason) == (2, "e-7", "SIMPLE")
        assert state.ends_at == NOW + timedelta(hours=1)

    def test_a_part_of_what_the_site_may_import(self, site: Site) -> None:
        """11 kW are consumed: 1 by the rest, which is asked nothing, 3 and 7 by who give way."""
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 6.0))]

        asked = site.asked()

        assert [state.setpoint_kw for state in asked.values()] == [None, None]
        limits = {key: state.import_limit_kw or 0.0 for key, state in asked.items()}
        assert limits == pytest.approx({CAR: 3.5, PUMP: 1.5}, abs=0.01)
        assert asked[PUMP].reason == "IMPORT_CAPACITY_LIMIT"

    def test_what_the_site_leaves_is_shared_out(self, site: Site) -> None:
        """Nobody is held to what he happens to consume while there is room."""
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 15.0))]

        limits = {key: state.import_limit_kw or 0.0 for key, state in site.asked().items()}

        assert all(limits[key] > site.meters.power_kw(key) for key in limits)
        assert sum(limits.values()) + 1.0 <= 15.0 + 0.01

    def test_who_cannot_be_asked_does_not_give_way(self, site: Site) -> None:
        """A real resource without an actuator: the others have to give way for it."""
        pump, car, rest = site.members()
        site.fleet.change({"Aarhus": [replace(pump, actuator=""), car, rest]})
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 5.0))]

        assert site.asked()[CAR].import_limit_kw == pytest.approx(5.0 - 2.0 - 1.0, abs=0.01)

    def test_who_feeds_in_lends_nothing_to_others(self, site: Site) -> None:
        """A cloud may come."""
        roof = resource("roof", K.PV, power_min_kw=-8.0, power_max_kw=0.0, source="meters")
        site.fleet.change({"Aarhus": [*site.members(), roof]})
        site.usual["roof"] = -6.0
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 12.0))]

        limits = [state.import_limit_kw or 0.0 for state in site.asked().values()]

        assert sum(limits) + 1.0 <= 12.0 + 0.01

    def test_nobody_is_given_more_than_he_can_use(self, site: Site) -> None:
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 500.0))]

        limits = {key: state.import_limit_kw for key, state in site.asked().items()}

        assert limits == {PUMP: 10.0, CAR: 11.0}

    def test_the_end_is_that_of_what_ends_first(self, site: Site) -> None:
        site.events = [
            in_force(("SIMPLE", 1), id="e-1", duration="PT30M"),
            in_force(("IMPORT_CAPACITY_LIMIT", 6.0), id="e-2", duration="PT1H"),
        ]

        assert site.asked()[PUMP].ends_at == NOW + timedelta(minutes=30)

    def test_a_limit_leaves_what_may_come(self, site: Site) -> None:
        """At night the sun gives nothing; the event lasts till noon."""
        roof = resource(
            "roof", K.PV, power_min_kw=-8.0, power_max_kw=0.0, actuator="homes", source="meters"
        )
        site.fleet.change({"Aarhus": [roof]})
        site.usual = {"roof": 0.0}
        site.events = [in_force(("EXPORT_CAPACITY_LIMIT", 5.0), duration="PT24H")]

        assert site.asked()[Key("Aarhus", "roof")].export_limit_kw == pytest.approx(5.0)

    def test_the_end_is_that_of_what_follows_without_a_gap(self, site: Site) -> None:
        """But what follows is planned when it begins, and nobody waits for that for ever."""
        first = interval(0, 1, "SIMPLE", start=NOW.isoformat(), duration="PT10M")
        second = interval(1, 1, "SIMPLE", duration="PT10M")
        site.events = [seen(intervals=[first, second])]

        assert site.asked()[PUMP].ends_at == NOW + timedelta(minutes=10) + LATE
        site.clock.advance(minutes=9)
        assert site.asked()[PUMP].ends_at == NOW + timedelta(minutes=20)


class TestBaseline:
    def test_it_is_what_was_measured_in_the_quarter_of_an_hour_before(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 1))]

        site.asked()

        assert site.meters.spans[PUMP] == [(AT - BASELINE_SPAN, AT)]

    def test_without_a_measurement_it_is_that_of_its_kind(self, site: Site) -> None:
        site.meters.forget(PUMP)
        site.events = [in_force(("SIMPLE", 1))]

        assert site.setpoints()[PUMP] == pytest.approx(2.0 * 0.7)

    def test_a_device_that_obeys_gets_the_same_order_for_an_hour(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 1), duration="PT2H")]
        asked: set[float | None] = set()
        for _ in range(60):
            for key, setpoint_kw in site.setpoints().items():
                site.meters.measure(key, setpoint_kw or 0.0)
            asked.add(site.setpoints()[PUMP])
            site.clock.advance(minutes=1)

        assert asked == {2.1}
        assert site.orders.book.counts.issued == 2

    def test_what_was_measured_under_an_order_is_none_of_the_next(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 1))]
        site.asked()
        site.meters.measure(PUMP, 2.1)
        seq = site.orders.accepted()
        site.events = []
        site.asked()
        site.orders.accepted()
        assert site.last_orders()[PUMP].seq > seq
        site.clock.advance(minutes=1)

        site.events = [in_force(("SIMPLE", 1), id="e-2")]

        assert site.setpoints()[PUMP] == pytest.approx(3.0 * 0.7)

    def test_after_a_while_what_was_measured_since_counts(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 1))]
        site.asked()
        site.orders.accepted()
        site.clock.advance(minutes=20)
        site.events = []
        site.asked()
        site.clock.advance(minutes=1)
        site.orders.accepted()
        ended = site.clock()
        site.meters.measure(PUMP, 4.0)
        site.clock.advance(minutes=10)

        site.events = [in_force(("SIMPLE", 1), id="e-2")]

        assert site.setpoints()[PUMP] == pytest.approx(4.0 * 0.7)
        assert (ended, site.clock()) in site.meters.spans[PUMP]


class TestComfort:
    def test_what_was_put_off_counts_while_orders_hold(self, site: Site) -> None:
        """A heat pump of 10 kW has 20 kWh of comfort left; 3 kW of it are put off each hour."""
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0), duration="PT12H")]
        asked: list[float] = []
        while site.clock() < NOW + timedelta(hours=8):
            asked.append(site.setpoints()[PUMP] or 0.0)
            site.meters.measure(PUMP, asked[-1])
            site.clock.advance(minutes=5)

        assert asked[0] == 0.0
        assert asked[70] == 0.0, "after six hours there are 2 kWh left"
        assert asked[-1] == pytest.approx(3.0, abs=0.3), "then it is warm enough no longer"

    def test_a_store_is_looked_at_again_before_it_runs_out(self, site: Site) -> None:
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0), duration="PT12H")]

        assert site.plan().next_change == AT + STEP

    def test_without_a_meter_what_is_asked_is_counted(self, site: Site) -> None:
        site.meters.forget(PUMP)
        site.usual["pump"] = 3.0
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0), duration="PT12H")]
        site.asked()

        site.clock.advance(hours=8)

        assert site.setpoints()[PUMP] == pytest.approx(3.0), "it is warm enough no longer"

    def test_what_was_made_good_does_not_count(self, site: Site) -> None:
        """Four hours after a release the house is as warm as before."""
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0), duration="PT4H")]
        site.asked()
        site.meters.measure(PUMP, 0.0)
        site.orders.accepted()
        site.clock.advance(hours=4)
        site.events = []
        site.asked()
        site.orders.accepted()
        site.meters.measure(PUMP, 3.0)
        later = site.clock() + timedelta(hours=4, minutes=1)
        site.clock.advance(hours=4, minutes=1)

        period = {"start": later.isoformat(), "duration": "PT12H"}
        asked = interval(0, 0.0, "DISPATCH_SETPOINT")
        site.events = [seen(id="e-2", intervalPeriod=period, intervals=[asked])]
        site.asked()

        assert site.last_orders()[PUMP].stored == (20.0, later), "half of what there can be"

    def test_too_much_of_it_is_not_counted(self, site: Site) -> None:
        """A device that heats more than there is room for is not asked to make up for it."""
        site.events = [in_force(("DISPATCH_SETPOINT", 5.0), duration="PT24H")]
        site.asked()
        site.meters.measure(PUMP, 9.0)
        while site.clock() < NOW + timedelta(hours=12):
            site.clock.advance(minutes=5)
            site.asked()

        full = site.last_orders()[PUMP].stored
        site.meters.measure(PUMP, 0.0)
        site.clock.advance(hours=1)
        site.asked()
        left = site.last_orders()[PUMP].stored

        assert full is not None
        assert left is not None
        assert full.kwh == 40.0
        assert left.kwh == pytest.approx(37.0, abs=0.1)

    def test_what_was_measured_is_read_once(self, site: Site) -> None:
        site.events = [in_force(("DISPATCH_SETPOINT", 0.0), duration="PT12H")]
        site.asked()

        for _ in range(3):
            site.clock.advance(minutes=5)
            site.asked()

        since_the_first = site.meters.spans[PUMP][1:]
        assert [end - start for start, end in since_the_first] == [timedelta(minutes=5)] * 3

    def test_a_measured_charge_decides(self, site: Site) -> None:
        """A battery that is empty by its meter is not asked to give."""
        battery = resource(
            "battery",
            K.BATTERY,
            power_min_kw=-5.0,
            power_max_kw=5.0,
            energy_max_kwh=10.0,
            actuator="homes",
            source="meters",
        )
        site.fleet.change({"Aarhus": [battery]})
        site.usual = {"battery": 0.0}
        site.events = [in_force(("DISPATCH_SETPOINT", -5.0))]
        key = Key("Aarhus", "battery")
        assert site.setpoints()[key] == -5.0

        site.tick(battery=0.0)

        assert site.setpoints()[key] == pytest.approx(0.0)


class TestWhoDoesNotTakePart:
    def test_a_resource(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 3))]
        site.who = opted_out(PUMP)

        assert set(site.asked()) == {CAR}

    def test_a_ven_with_all_that_it_has(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 3))]
        site.who = opted_out(("Aarhus", THE_VEN))

        assert site.asked() == {}

    def test_until_it_ends(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 3))]
        ends = AT + timedelta(minutes=5)
        site.who = opted_out(PUMP, until=ends)

        assert site.plan().next_change == ends
        site.clock.advance(minutes=5)
        assert set(site.asked()) == {PUMP, CAR}

    @pytest.mark.parametrize("held", [PUMP, ("Aarhus", THE_VEN), (EVERYBODY, THE_VEN)])
    def test_what_an_operator_released(self, site: Site, held: tuple[str, str]) -> None:
        site.events = [in_force(("SIMPLE", 3))]
        site.who = WhoTakesPart(revision=2, released=frozenset({held}))

        assert PUMP not in site.asked()

    def test_the_others_of_its_site_give_way_for_it(self, site: Site) -> None:
        """It does as usual, which is 2 kW, and the rest 1 kW."""
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 6.0))]
        site.who = opted_out(PUMP)

        assert site.asked()[CAR].import_limit_kw == pytest.approx(3.0, abs=0.01)

    def test_told_of_are_those_whose_devices_have_opted_out(self, site: Site) -> None:
        """Home Assistant's switch is the owner's, and shows what the owner has set."""
        site.who = opted_out(PUMP, set_by=SetBy.DEVICE, until=AT + timedelta(minutes=5))

        assert site.plan().opted_out == {PUMP}
        site.clock.advance(minutes=5)
        assert site.plan().opted_out == frozenset()

    def test_what_an_operator_has_set_is_not_told(self, site: Site) -> None:
        site.who = opted_out(PUMP)

        assert site.plan().opted_out == frozenset()


class TestWhoRefuses:
    def refuse(self, site: Site) -> None:
        site.asked()
        site.orders.answer(site.orders.write()["seq"], OutcomeStatus.REFUSED)

    def test_the_others_of_its_site_give_way_for_it(self, site: Site) -> None:
        site.events = [in_force(("IMPORT_CAPACITY_LIMIT", 6.0))]
        self.refuse(site)

        asked = site.asked()

        assert asked[CAR].import_limit_kw == pytest.approx(2.0, abs=0.01)
        assert site.last_orders()[PUMP].status is OrderStatus.REFUSED

    def test_another_event_reaches_it(self, site: Site) -> None:
        """One that it refused may go on for ever; an emergency has to be heard."""
        site.events = [in_force(("SIMPLE", 1), id="e-1", priority=5)]
        self.refuse(site)

        site.events = [*site.events, in_force(("DISPATCH_SETPOINT", 0.5), id="e-2", priority=0)]

        assert site.asked()[PUMP].event_id == "e-2"
        assert site.last_orders()[PUMP].status is OrderStatus.WAITING

    def test_it_is_asked_again_when_the_event_changes(self, site: Site) -> None:
        site.events = [in_force(("SIMPLE", 1), modificationDateTime="2026-06-01T11:00:00Z")]
        self.refuse(site)
        site.asked()
        assert site.last_orders()[PUMP].status is OrderStatus.REFUSED

        site.events = [in_force(("SIMPLE", 2), modificationDateTime="2026-06-01T12:00:30Z")]
        site.asked()

        assert site.last_orders()[PUMP].status is OrderStatus.WAITING
