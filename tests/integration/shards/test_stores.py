"""Each shard's store says whose it is, and is refused where it is not that."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from app.fleet import Resource, ResourceKind
from app.platform import ShardError, shard_of
from containers import Container
from tests.integration.shards.conftest import MakeShard

LOOK = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM ven')"
NAMES = [f"VEN {number}" for number in range(20)]


def fleet_of(container: Container) -> list[str]:
    names: list[str] = container.fleet.repository().ven_names()
    return names


def save(container: Container, *names: str) -> None:
    container.fleet.repository().save(dict.fromkeys(names, ()))


def own(number: int, of: int) -> list[str]:
    return sorted(name for name in NAMES if shard_of(name, of) == number)


def test_each_shard_has_its_own_vens_and_no_other(make_shard: MakeShard) -> None:
    shards = [make_shard(number, of=3) for number in range(3)]

    for shard in shards:
        repository = shard.fleet.repository()
        repository.save(repository.own(dict.fromkeys(NAMES, ())))

    assert [fleet_of(shard) for shard in shards] == [own(number, 3) for number in range(3)]


def test_a_ven_of_another_shard_is_refused(make_shard: MakeShard) -> None:
    name = own(1, 2)[0]

    with pytest.raises(ValueError, match=f"VEN '{name}' is not in shard 0"):
        save(make_shard(0, of=2), name)


def test_another_number_of_shards_is_refused(make_shard: MakeShard) -> None:
    save(make_shard(0, of=2), own(0, 2)[0])

    with pytest.raises(ShardError, match=r"is 3, .* has 2 shards: set FLEET__SHARDS=2"):
        fleet_of(make_shard(0, of=3))
    with pytest.raises(ShardError, match=r"FLEET__SHARDS: is 1, and the fleet in .* has 2 shards"):
        fleet_of(make_shard(None, of=1))


def test_a_fleet_that_is_not_cut_is_not_left_behind(make_shard: MakeShard) -> None:
    save(make_shard(None, of=1), "Aarhus")

    with pytest.raises(ShardError, match=r"FLEET__SHARDS: is 2, and .* is not cut into shards"):
        fleet_of(make_shard(0, of=2))
    assert fleet_of(make_shard(None, of=1)) == ["Aarhus"]


def test_an_empty_store_of_one_fleet_may_be_cut(make_shard: MakeShard) -> None:
    assert fleet_of(make_shard(None, of=1)) == []

    assert fleet_of(make_shard(0, of=2)) == []


def empty(container: Container, data: Path) -> None:
    """Its store is gone, as after a new disk."""
    container.platform.database().close()
    if container.platform.database().file is not None:
        shutil.rmtree(data / "shard-0")
        return
    with container.platform.engine().begin() as connection:
        connection.execute(text("DROP SCHEMA shard_0 CASCADE"))


def test_a_store_that_was_emptied_is_no_new_shard(make_shard: MakeShard, tmp_path: Path) -> None:
    first = make_shard(0, of=2)
    save(first, own(0, 2)[0])
    empty(first, tmp_path / "data")

    with pytest.raises(ShardError, match=r"the store of shard 0 in .* is empty, and it was not"):
        fleet_of(make_shard(0, of=2))
    save(make_shard(1, of=2), own(1, 2)[0])


def put_in_place_of_shard_0(folder: Path, data: Path) -> None:
    shutil.rmtree(data / "shard-0")
    shutil.copytree(folder, data / "shard-0")


class TestFiles:
    KINDS = ("sqlite",)

    def test_the_store_of_another_shard_is_refused(
        self, make_shard: MakeShard, tmp_path: Path
    ) -> None:
        for number in range(2):
            shard = make_shard(number, of=2)
            save(shard, own(number, 2)[0])
            shard.platform.database().close()
        shutil.copytree(
            tmp_path / "data" / "shard-1", tmp_path / "data" / "shard-0", dirs_exist_ok=True
        )

        with pytest.raises(ShardError, match=r"is shard 1 of 2 .* not shard 0 of 2"):
            fleet_of(make_shard(0, of=2))

    def test_so_is_that_of_another_fleet(self, make_shard: MakeShard, tmp_path: Path) -> None:
        for data in ("data", "other"):
            shard = make_shard(0, of=2, data_dir=tmp_path / data)
            save(shard, own(0, 2)[0])
            shard.platform.database().close()
        shutil.copytree(
            tmp_path / "other" / "shard-0", tmp_path / "data" / "shard-0", dirs_exist_ok=True
        )

        with pytest.raises(ShardError, match="of fleet"):
            fleet_of(make_shard(0, of=2))

    def test_a_fleet_that_is_not_cut_has_the_store_that_it_always_had(
        self, make_shard: MakeShard, tmp_path: Path
    ) -> None:
        save(make_shard(None, of=1), "Aarhus")

        assert sorted(path.name for path in (tmp_path / "data").glob("*.db")) == ["fleet.db"]
        tables = make_shard(None, of=1).platform.engine().connect()
        names = {row[0] for row in tables.execute(text("SELECT name FROM sqlite_master"))}
        tables.close()
        assert not names & {"lease", "shard_identity"}


class TestSchemas:
    KINDS = ("postgresql",)

    def test_shards_of_one_database_see_nothing_of_each_other(self, make_shard: MakeShard) -> None:
        first, second = make_shard(0, of=2), make_shard(1, of=2)
        save(first, own(0, 2)[0])

        assert fleet_of(second) == []
        with first.platform.database().read() as connection:
            schema = connection.execute(text("SELECT current_schema()")).scalar()
        assert schema == "shard_0"


def test_resources_count_in_their_shard_alone(make_shard: MakeShard) -> None:
    shard = make_shard(1, of=2)
    resource = Resource(resource_name="heat-pump", kind=ResourceKind.HEAT_PUMP)
    shard.fleet.repository().save({own(1, 2)[0]: [resource]})

    assert [name for name, _ in shard.fleet.repository().resources()] == [own(1, 2)[0]]
    assert list(make_shard(0, of=2).fleet.repository().resources()) == []


class TestASQLiteFile:
    KINDS = ("sqlite",)

    def test_keeps_its_log_when_another_process_has_looked_at_it(
        self, make_shard: MakeShard
    ) -> None:
        shard = make_shard(0, of=2)
        shard.platform.owner().acquire()
        database = shard.platform.database()
        database.open()
        assert database.file is not None

        subprocess.run([sys.executable, "-c", LOOK, str(database.file)], check=True)

        assert database.file.with_name("fleet.db-wal").exists()  # else it took it for its own
