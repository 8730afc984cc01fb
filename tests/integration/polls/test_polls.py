"""Polls of many VENs: what they ask of the VTN and store, and that nobody sees more for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openadr import read_event
from app.platform import make_engine
from tests.support.fakes import FakeClock
from tests.support.polls import CountedDatabase, EventsBench, fleet


class TestOneReadingForAll:
    def test_vens_of_one_client_and_the_same_targets_are_asked_for_once(
        self, bench: EventsBench
    ) -> None:
        bench.vtn.add_event("for-all")
        bench.vtn.add_event("for-the-north", "north")
        vens = fleet(bench, "north")
        bench.poll(*vens)

        asked = bench.poll(*vens)

        assert asked == {
            "/programs": 1,
            "/programs?targets=north": 1,
            "/events": 1,
            "/events?targets=north": 1,
        }
        assert {tuple(bench.events_of(ven)) for ven in vens} == {("for-all", "for-the-north")}

    def test_what_is_listed_without_targets_is_read_once_for_all_sets(
        self, bench: EventsBench
    ) -> None:
        vens = fleet(bench, "north", "south")
        bench.poll(*vens)

        asked = bench.poll(*vens)

        assert (asked["/events"], asked["/events?targets=south"]) == (1, 1)

    def test_each_client_reads_for_itself(self, bench: EventsBench) -> None:
        bench.credentials.client_of = lambda name: name
        vens = fleet(bench)
        bench.poll(*vens)

        assert bench.poll(*vens)["/events"] == len(vens)

    def test_what_only_its_id_finds_is_asked_for_once(self, bench: EventsBench) -> None:
        bench.vtn.add_event("e")
        vens = fleet(bench)
        bench.poll(*vens)

        bench.vtn.unlisted.add("e")

        assert bench.poll(*vens)["/events/e"] == 1
        assert all(bench.events_of(ven) == ["e"] for ven in vens)
        del bench.vtn.events["e"]
        bench.poll(*vens)
        assert all(bench.events_of(ven) == [] for ven in vens)


class TestWhatIsStored:
    def test_a_new_event_is_followed_in_one_transaction(
        self, bench: EventsBench, database: CountedDatabase
    ) -> None:
        vens = fleet(bench, "north", "south", count=50)
        bench.poll(*vens)
        bench.vtn.add_event("new")
        before = database.writes

        bench.poll(*vens)

        assert database.writes - before == 1
        assert all(bench.events_of(ven) == ["new"] for ven in vens)

    def test_nothing_is_where_nothing_has_changed(
        self, bench: EventsBench, database: CountedDatabase
    ) -> None:
        bench.vtn.add_event("e")
        vens = fleet(bench, "north")
        bench.poll(*vens)
        before, revision = database.writes, bench.store.revision

        bench.poll(*vens)

        assert (database.writes, bench.store.revision) == (before, revision)

    def test_what_is_read_again_and_equal_is_not_built_again(self, bench: EventsBench) -> None:
        bench.vtn.add_event("e")
        one, other = fleet(bench, count=2)
        bench.credentials.client_of = lambda name: name
        bench.poll(one, other)
        before = bench.store.views([one.ven_name])[0]

        bench.poll(one, other)

        now, of_other = bench.store.views([one.ven_name, other.ven_name])
        assert now is before
        assert of_other.listed is now.listed, "of other credentials, but the same bytes"

    def test_after_a_restart_vens_share_what_they_were_told(
        self, bench: EventsBench, database: CountedDatabase, clock: FakeClock
    ) -> None:
        bench.vtn.add_event("e")
        vens = fleet(bench, count=2)
        bench.poll(*vens)

        one, other = EventsBench(database, clock).store.views([ven.ven_name for ven in vens])

        assert one.events is other.events
        assert one.program_units is other.program_units


class TestPush:
    def test_what_it_brought_since_is_not_undone_by_an_older_list(self, bench: EventsBench) -> None:
        """The list was read for the first set of targets; the second one comes later."""
        old, new = ({"modificationDateTime": f"2026-06-01T12:0{minute}:00Z"} for minute in (0, 1))
        bench.vtn.add_event("e", **old)
        vens = fleet(bench, "north", "south", count=2)
        bench.poll(*vens)
        pushed = read_event({"id": "e", "programID": "p", **new})

        def meanwhile(where: str) -> None:
            if where == "/events?targets=north":
                bench.store.apply_pushed([(ven.ven_name, pushed) for ven in vens])

        bench.vtn.meanwhile = meanwhile
        bench.poll(*vens)

        for ven in vens:
            (seen,) = bench.store.of_ven(ven.ven_name)
            assert seen.event.raw["modificationDateTime"] == new["modificationDateTime"]


class TestTrouble:
    def test_an_event_that_one_ven_cannot_ask_for_stops_no_other(self, bench: EventsBench) -> None:
        one, *others = fleet(bench)
        bench.vtn.add_event("of one")
        bench.vtn.events["own"] = {**bench.vtn.events.pop("of one"), "id": "own"}
        bench.poll(one)
        bench.vtn.unlisted.add("own")
        bench.vtn.answers["/events/own"] = 403
        bench.vtn.add_event("new")

        synced = bench.sync_all([one, *others], follow=bench.followed.extend)

        assert synced.failed.keys() == {one.ven_name}
        assert bench.held.problems().keys() == {one.ven_name}
        assert [bench.events_of(ven) for ven in others] == [["new"]] * 3

    @pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
    def test_a_list_that_is_refused_is_no_reason_to_ask_for_none(
        self, bench: EventsBench, clock: FakeClock, status: int
    ) -> None:
        bench.vtn.answers["/vens"] = status
        vens = fleet(bench, "north")

        asked = bench.poll(*vens)

        assert asked["/vens/v-VEN-1"] == 1
        assert {ven.ven_name for ven in vens} == set(bench.followed)
        bench.vtn.answers.clear()
        clock.advance(seconds=3_600)
        assert bench.poll(*vens)["/vens"], "it is tried again in time"

    def test_a_reading_that_fails_holds_those_it_was_for(
        self, bench: EventsBench, clock: FakeClock
    ) -> None:
        bench.credentials.client_of = lambda name: "odd" if name in ("VEN 0", "VEN 1") else "one"
        vens = fleet(bench)
        bench.poll(*vens)
        bench.vtn.add_event("new")
        bench.vtn.answers["/events"] = 403

        synced = bench.sync_all(vens[:2], follow=bench.followed.extend)
        bench.vtn.answers.clear()
        bench.poll(*vens[2:])

        assert synced.failed.keys() == {"VEN 0", "VEN 1"}
        assert bench.held.free(["VEN 0", "VEN 1", "VEN 2"]) == ["VEN 2"]
        assert [bench.events_of(ven) for ven in vens] == [[], [], ["new"], ["new"]]
        clock.advance(seconds=10)
        bench.poll(*vens[:2])
        assert bench.held.problems() == {}, "they come back together"

    def test_that_its_targets_were_read_makes_no_ven_well(
        self, bench: EventsBench, clock: FakeClock
    ) -> None:
        (ven,) = fleet(bench, count=1)
        bench.vtn.answers["/events"] = 403

        pauses_s = []
        for _ in range(3):
            bench.poll(ven, anew=[ven.ven_name])
            assert bench.held.is_held(ven.ven_name)
            passed_s = 0
            while not bench.held.due():
                clock.advance(seconds=1)
                passed_s += 1
            pauses_s.append(passed_s)

        assert pauses_s[0] < pauses_s[1] < pauses_s[2]

    def test_lists_that_fail_are_no_reason_to_ask_for_none(self, bench: EventsBench) -> None:
        bench.vtn.answers["/resources"] = 500
        vens = fleet(bench, "north")

        asked = bench.poll(*vens)

        assert asked["/vens/v-VEN-1"] == 1
        assert all(ven.ven_name in bench.followed for ven in vens)

    def test_who_is_enrolled_or_removed_just_now_is_left_alone(self, bench: EventsBench) -> None:
        bench.vtn.add_event("e")
        one, other = fleet(bench, count=2)

        with bench.locks(one.ven_name):
            bench.poll(one, other)

        assert bench.followed == [other.ven_name]
        assert bench.events_of(one) == []

    def test_who_left_the_fleet_meanwhile_is_not_brought_back(self, bench: EventsBench) -> None:
        bench.vtn.add_event("e")
        one, other = fleet(bench, count=2)
        bench.vtn.meanwhile = lambda path: (
            bench.store.forget(one.ven_name) if path == "/events" else None
        )

        bench.poll(one, other)

        assert bench.store.ven_names() == [other.ven_name]
        assert bench.followed == [other.ven_name]


TARGETS = ["a", "b", "c"]
some = st.lists(st.sampled_from(TARGETS), max_size=2, unique=True)
vens_of = st.lists(
    st.tuples(some, st.dictionaries(st.sampled_from(["pump", "car"]), some, max_size=2)),
    min_size=1,
    max_size=5,
)
events_of = st.dictionaries(st.sampled_from(["e1", "e2", "e3", "e4"]), some, max_size=4)


@pytest.mark.rest
@given(
    vens=vens_of,
    before=events_of,
    after=events_of,
    clients=st.integers(1, 3),
    unlisted=st.sets(st.sampled_from(["e1", "e2", "v-VEN-0"]), max_size=2),
    few=st.sampled_from([0, 1_000]),
)
def test_together_each_ven_sees_what_it_would_see_alone(
    tmp_path_factory: pytest.TempPathFactory,
    vens: list[tuple[list[str], dict[str, list[str]]]],
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    clients: int,
    unlisted: set[str],
    few: int,
) -> None:
    seen = []
    for alone in (False, True):
        folder = tmp_path_factory.mktemp("polls")
        database = CountedDatabase(make_engine(f"sqlite:///{folder / 'events.db'}"))
        database.open()
        bench = EventsBench(database, FakeClock(), few=few)
        bench.credentials.client_of = lambda name: str(int(name[-1]) % clients)
        there = [
            bench.vtn.add_ven(f"VEN {number}", *own, resources=resources)
            for number, (own, resources) in enumerate(vens)
        ]
        bench.enrolled = {f"VEN {number}": list(own) for number, (_, own) in enumerate(vens)}
        for events in (before, after):
            bench.vtn.events.clear()
            for event_id, targets in events.items():
                bench.vtn.add_event(event_id, *targets)
            for group in [[ven] for ven in there] if alone else [there]:
                bench.poll(*group)
            bench.vtn.unlisted = unlisted
        seen.append(
            {
                ven.ven_name: {
                    each.event.event_id: (each.event.targets, each.scope)
                    for each in bench.store.of_ven(ven.ven_name)
                }
                for ven in there
            }
        )
        database.close()
    together, one_by_one = seen
    assert together == one_by_one
