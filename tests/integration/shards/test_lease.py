"""One process runs a shard: another one waits, and who was taken over changes nothing more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.platform import DatabaseError, LeaseLostError
from containers import Container
from tests.integration.shards.conftest import MakeShard
from tests.support.waiting import wait_until


def change(container: Container) -> None:
    with container.platform.database().write() as connection:
        connection.execute(text("UPDATE fleet SET revision = revision + 1"))


def revision(container: Container) -> int:
    number: int = container.fleet.repository().revision()
    return number


def sql(container: Container, statement: str, **values: object) -> Any:
    """In the shard's schema, whoever owns it."""
    with container.platform.engine().begin() as connection:
        return connection.execute(text(statement), values)


def take_over(container: Container) -> None:
    """As another process does, when the lease is over."""
    sql(container, "UPDATE lease SET epoch = epoch + 1, holder = 'another'")


@contextmanager
def standby(container: Container) -> Iterator[threading.Event]:
    """A process that waits for the shard; the event: it runs it."""
    owner, runs = container.platform.owner(), threading.Event()

    def wait() -> None:
        owner.acquire()
        runs.set()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield runs
    finally:
        container.platform.shutdown().set()
        thread.join(10)


class TestOwner:
    def test_nobody_begins_beside_it(self, make_shard: MakeShard) -> None:
        first, second = make_shard(0, of=2), make_shard(0, of=2)
        assert not second.platform.owner().is_held()
        first.platform.owner().acquire()

        assert second.platform.owner().is_held()
        with second.platform.owner().alone() as is_alone:
            assert not is_alone

    def test_another_shard_has_another(self, make_shard: MakeShard) -> None:
        make_shard(0, of=2).platform.owner().acquire()

        assert not make_shard(1, of=2).platform.owner().is_held()

    def test_a_standby_takes_over_what_is_given_back(self, make_shard: MakeShard) -> None:
        first, second = make_shard(0, of=2), make_shard(0, of=2)
        first.platform.owner().acquire()

        with standby(second) as runs:
            assert not runs.wait(0.7)
            first.platform.owner().release()
            wait_until(runs.is_set)

    def test_a_standby_that_is_stopped_stops(self, make_shard: MakeShard) -> None:
        first, second = make_shard(0, of=2), make_shard(0, of=2)
        first.platform.owner().acquire()

        with standby(second):
            second.platform.shutdown().set()

        assert first.platform.owner().lost() is None

    def test_a_command_writes_beside_a_run(self, make_shard: MakeShard) -> None:
        first, second = make_shard(0, of=2), make_shard(0, of=2)
        first.platform.owner().acquire()

        before = revision(second)
        change(second)

        assert revision(first) == before + 1

    def test_a_command_that_was_alone_goes_on(self, make_shard: MakeShard) -> None:
        command = make_shard(0, of=2)
        with command.platform.owner().alone() as is_alone:
            assert is_alone
            change(command)

        change(command)

    def test_after_the_end_nothing_is_written(self, make_shard: MakeShard) -> None:
        first = make_shard(0, of=2)
        first.platform.owner().acquire()
        change(first)
        first.platform.owner().release()

        with pytest.raises(LeaseLostError, match="was given back"):
            change(first)


class TestTakenOver:
    def test_who_was_taken_over_writes_nothing_more(self, make_shard: MakeShard) -> None:
        first = make_shard(0, of=2)
        first.platform.owner().acquire()
        before = revision(first)
        take_over(first)

        with pytest.raises(LeaseLostError, match="another process has taken over shard 0"):
            change(first)
        assert revision(first) == before

    def test_nor_does_it_send_anything(self, make_shard: MakeShard) -> None:
        first = make_shard(0, of=2)
        first.platform.owner().acquire()
        first.platform.fence().wait()
        take_over(first)
        with pytest.raises(LeaseLostError):
            change(first)

        assert not first.platform.fence().is_certain()
        with pytest.raises(LeaseLostError):
            first.platform.fence().wait()

    def test_the_run_is_told_why_it_stops(self, make_shard: MakeShard) -> None:
        first = make_shard(0, of=2)
        first.platform.owner().acquire()
        assert first.platform.owner().lost() is None
        take_over(first)
        with pytest.raises(LeaseLostError):
            change(first)

        assert first.platform.owner().lost() == "another process has taken over shard 0"


class TestServer:
    KINDS = ("postgresql",)

    def test_a_transaction_that_began_before_is_rolled_back(self, make_shard: MakeShard) -> None:
        """Who is paused in one of SQLite holds off all others instead."""
        first = make_shard(0, of=2)
        first.platform.owner().acquire()
        before = revision(first)
        database = first.platform.database()

        def paused() -> None:
            with database.write() as connection:
                connection.execute(text("UPDATE fleet SET revision = revision + 1"))
                take_over(first)

        with pytest.raises(LeaseLostError):
            paused()
        assert revision(first) == before

    def test_who_has_checked_commits_before_it_is_taken_over(self, make_shard: MakeShard) -> None:
        """Between the check and the commit, nobody raises the epoch, and the owner renews."""
        first = make_shard(0, of=2)
        first.platform.owner().acquire()
        with first.platform.engine().begin() as checked:
            checked.execute(text("SELECT 1 FROM lease FOR KEY SHARE"))

            with pytest.raises(Exception, match="lock timeout"):
                sql_with_timeout(first, "UPDATE lease SET epoch = epoch + 1")
            sql_with_timeout(first, "UPDATE lease SET expires_at = clock_timestamp()")

    def test_what_leaves_waits_until_the_lease_is_confirmed(self, make_shard: MakeShard) -> None:
        first, asleep_s = make_shard(0, of=2), [0.0]
        with first.platform.boottime.override(lambda: time.monotonic() + asleep_s[0]):
            first.platform.owner().acquire()
            fence = first.platform.fence()
            assert fence.is_certain()
            asleep_s[0] = 60.0
            assert not fence.is_certain()

            fence.wait()

            assert fence.is_certain()

    def test_a_lease_that_nobody_renews_is_taken_over(self, make_shard: MakeShard) -> None:
        first, second = make_shard(0, of=2), make_shard(0, of=2)
        first.platform.owner().acquire()
        sql(first, "UPDATE lease SET epoch = 7, expires_at = clock_timestamp() + interval '1 s'")

        with standby(second) as runs:
            wait_until(runs.is_set)
            assert sql(second, "SELECT epoch FROM lease").scalar() == 8
            wait_until(lambda: first.platform.owner().lost() is not None)

    def test_the_owner_renews_it(self, make_shard: MakeShard) -> None:
        first = make_shard(0, of=2)
        first.platform.owner().acquire()

        def end() -> Any:
            return sql(first, "SELECT expires_at FROM lease").scalar()

        began = end()
        wait_until(lambda: end() > began)
        assert sql(first, "SELECT count(*) FROM lease").scalar() == 1

    @pytest.mark.rest
    @pytest.mark.parametrize("rows", [1, 5])
    def test_who_is_frozen_in_a_transaction_loses_it(
        self, make_shard: MakeShard, rows: int
    ) -> None:
        """Also after many rows at once, where PostgreSQL does not see that it is idle."""
        first, second = make_shard(0, of=2), make_shard(0, of=2)
        first.platform.owner().acquire()
        before = revision(first)
        frozen = first.platform.database().write()
        connection = frozen.__enter__()
        statement = text("UPDATE fleet SET revision = revision + :by")
        connection.execute(statement, [{"by": number} for number in range(1, rows + 1)])

        sql(second, "UPDATE lease SET epoch = 7, expires_at = clock_timestamp() + interval '4 s'")
        with standby(second) as runs:
            wait_until(runs.is_set)
            change(second)

        assert revision(second) == before + 1
        with pytest.raises(DBAPIError, match="terminating connection") as ended:
            connection.execute(text("SELECT 1"))
        with pytest.raises(DatabaseError):
            frozen.__exit__(ended.type, ended.value, ended.tb)

    @pytest.mark.rest
    def test_who_is_frozen_amid_many_rows_loses_it(self, make_shard: MakeShard) -> None:
        """Given an owner that stands still within a pipeline: its session is active, and waits for
        more rows."""
        first, second = make_shard(0, of=2), make_shard(0, of=2)
        first.platform.owner().acquire()
        before = revision(first)
        frozen = first.platform.database().write()
        connection = frozen.__enter__()
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        pipeline = connection.connection.driver_connection.pgconn
        pipeline.enter_pipeline_mode()
        pipeline.send_query_params(b"UPDATE fleet SET revision = revision + 1", None)
        pipeline.send_flush_request()
        pipeline.flush()
        waits = f"SELECT state || wait_event FROM pg_stat_activity WHERE pid = {pid}"
        wait_until(lambda: sql(second, waits).scalar() == "activeClientRead")

        sql(second, "UPDATE lease SET epoch = 7, expires_at = clock_timestamp() + interval '4 s'")
        with standby(second) as runs:
            wait_until(runs.is_set)
            change(second)

        assert revision(second) == before + 1
        pipeline.finish()
        with pytest.raises(DatabaseError):
            frozen.__exit__(None, None, None)

    def test_a_transaction_of_a_shard_has_its_limits(self, make_shard: MakeShard) -> None:
        owner = make_shard(0, of=2)
        owner.platform.owner().acquire()
        with owner.platform.database().write() as connection:
            limits = {
                name: connection.execute(text(f"SHOW {name}")).scalar()
                for name in ("idle_in_transaction_session_timeout", "statement_timeout")
            }

        assert limits == {"idle_in_transaction_session_timeout": "3s", "statement_timeout": "5s"}


def sql_with_timeout(container: Container, statement: str) -> None:
    with container.platform.engine().begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '200ms'"))
        connection.execute(text(statement))
