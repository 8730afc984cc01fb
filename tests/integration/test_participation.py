"""Who takes part, in either database, as several processes see it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.fleet import EVERYBODY, THE_VEN, Participation, SetBy
from app.platform import Database, make_engine
from tests.support.fakes import FakeClock


@pytest.fixture
def participation(database: Database, clock: FakeClock) -> Participation:
    database.open()
    return Participation(database=database, clock=clock, monotonic=clock.monotonic)


def test_nobody_is_out_at_first(participation: Participation, clock: FakeClock) -> None:
    who = participation.current()

    assert not who.is_opted_out("Aarhus", "pump", clock())
    assert not who.is_released("Aarhus", "pump")
    assert who.next_end(clock()) is None


class TestOptOuts:
    def test_out_while_any_holds(self, participation: Participation, clock: FakeClock) -> None:
        participation.opt_out("Aarhus", "pump", set_by=SetBy.DEVICE)
        participation.opt_out("Aarhus", set_by=SetBy.OPERATOR, reason="works")

        assert participation.opt_in("Aarhus", set_by=SetBy.OPERATOR)

        assert participation.current().is_opted_out("Aarhus", "pump", clock())
        assert not participation.current().is_opted_out("Aarhus", "car", clock())

    def test_only_who_set_one_ends_it(self, participation: Participation, clock: FakeClock) -> None:
        participation.opt_out("Aarhus", "pump", set_by=SetBy.DEVICE)

        assert not participation.opt_in("Aarhus", "pump", set_by=SetBy.OPERATOR)

        assert participation.current().is_opted_out("Aarhus", "pump", clock())

    def test_each_sees_what_it_has_set_itself(
        self, participation: Participation, clock: FakeClock
    ) -> None:
        ends = clock() + timedelta(hours=1)
        participation.opt_out("Aarhus", "pump", set_by=SetBy.DEVICE)
        participation.opt_out("Aarhus", "car", set_by=SetBy.OPERATOR, until=ends)
        participation.opt_out("Odense", set_by=SetBy.OPERATOR)
        who = participation.current()

        assert who.opted_out_by(SetBy.DEVICE, clock()) == {("Aarhus", "pump")}
        assert who.opted_out_by(SetBy.OPERATOR, clock()) == {("Aarhus", "car"), ("Odense", THE_VEN)}
        assert who.opted_out_by(SetBy.OPERATOR, ends) == {("Odense", THE_VEN)}

    def test_that_of_a_ven_covers_what_comes_later(
        self, participation: Participation, clock: FakeClock
    ) -> None:
        participation.opt_out("Aarhus", set_by=SetBy.OPERATOR)

        assert participation.current().is_opted_out("Aarhus", "bought tomorrow", clock())

    def test_it_ends_when_it_says(self, participation: Participation, clock: FakeClock) -> None:
        ends = clock() + timedelta(hours=1)
        participation.opt_out("Aarhus", "pump", set_by=SetBy.OPERATOR, until=ends)
        assert participation.current().next_end(clock()) == ends

        clock.advance(hours=1)

        assert not participation.current().is_opted_out("Aarhus", "pump", clock())

    def test_what_is_known_changes_nothing(
        self, participation: Participation, clock: FakeClock
    ) -> None:
        """A device says it with every order that it is given."""
        assert participation.opt_out("Aarhus", "pump", set_by=SetBy.DEVICE)
        before = participation.current()
        clock.advance(hours=1)

        assert not participation.opt_out("Aarhus", "pump", set_by=SetBy.DEVICE)

        assert participation.current() == before

    def test_said_again_the_last_words_count(
        self, participation: Participation, clock: FakeClock
    ) -> None:
        participation.opt_out(
            "Aarhus", "pump", set_by=SetBy.OPERATOR, until=clock() + timedelta(hours=1)
        )
        participation.opt_out("Aarhus", "pump", set_by=SetBy.OPERATOR, reason="for good")

        (opt_out,) = participation.current().opt_outs_of("Aarhus", "pump", clock())

        assert (opt_out.until, opt_out.reason) == (None, "for good")


class TestReleases:
    @pytest.mark.parametrize(
        ("ven_name", "resource_name", "covers"),
        [
            (EVERYBODY, THE_VEN, [True, True, True]),
            ("Aarhus", THE_VEN, [True, True, False]),
            ("Aarhus", "pump", [True, False, False]),
        ],
    )
    def test_what_they_cover(
        self, participation: Participation, ven_name: str, resource_name: str, covers: list[bool]
    ) -> None:
        participation.release(ven_name, resource_name)

        who = participation.current()
        names = [("Aarhus", "pump"), ("Aarhus", "car"), ("Odense", "pump")]
        assert [who.is_released(*name) for name in names] == covers

    @pytest.mark.parametrize(
        ("ven_name", "resource_name", "ended"),
        [(EVERYBODY, THE_VEN, 3), ("Aarhus", THE_VEN, 2), ("Aarhus", "pump", 1), ("Odense", "", 0)],
    )
    def test_what_resuming_ends(
        self, participation: Participation, ven_name: str, resource_name: str, ended: int
    ) -> None:
        for released in ((EVERYBODY, THE_VEN), ("Aarhus", THE_VEN), ("Aarhus", "pump")):
            participation.release(*released)

        assert participation.resume(ven_name, resource_name) == ended


def test_another_process_sees_it(database_url: str, clock: FakeClock) -> None:
    databases = [Database(make_engine(database_url)) for _ in range(2)]
    one, other = (
        Participation(database=each, clock=clock, monotonic=clock.monotonic) for each in databases
    )
    before = other.current()

    one.opt_out("Aarhus", set_by=SetBy.OPERATOR)

    assert other.revision() > before.revision
    assert other.current().is_opted_out("Aarhus", "pump", clock())
    for each in databases:
        each.close()


def test_who_asks_often_may_be_told_what_was_known(
    participation: Participation, database: Database
) -> None:
    participation.current()
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE participation_state")

    assert participation.current(max_age_s=5.0).opt_outs == {}
