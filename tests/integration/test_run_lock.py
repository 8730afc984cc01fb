"""One run at a time on one store, whatever DATA_DIR it is reached from."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from app.platform import Database, SharedSessionsError, make_engine
from app.platform.claim import RUNNING, DatabaseClaim, SessionClaim
from app.platform.errors import RunLockError
from app.platform.run_lock import RunLock
from app.platform.shutdown import Shutdown
from app.supervision.lock_guard import RunLockGuard
from tests.support.pgbouncer import Pgbouncer
from tests.support.postgres import Postgres

Mode = Literal["session", "transaction"]
MakeLock = Callable[[str], tuple[RunLock, Database]]


@pytest.fixture
def make_lock(tmp_path: Path, database_url: str) -> Iterator[MakeLock]:
    """The lock of a run with this DATA_DIR, on the one database."""
    made: list[tuple[RunLock, Database]] = []

    def make(data_dir: str) -> tuple[RunLock, Database]:
        engine = make_engine(database_url)
        lock = RunLock(tmp_path / data_dir / "run.lock", DatabaseClaim(engine))
        made.append((lock, Database(engine)))
        return made[-1]

    yield make
    for lock, database in made:
        lock.release()
        database.close()


@pytest.mark.parametrize("second_dir", ["one", "two"])
def test_a_second_run_on_one_store_is_refused(make_lock: MakeLock, second_dir: str) -> None:
    make_lock("one")[0].acquire()
    second, _ = make_lock(second_dir)

    with pytest.raises(RunLockError, match="another run is going on"):
        second.acquire()


def test_one_file_of_two_names_is_one_store(tmp_path: Path) -> None:
    (tmp_path / "second.db").symlink_to(tmp_path / "first.db")
    engines = [make_engine(f"sqlite:///{tmp_path / name}.db") for name in ("first", "second")]
    first, second = (
        RunLock(tmp_path / f"{number}" / "run.lock", DatabaseClaim(engine))
        for number, engine in enumerate(engines)
    )
    first.acquire()

    with pytest.raises(RunLockError, match="another run is going on"):
        second.acquire()
    first.release()
    for engine in engines:
        engine.dispose()


def test_a_lock_that_was_given_back_can_be_taken(make_lock: MakeLock) -> None:
    first, second = make_lock("one")[0], make_lock("one")[0]
    first.acquire()
    first.release()

    second.acquire()


def test_whether_a_run_goes_on_can_be_asked_beside_it(make_lock: MakeLock) -> None:
    (run, _), (command, _) = make_lock("a"), make_lock("a")
    assert not command.is_held()
    run.acquire()

    assert command.is_held()


def test_a_refused_run_leaves_nothing_locked(make_lock: MakeLock) -> None:
    first, second, third = make_lock("one")[0], make_lock("two")[0], make_lock("two")[0]
    first.acquire()
    with pytest.raises(RunLockError):
        second.acquire()
    first.release()

    third.acquire()


def test_reading_and_writing_needs_no_lock(make_lock: MakeLock) -> None:
    make_lock("one")[0].acquire()
    _, other = make_lock("two")

    with other.write() as connection:
        connection.exec_driver_sql("UPDATE fleet SET revision = revision + 1")


class TestFilesUnderARun:
    """Somebody tidies up, or restores a backup, while it runs."""

    @pytest.fixture
    def running(self, tmp_path: Path) -> Iterator[RunLock]:
        engine = make_engine(f"sqlite:///{tmp_path / 'data' / 'fleet.db'}")
        lock, database = (
            RunLock(tmp_path / "data" / "run.lock", DatabaseClaim(engine)),
            Database(engine),
        )
        lock.acquire()
        database.open()
        lock.database_opened()
        yield lock
        lock.release()
        database.close()

    def test_a_folder_that_is_gone_is_said(self, running: RunLock, tmp_path: Path) -> None:
        (tmp_path / "data").rename(tmp_path / "elsewhere")

        assert running.lost() == f"{tmp_path}/data/run.lock was removed or replaced under this run"

    def test_so_is_another_one_in_its_place(self, running: RunLock, tmp_path: Path) -> None:
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        shutil.copytree(tmp_path / "elsewhere", tmp_path / "data")

        assert running.lost() is not None

    def test_so_is_another_database(self, running: RunLock, tmp_path: Path) -> None:
        file = tmp_path / "data" / "fleet.db"
        backup = shutil.copy(file, tmp_path / "backup.db")
        os.replace(backup, file)

        assert running.lost() == f"{file} was removed or replaced under this run"

    def test_what_is_written_to_it_is_no_loss(self, running: RunLock, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "data" / "fleet.db") as connection:
            connection.execute("UPDATE fleet SET revision = revision + 1")
        connection.close()
        (tmp_path / "data" / "note").write_text("hello")

        assert running.lost() is None


class TestLostClaim:
    """PostgreSQL ends a session when it restarts, and its lock with it."""

    @pytest.fixture
    def database_url(self, postgres: Postgres) -> str:
        return postgres.make_database()

    def test_it_is_claimed_again(self, make_lock: MakeLock, postgres: Postgres) -> None:
        lock, _ = make_lock("one")
        lock.acquire()
        postgres.drop_connections()

        assert lock.lost() is None
        with pytest.raises(RunLockError):
            make_lock("two")[0].acquire()

    def test_an_old_session_of_ours_that_the_server_still_has_is_ended(
        self, database_url: str
    ) -> None:
        """The line broke without a word: we know that the session is gone, the server does not."""
        old = psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True)
        old.execute("SELECT pg_advisory_lock(%s)", (RUNNING,))
        engine = make_engine(database_url)
        claim = SessionClaim(engine)
        assert not claim.take(), "somebody else's session is left alone"
        claim._pid = old.info.backend_pid

        assert claim.take()
        claim.give_back()
        engine.dispose()

        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")
        old.close()

    def test_a_run_stops_when_another_one_came_first(
        self, make_lock: MakeLock, postgres: Postgres
    ) -> None:
        lock, _ = make_lock("one")
        lock.acquire()
        shutdown = Shutdown()
        guard = RunLockGuard(lost=lock.lost, shutdown=shutdown)
        guard()
        assert not shutdown.is_set()
        postgres.drop_connections()
        make_lock("two")[0].acquire()

        guard()

        assert shutdown.is_set()


class TestPooler:
    """Behind pgbouncer, a lock of a session is one only where sessions are not shared."""

    @pytest.fixture
    def make_pooler(self, postgres: Postgres) -> Iterator[Callable[[Mode], Pgbouncer]]:
        made: list[Pgbouncer] = []
        with tempfile.TemporaryDirectory(prefix="pgbouncer-", dir="/tmp") as directory:
            os.chmod(directory, 0o755)  # the server has a user of its own

            def make(mode: Mode) -> Pgbouncer:
                made.append(Pgbouncer(Path(directory) / mode, postgres.port, mode))
                return made[-1]

            yield make
            for pooler in made:
                pooler.close()

    @pytest.fixture
    def name(self, postgres: Postgres) -> str:
        """Of an empty database."""
        return postgres.make_database().rpartition("/")[2]

    def test_one_that_shares_sessions_is_refused(
        self, make_pooler: Callable[[Mode], Pgbouncer], name: str, tmp_path: Path
    ) -> None:
        url = make_pooler("transaction").url(name)
        for number in range(3):
            engine = make_engine(url)
            lock = RunLock(tmp_path / f"{number}" / "run.lock", DatabaseClaim(engine))

            with pytest.raises(SharedSessionsError, match="pool_mode=session") as caught:
                lock.acquire()

            assert len(str(caught.value).splitlines()) == 1
            engine.dispose()

    def test_one_that_does_not_is_as_good_as_none(
        self, make_pooler: Callable[[Mode], Pgbouncer], name: str, tmp_path: Path
    ) -> None:
        pooler = make_pooler("session")
        engines = [make_engine(pooler.url(name)) for _ in range(2)]
        first, second = (
            RunLock(tmp_path / f"{number}" / "run.lock", DatabaseClaim(engine))
            for number, engine in enumerate(engines)
        )
        first.acquire()

        assert first.lost() is None
        with pytest.raises(RunLockError, match="another run is going on"):
            second.acquire()

        first.release()
        second.acquire()
        second.release()
        for engine in engines:
            engine.dispose()

    def test_a_run_that_finds_itself_behind_one_stops_and_sends_nothing_more(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def is_shared() -> str | None:
            raise SharedSessionsError("database fleet is reached through a pooler")

        shutdown = Shutdown()
        guard = RunLockGuard(lost=is_shared, shutdown=shutdown)

        for _ in range(2):
            guard()

        assert (shutdown.is_set(), shutdown.failed) == (True, True)
        assert caplog.messages == [
            "database fleet is reached through a pooler; this run stops",
        ]
