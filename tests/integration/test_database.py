"""The database: made when first used, migrated by number, and what it refuses."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from app.fleet import FleetRepository, Status, sample_fleet
from app.platform import MIGRATIONS, Database, DatabaseError, Migration, make_engine

NEWEST = len(MIGRATIONS)
WAITS_S = 0.2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "fleet.db"


def open_at(path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Database:
    return Database(make_engine(f"sqlite:///{path}"), migrations=migrations)


def next_schema(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE ven ADD COLUMN note TEXT"))


def broken_schema(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE ven ADD COLUMN note TEXT"))
    connection.execute(text("this is no SQL"))


def test_building_makes_no_file_and_the_first_use_does(path: Path) -> None:
    database = open_at(path)
    assert not path.exists()

    assert FleetRepository(database).vens() == []

    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    database.close()


def test_many_threads_may_be_the_first(path: Path) -> None:
    databases = [open_at(path) for _ in range(4)]
    problems: list[Exception] = []

    def use(database: Database) -> None:
        try:
            FleetRepository(database).vens()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails
            problems.append(error)

    threads = [threading.Thread(target=use, args=(each,)) for each in databases for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    for database in databases:
        database.close()


def test_who_opens_a_new_file_waits_for_another_one_that_does(tmp_path: Path) -> None:
    """Given a new file that another process writes its first table to; when it is opened; then that
    waits until the other one is done, where SQLite by itself would refuse it."""
    file = tmp_path / "new.db"
    found: list[str] = []
    first = sqlite3.connect(file, isolation_level=None)
    first.execute("BEGIN IMMEDIATE")
    first.execute("CREATE TABLE ven (name TEXT)")

    def open_it() -> None:
        with make_engine(f"sqlite:///{file}", pools=False).begin() as connection:
            found.extend(connection.execute(text("SELECT name FROM sqlite_master")).scalars())

    second = threading.Thread(target=open_it)
    second.start()
    second.join(WAITS_S)
    is_waiting = second.is_alive()
    first.execute("COMMIT")
    first.close()
    second.join()

    assert is_waiting
    assert found == ["ven"]


def test_a_migration_comes_after_a_copy_and_keeps_the_fleet(path: Path) -> None:
    old = open_at(path)
    FleetRepository(old).save(sample_fleet(vens=1, resources_per_ven=2))
    old.close()

    new = open_at(path, (*MIGRATIONS, next_schema))
    assert len(FleetRepository(new).vens()) == 1
    new.close()

    copy = path.with_name(f"fleet.db.schema-{NEWEST}")
    assert copy.stat().st_mode & 0o077 == 0
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchone() == (NEWEST,)
        assert connection.execute("SELECT count(*) FROM resource").fetchone() == (2,)
    connection.close()


def test_a_migration_that_fails_leaves_the_schema_as_it_was(path: Path) -> None:
    old = open_at(path)
    old.open()
    old.close()

    broken = open_at(path, (*MIGRATIONS, broken_schema))
    with pytest.raises(DatabaseError):
        broken.open()
    broken.close()

    again = open_at(path)
    with again.read() as connection:
        columns = connection.execute(text("SELECT name FROM pragma_table_info('ven')")).scalars()
        assert "note" not in list(columns)
    again.close()


def test_a_newer_schema_is_refused(path: Path) -> None:
    newer = open_at(path, (*MIGRATIONS, next_schema))
    newer.open()
    newer.close()

    old = open_at(path)
    with pytest.raises(
        DatabaseError, match=f"has schema {NEWEST + 1}, and this version knows {NEWEST}"
    ):
        old.open()
    old.close()


def test_a_file_that_is_no_database_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious notes, " * 100)
    database = open_at(path)

    with pytest.raises(DatabaseError, match=r"fleet\.db: file is not a database"):
        database.open()

    assert path.read_text().startswith("precious notes")
    database.close()


def test_the_database_of_something_else_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    database = open_at(path)

    with pytest.raises(DatabaseError, match="holds something else"):
        database.open()
    database.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    database = open_at(tmp_path / "file" / "fleet.db")

    with pytest.raises(DatabaseError, match=r"cannot be written: .*DATA_DIR"):
        database.open()
    database.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "oracle9://u:hunter2@h/db", "sqlite", "postgresql+nodriver://u:hunter2@h/d"]
)
def test_a_url_that_is_not_understood_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseError, match="DATABASE__URL") as caught:
        make_engine(url)

    assert "hunter2" not in str(caught.value)


class TestRepository:
    """VENs and resources in the database."""

    @pytest.fixture
    def repository(self, path: Path) -> Iterator[FleetRepository]:
        database = open_at(path)
        yield FleetRepository(database)
        database.close()

    def test_a_repeated_import_adds_nothing_and_keeps_what_was_enrolled(
        self, repository: FleetRepository
    ) -> None:
        fleet = sample_fleet(vens=2, resources_per_ven=3)
        assert repository.save(fleet) == 6
        ids = {each.resource_name: "id" for each in fleet["Aarhus"]}
        repository.approve("Aarhus", vtn_ven_id="v1", vtn_resource_ids=ids)

        assert repository.save(fleet) == 0

        approved = [
            resource for _, resource in repository.resources("Aarhus", status=Status.APPROVED)
        ]
        assert len(approved) == 3
        assert {each.vtn_resource_id for each in approved} == {"id"}
        assert [ven.ven_name for ven in repository.pending_vens()] == ["Aalborg"]

    def test_an_import_changes_what_is_described(self, repository: FleetRepository) -> None:
        (resource,) = sample_fleet(vens=1, resources_per_ven=1)["Aalborg"]
        repository.save({"Aalborg": [resource]})
        repository.save({"Aalborg": [replace(resource, address="Nyvej 1", power_max_kw=99.0)]})

        ((_, stored),) = repository.resources()
        assert (stored.address, stored.power_max_kw) == ("Nyvej 1", 99.0)

    def test_every_change_raises_the_revision(self, repository: FleetRepository) -> None:
        revisions = [repository.revision()]
        fleet = sample_fleet(vens=1, resources_per_ven=1)
        name = fleet["Aalborg"][0].resource_name
        for change in (
            lambda: repository.save(fleet),
            lambda: repository.approve("Aalborg", vtn_ven_id="v", vtn_resource_ids={name: "r"}),
            lambda: repository.set_status("Aalborg", name, Status.SUSPENDED),
        ):
            change()
            revisions.append(repository.revision())

        assert revisions == sorted(set(revisions))

    def test_a_suspended_resource_stays_suspended_when_its_ven_is_enrolled(
        self, repository: FleetRepository
    ) -> None:
        fleet = sample_fleet(vens=1, resources_per_ven=1)
        name = fleet["Aalborg"][0].resource_name
        repository.save(fleet)
        repository.set_status("Aalborg", name, Status.SUSPENDED)

        repository.approve("Aalborg", vtn_ven_id="v", vtn_resource_ids={name: "r"})

        ((_, stored),) = repository.resources()
        assert (stored.status, stored.vtn_resource_id) == (Status.SUSPENDED, "r")

    def test_a_resource_that_is_not_there_cannot_be_suspended(
        self, repository: FleetRepository
    ) -> None:
        with pytest.raises(ValueError, match="no resource 'x'"):
            repository.set_status("Aalborg", "x", Status.SUSPENDED)

    def test_resources_are_counted_by_status(self, repository: FleetRepository) -> None:
        fleet = sample_fleet(vens=3, resources_per_ven=4)
        repository.save(fleet)
        ids = {resource.resource_name: "id" for resource in fleet["Aarhus"][:3]}
        repository.approve("Aarhus", vtn_ven_id="v1", vtn_resource_ids=ids)
        repository.set_status("Aarhus", fleet["Aarhus"][0].resource_name, Status.SUSPENDED)

        (aarhus,) = [
            summary for summary in repository.summaries() if summary.ven.ven_name == "Aarhus"
        ]

        assert aarhus.resources == 4
        assert (aarhus.approved, aarhus.pending, aarhus.suspended) == (2, 1, 1)

    def test_a_suspended_ven_is_not_pending(self, repository: FleetRepository, path: Path) -> None:
        repository.save(sample_fleet(vens=1, resources_per_ven=1))
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE ven SET status = 'SUSPENDED'")
        connection.close()

        assert repository.pending_vens() == []
        assert repository.count_pending_vens() == 0

    def test_a_ven_without_resources_is_pending_until_it_is_enrolled(
        self, repository: FleetRepository
    ) -> None:
        repository.save({"Aalborg": [], "Odense": []})
        assert repository.count_pending_vens() == 2

        repository.approve("Odense", vtn_ven_id="v", vtn_resource_ids={})

        assert [ven.ven_name for ven in repository.pending_vens()] == ["Aalborg"]
        assert repository.count_pending_vens() == 1
        assert [summary.resources for summary in repository.summaries()] == [0, 0]


@pytest.mark.parametrize(
    ("ask", "indexes"),
    [
        (FleetRepository.count_pending_vens, ["other_ven", "other_resource"]),
        (FleetRepository.pending_vens, ["other_ven", "other_resource"]),
        (lambda repository: repository.page_of_summaries(skip=0, limit=25), ["other_resource"] * 3),
    ],
    ids=["count", "pending", "page"],
)
def test_who_asks_often_reads_of_what_is_approved_nothing(
    path: Path, ask: Callable[[FleetRepository], object], indexes: list[str]
) -> None:
    engine = make_engine(f"sqlite:///{path}")
    database = Database(engine)
    repository = FleetRepository(database)
    repository.save(sample_fleet(vens=2, resources_per_ven=2))
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    ask(repository)
    statement, values = asked[-1]

    with database.read() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        plan = [row.detail for row in rows]
    database.close()

    used = [name for line in plan for name in ("other_ven", "other_resource") if name in line]
    assert used == indexes
