"""When the targets of VENs and resources are read, and how."""

from __future__ import annotations

from tests.support.fakes import FakeClock
from tests.support.polls import MAX_AGE_S, CountedDatabase, EventsBench, fleet


class TestTargets:
    def test_they_are_read_when_they_are_old(self, bench: EventsBench, clock: FakeClock) -> None:
        vens = fleet(bench, "north")
        bench.poll(*vens)

        clock.advance(seconds=MAX_AGE_S - 1)
        assert bench.poll(*vens)["/vens"] == 0
        bench.vtn.vens["v-VEN-1"]["targets"] = ["south"]
        clock.advance(seconds=1)

        assert bench.poll(*vens)["/vens"] == 1
        assert bench.store.views(["VEN 1"])[0].granted.all == {"south"}

    def test_from_lists_and_not_one_by_one(self, bench: EventsBench) -> None:
        vens = [
            bench.vtn.add_ven(f"VEN {number}", resources={"pump": ["heat"]}) for number in range(60)
        ]
        bench.enrolled = {ven.ven_name: ["pump"] for ven in vens}

        asked = bench.poll(*vens)

        assert (asked["/vens"], asked["/resources"]) == (2, 2), "two pages each"
        assert not [path for path in asked if path.startswith("/vens/") or "venID" in path]
        assert bench.store.views(["VEN 59"])[0].granted.resources == {"pump": {"heat"}}
        assert bench.shown["VEN 59"] == (True, [])

    def test_what_a_list_does_not_show_is_asked_for_before_it_is_missed(
        self, bench: EventsBench
    ) -> None:
        vens = [bench.vtn.add_ven(f"VEN {number}", resources={"pump": []}) for number in range(4)]
        bench.enrolled = {ven.ven_name: ["pump"] for ven in vens}
        bench.vtn.unlisted = {"v-VEN-0", "v-VEN-1-pump"}
        del bench.vtn.vens["v-VEN-2"], bench.vtn.resources["v-VEN-3-pump"]

        asked = bench.poll(*vens)

        assert {path for path in asked if path.startswith("/vens/")} == {
            f"/vens/v-VEN-{number}" for number in range(4)
        }
        assert bench.shown == {
            "VEN 0": (True, []),
            "VEN 1": (True, ["pump"]),  # it is not in its own list, either
            "VEN 2": (False, []),
            "VEN 3": (True, ["pump"]),
        }

    def test_a_client_that_may_not_list_asks_for_each(
        self, bench: EventsBench, clock: FakeClock
    ) -> None:
        bench.vtn.answers["/vens"] = 403
        vens = fleet(bench, "north")

        assert bench.poll(*vens)["/vens/v-VEN-1"] == 1
        clock.advance(seconds=MAX_AGE_S)

        asked = bench.poll(*vens)
        assert (asked["/vens"], asked["/vens/v-VEN-1"]) == (0, 1)

    def test_of_few_vens_they_are_read_with_every_poll(
        self, database: CountedDatabase, clock: FakeClock
    ) -> None:
        bench = EventsBench(database, clock, few=4)
        vens = fleet(bench, "north")
        bench.poll(*vens)

        assert bench.poll(*vens)["/vens"] == 1

    def test_where_push_wants_it_they_are_read_at_once(self, bench: EventsBench) -> None:
        one, *others = fleet(bench, "north")
        bench.poll(one, *others)
        bench.vtn.vens["v-VEN-0"]["targets"] = ["south"]

        bench.poll(one, *others, anew=["VEN 0"])

        assert bench.store.views(["VEN 0"])[0].granted.all == {"south"}

    def test_an_event_for_others_may_be_for_a_ven_whose_targets_are_new(
        self, bench: EventsBench
    ) -> None:
        """As at a VTN that lists all that a client may see."""
        vens = fleet(bench, "north")
        bench.poll(*vens)
        bench.vtn.vens["v-VEN-1"]["targets"] = ["north", "south"]
        bench.vtn.add_event("e", "south")
        bench.vtn.shows_all = True

        assert bench.poll(*vens)["/vens"] == 1
        (seen,) = bench.store.of_ven("VEN 1")
        assert seen.scope is None, "it is for all of that VEN"
        assert bench.poll(*vens)["/vens"] == 0, "it is not new any more"

    def test_those_that_were_read_in_vain_are_read_again(
        self, bench: EventsBench, clock: FakeClock
    ) -> None:
        (ven,) = fleet(bench, count=1)
        bench.poll(ven)
        bench.vtn.vens["v-VEN-0"]["targets"] = ["north"]
        bench.vtn.add_event("e", "north")
        bench.vtn.answers["/events"] = 403
        clock.advance(seconds=MAX_AGE_S)
        bench.poll(ven)

        bench.vtn.answers.clear()
        bench.poll(ven)

        assert bench.events_of(ven) == ["e"]

    def test_of_a_few_of_many_no_list_is_read(self, bench: EventsBench, clock: FakeClock) -> None:
        vens = fleet(bench, count=149)
        bench.poll(*vens)

        asked = bench.poll(*vens, anew=["VEN 1", "VEN 2"])

        assert asked["/vens"] == 0
        assert asked["/vens/v-VEN-2"] == 1
        clock.advance(seconds=MAX_AGE_S)
        assert bench.poll(*vens)["/vens"] == 3, "they cost less than to ask for each"

    def test_lists_that_are_too_long_are_not_tried_again_for_as_few(
        self, bench: EventsBench, clock: FakeClock
    ) -> None:
        """Twenty VENs have so many resources that ten of them are better asked for alone."""
        many: dict[str, list[str]] = {f"pump {number}": [] for number in range(60)}
        vens = [bench.vtn.add_ven(f"VEN {number}", resources=many) for number in range(20)]
        few = [ven.ven_name for ven in vens[:10]]

        bench.poll(*vens)
        clock.advance(seconds=1)
        first, second = bench.poll(*vens, anew=few), bench.poll(*vens, anew=few)

        assert first["/resources"] == 20, "as many pages as ten VENs are requests"
        assert second["/resources"] == 0
        assert second["/vens/v-VEN-9"] == 1
        assert bench.poll(*vens, anew=[ven.ven_name for ven in vens])["/resources"], "for all"
