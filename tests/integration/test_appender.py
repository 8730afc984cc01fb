"""One appender numbers and commits: no reader passes a frame that it has not seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, text

from app.platform import Database, DatabaseError, make_engine
from app.readings import Frame, ReadingLog, Roster
from app.readings.appender import LogAppender
from app.readings.rosters import RosterBook
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until

pytestmark = pytest.mark.in_process

WAIT_S = 10.0
SAME = Roster([("A", ("a1",))])


class SlowCommits(Database):
    """The real one, on a disk that takes as long for a commit as the test says."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.let_commit = threading.Event()
        self.let_commit.set()
        self.at_commit = threading.Event()
        """Somebody has written, and waits for its commit."""
        self.fails = False

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        with super().write(durable=durable) as connection:
            yield connection
            self.at_commit.set()
            assert self.let_commit.wait(WAIT_S)
            if self.fails:
                raise DatabaseError("disk is full")


@pytest.fixture
def database(database_url: str) -> Iterator[SlowCommits]:
    made = SlowCommits(make_engine(database_url))
    made.open()
    yield made
    made.let_commit.set()
    made.close()


def frames(clock: FakeClock, count: int) -> list[Frame]:
    return [
        Frame(
            taken_at=clock.now + timedelta(seconds=number),
            profile_index=number,
            roster=SAME,
            power_kw=np.array([number], dtype=np.float32),
        )
        for number in range(count)
    ]


@contextmanager
def held_at_commit(database: SlowCommits) -> Iterator[None]:
    """While this lasts, nothing is committed."""
    database.at_commit.clear()
    database.let_commit.clear()
    try:
        yield
    finally:
        database.let_commit.set()


def seen(database: Database) -> list[int]:
    """What a reader with a connection of its own finds."""
    with database.read() as connection:
        return list(connection.execute(text("SELECT seq FROM frame ORDER BY seq")).scalars())


def test_a_reader_between_two_appends_misses_none(database: SlowCommits, clock: FakeClock) -> None:
    """A number that is given while an earlier one is not committed could be passed."""
    log = ReadingLog(database)
    first, second = frames(clock, 2)
    with ThreadPoolExecutor(2) as threads:
        with held_at_commit(database):
            one = threads.submit(log.append, first)
            assert database.at_commit.wait(WAIT_S)
            database.at_commit.clear()
            other = threads.submit(log.append, second)
            # Time for the second to be numbered, if anything lets it.
            overtook = database.at_commit.wait(0.3)
            assert seen(database) == []
            cursor = log.newest_seq()
        numbers = [one.result(WAIT_S).seq, other.result(WAIT_S).seq]

    assert not overtook, "one transaction at a time gives numbers"
    assert cursor == 0
    assert seen(database) == sorted(numbers)


def test_what_comes_while_one_commits_goes_into_one_transaction(
    database: SlowCommits, clock: FakeClock
) -> None:
    transactions: list[int] = []
    appender = LogAppender(
        database=database,
        rosters=RosterBook(),
        writing=threading.RLock(),
        stored=lambda appended: transactions.append(len(appended)),
    )
    first, *others = frames(clock, 6)
    with ThreadPoolExecutor(6) as threads:
        with held_at_commit(database):
            one = threads.submit(appender.append, first)
            assert database.at_commit.wait(WAIT_S)
            handed = [threads.submit(appender.append, frame) for frame in others]
            wait_until(lambda: appender.waiting == len(others))
        stored = [future.result(WAIT_S) for future in (one, *handed)]

    assert transactions == [1, 5]
    assert sorted(frame.seq for frame in stored) == [1, 2, 3, 4, 5, 6]
    read = ReadingLog(database).since(0, most_bytes=1 << 20)
    by_number = {frame.seq: frame.profile_index for frame in read}
    assert by_number == {frame.seq: frame.profile_index for frame in stored}


def test_everybody_hears_that_a_transaction_failed(database: SlowCommits, clock: FakeClock) -> None:
    log = ReadingLog(database)
    stored = log.append(frames(clock, 1)[0])
    database.fails = True
    with ThreadPoolExecutor(3) as threads:
        with held_at_commit(database):
            futures = [threads.submit(log.append, frame) for frame in frames(clock, 4)[1:]]
            assert database.at_commit.wait(WAIT_S)
        for future in futures:
            with pytest.raises(DatabaseError, match="disk is full"):
                future.result(WAIT_S)
    database.fails = False

    assert seen(database) == [stored.seq]
    assert log.newest_seq() == stored.seq
    assert log.append(frames(clock, 5)[-1]).seq == log.newest_seq() > stored.seq


def test_nobody_is_told_of_a_frame_before_it_is_durable(
    database: SlowCommits, clock: FakeClock
) -> None:
    log = ReadingLog(database)
    log.append(frames(clock, 1)[0])
    with ThreadPoolExecutor(1) as threads:
        with held_at_commit(database):
            later = threads.submit(log.append, frames(clock, 2)[1])
            assert database.at_commit.wait(WAIT_S)
            before = (log.newest_seq(), log.readings_of("A", 0), log.frames_after(0)[1])
        later.result(WAIT_S)

    assert before == (1, 1, {SAME: 1})
    assert seen(database) == [1, 2]
