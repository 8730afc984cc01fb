"""Shards behind a pooler: whatever session a transaction gets, it is in its schema."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from app.platform import shard_of
from containers import Container
from tests.integration.shards.conftest import MakeShard
from tests.support.pgbouncer import Pgbouncer
from tests.support.postgres import Postgres

SHARDS = 2
NAMES = [f"VEN {number}" for number in range(40)]


@pytest.fixture
def server_url(postgres: Postgres) -> Iterator[str]:
    """Through pgbouncer, which gives one session of the server to everybody in turn."""
    name = postgres.make_database().rpartition("/")[2]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)  # the server has a user of its own
        pooler = Pgbouncer(Path(directory) / "pool", postgres.port, "transaction", pool_size=1)
        yield pooler.url(name)
        pooler.close()


def names_in(container: Container) -> list[str]:
    names: list[str] = container.fleet.repository().ven_names()
    return names


def test_two_shards_share_one_session(make_shard: MakeShard) -> None:
    shards = [make_shard(number, of=SHARDS) for number in range(SHARDS)]
    for shard in shards:
        shard.platform.owner().acquire()

    def work(number: int) -> list[str]:
        """Writes, and what must not be seen of the other one."""
        repository, seen = shards[number].fleet.repository(), []
        for name in repository.own(dict.fromkeys(NAMES, ())):
            repository.save({name: ()})
            with shards[number].platform.database().write(durable=False) as connection:
                seen.append(str(connection.execute(text("SELECT current_schema()")).scalar()))
        return seen

    with ThreadPoolExecutor(SHARDS) as pool:
        schemas = list(pool.map(work, range(SHARDS)))

    for number, shard in enumerate(shards):
        assert set(schemas[number]) == {f"shard_{number}"}
        assert names_in(shard) == sorted(name for name in NAMES if shard_of(name, SHARDS) == number)
        assert shard.platform.owner().lost() is None


def test_nothing_is_left_in_the_session(make_shard: MakeShard) -> None:
    shard = make_shard(0, of=SHARDS)
    shard.platform.owner().acquire()
    shard.fleet.repository().revision()

    other = make_shard(None, of=1)
    with other.platform.engine().connect() as connection:
        said = connection.execute(
            text("SELECT current_schema(), current_setting('statement_timeout')")
        ).one()

    assert tuple(said) == ("public", "0")
