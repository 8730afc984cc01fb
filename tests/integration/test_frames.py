"""The store of readings: an append-only log, durable and exact."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.platform import Database, DatabaseError, make_engine
from app.readings import Frame, ReadingLog, Roster
from app.readings.frame import ROW_BYTES
from bench.intervals import counted
from tests.support.fakes import FakeClock
from tests.support.flaky_database import LosesAnswers

pytestmark = pytest.mark.in_process


@pytest.fixture
def frames(database: Database) -> ReadingLog:
    return ReadingLog(database)


def frame(clock: FakeClock, roster: Roster, *powers: float) -> Frame:
    clock.advance(seconds=30)
    return Frame(
        taken_at=clock.now,
        profile_index=7,
        roster=roster,
        power_kw=np.array(powers, dtype=np.float32),
    )


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def roster(**columns: tuple[str, ...]) -> Roster:
    return Roster(columns.items())


def test_a_frame_reads_back_as_it_was(
    database: Database, frames: ReadingLog, clock: FakeClock
) -> None:
    taken = frame(clock, roster(A=("a1", "a2"), B=("b1",)), 1.5, -2.25, float("nan"))

    stored = frames.append(taken)
    read = ReadingLog(database).last()  # who stored it has it still

    assert read is not None
    assert (read.seq, read.taken_at, read.profile_index) == (stored.seq, taken.taken_at, 7)
    assert np.array_equal(read.power_kw, taken.power_kw, equal_nan=True)
    assert dict(read.roster) == {"A": ("a1", "a2"), "B": ("b1",)}
    assert read.power_kw[read.roster.columns("A")].tolist() == [1.5, -2.25]


def test_a_store_that_is_opened_later_finds_the_newest_frame(
    database: Database, frames: ReadingLog, clock: FakeClock
) -> None:
    for power in (1, 2):
        frames.append(frame(clock, roster(A=("a1",)), power))

    later = ReadingLog(database)

    read = later.last()
    assert read is not None
    assert (read.seq, read.power_kw.tolist()) == (later.newest_seq(), [2])


def test_what_is_asked_for_often_is_asked_of_the_database_once(
    frames: ReadingLog, clock: FakeClock
) -> None:
    taken = [frames.append(frame(clock, roster(A=("a1",)), 1)) for _ in range(3)]
    frames.last_before(taken[1].taken_at)

    with counted() as statements:
        for _ in range(3):
            assert frames.newest_seq() == 3
            assert frames.last() is taken[2]
            assert frames.last_before(taken[1].taken_at) == 1

    assert statements.count == 0


def test_numbers_rise_and_instants_are_unique_whatever_the_clock_does(
    frames: ReadingLog, clock: FakeClock
) -> None:
    first = frame(clock, roster(A=("a1",)), 1)
    second = frame(clock, roster(A=("a1",)), 2)
    given = [first, second, first, second, second]

    stored = [frames.append(each) for each in given]

    assert [each.seq for each in stored] == sorted({each.seq for each in stored})
    assert len({each.taken_at for each in stored}) == len(given)
    moved = [now.taken_at - asked.taken_at for now, asked in zip(stored, given, strict=True)]
    assert all(timedelta(0) <= each < timedelta(microseconds=5) for each in moved)


@pytest.mark.parametrize("most_bytes", [1, 8, 1 << 20])
def test_a_span_is_read_in_the_order_of_time(
    frames: ReadingLog, clock: FakeClock, most_bytes: int
) -> None:
    """Also what was taken while the clock was ahead, unless that is still in the future."""
    ahead = [replace(frame(clock, roster(A=("a1",)), n), taken_at=NOON + n * HOUR) for n in (1, 3)]
    right = [replace(each, taken_at=NOON + n * HOUR) for n, each in zip((0, 2), ahead, strict=True)]
    for each in (*ahead, *right):
        frames.append(each)

    windows = list(
        frames.by_time(
            NOON, NOON + 4 * HOUR, no_later_than=NOON + 2.5 * HOUR, most_bytes=most_bytes
        )
    )

    read = [windows[0][0], *(each for window in windows for each in window[1:])]
    hours = [round((each.taken_at - NOON) / HOUR) for each in read]
    assert hours == [0, 1, 2]


def test_a_change_of_the_fleet_does_not_change_what_was_taken(
    database: Database, frames: ReadingLog, clock: FakeClock
) -> None:
    frames.append(frame(clock, roster(A=("old name",)), 1))
    frames.append(frame(clock, roster(A=("another", "new name")), 2, 3))

    names = [each.roster.names("A") for each in ReadingLog(database).since(0, most_bytes=1000)]

    assert names == [("old name",), ("another", "new name")]


def test_a_restart_finds_its_roster_again(
    database: Database, frames: ReadingLog, clock: FakeClock
) -> None:
    frames.append(frame(clock, roster(A=("a1",)), 1))
    restarted = ReadingLog(database)
    restarted.append(frame(clock, roster(A=("a1",)), 2))

    (one, other) = restarted.since(0, most_bytes=1000)

    assert one.roster is other.roster


def test_a_window_holds_at_least_two_frames_and_then_so_many_bytes(
    frames: ReadingLog, clock: FakeClock
) -> None:
    same = roster(A=("a1", "a2"))
    for _ in range(5):
        frames.append(frame(clock, same, 1, 2))

    assert [each.seq for each in frames.since(2, most_bytes=1)] == [2, 3]
    assert [each.seq for each in frames.since(1, most_bytes=24)] == [1, 2, 3]


def test_pruning_removes_only_what_is_below_and_before(
    frames: ReadingLog, clock: FakeClock
) -> None:
    same = roster(A=("a1",))
    taken = [frames.append(frame(clock, same, 1)) for _ in range(5)]

    frames.prune(before_seq=4, before=taken[2].taken_at)

    assert frames.oldest_seq() == 3
    assert frames.bytes_stored() == 3 * (4 + ROW_BYTES)


def test_pruning_forgets_rosters_that_no_frame_needs(
    database: Database, frames: ReadingLog, clock: FakeClock
) -> None:
    for number in range(3):
        frames.append(frame(clock, roster(A=(f"a{number}",)), 1))

    frames.prune(before_seq=3, before=clock.now)

    with database.read() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM roster").scalar()
    assert count == 1
    assert frames.append(frame(clock, roster(A=("a2",)), 1)).seq == 4


def test_numbers_do_not_come_back(frames: ReadingLog, clock: FakeClock) -> None:
    same = roster(A=("a1",))
    frames.append(frame(clock, same, 1))
    frames.prune(before_seq=9, before=clock.now + timedelta(days=1))

    assert frames.append(frame(clock, same, 1)).seq == 2


def test_the_last_frame_before_an_instant(frames: ReadingLog, clock: FakeClock) -> None:
    same = roster(A=("a1",))
    taken = [frames.append(frame(clock, same, 1)) for _ in range(3)]

    assert frames.last_before(taken[0].taken_at) == 0
    assert frames.last_before(taken[2].taken_at) == 2


@settings(max_examples=30)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12))
def test_it_is_known_whatever_the_clock_does(steps: list[int]) -> None:
    """Frames that a clock set back dates before an instant that was asked for."""
    folder = TemporaryDirectory()
    database = Database(make_engine(f"sqlite:///{folder.name}/fleet.db"))
    frames, clock, same = ReadingLog(database), FakeClock(), roster(A=("a1",))
    asked = [clock.now + timedelta(seconds=30 * number) for number in range(-30, 30, 5)]
    told: list[Frame] = []
    for step in steps:
        clock.now += timedelta(seconds=30 * step)
        told.append(frames.append(frame(clock, same, 1)))
        for instant in asked:
            earlier = [each.seq for each in told if each.taken_at < instant]
            assert frames.last_before(instant) == max(earlier, default=0)
    database.close()
    folder.cleanup()


def test_a_frame_whose_answer_was_lost_is_known_as_stored(
    database_url: str, clock: FakeClock
) -> None:
    database = LosesAnswers(make_engine(database_url))
    frames, same = ReadingLog(database), roster(A=("a1",))
    first = frames.append(frame(clock, same, 1))
    later = clock.now + HOUR
    assert frames.last_before(later) == first.seq
    database.loses = True
    with pytest.raises(DatabaseError):
        frames.append(frame(clock, same, 2))
    database.loses = False

    newest = frames.last()
    assert newest is not None
    assert newest.power_kw.tolist() == [2]
    assert frames.newest_seq() == frames.last_before(later) == newest.seq
    database.close()
