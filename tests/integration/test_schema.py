"""What the migrations make is what the rooms say of their tables."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, inspect, text

from app.platform import Database, make_engine

APP = Path(__file__).parents[2] / "app"


def tables_of_rooms() -> list[MetaData]:
    """The `metadata` of every tables.py."""
    found = []
    for path in sorted(APP.rglob("tables.py")):
        name = ".".join(path.relative_to(APP.parent).with_suffix("").parts)
        found.append(import_module(name).metadata)
    return found


def unique(engine: Engine, table: str) -> list[list[str]]:
    """The columns of each constraint."""
    if engine.dialect.name != "sqlite":
        return sorted(
            unique_constraint["column_names"]
            for unique_constraint in inspect(engine).get_unique_constraints(table)
        )
    columns = "SELECT name FROM pragma_index_info(:index) ORDER BY seqno"
    with engine.connect() as connection:
        rows = text("SELECT name FROM pragma_index_list(:table) WHERE origin = 'u'")
        indexes = connection.execute(rows, {"table": table}).scalars().all()
        return sorted(
            list(connection.execute(text(columns), {"index": index}).scalars()) for index in indexes
        )


def schema(engine: Engine) -> dict[str, Any]:
    """What a database says of its tables, in its own words, but for the order of columns."""
    look = inspect(engine)
    found: dict[str, Any] = {}
    for name in look.get_table_names():
        key = look.get_pk_constraint(name)["constrained_columns"]
        found[name] = {
            "columns": {
                column["name"]: (
                    str(column["type"]),
                    column["nullable"] and column["name"] not in key,
                    column["default"],
                    "identity" in column,
                )
                for column in look.get_columns(name)
            },
            "key": key,
            "unique": unique(engine, name),
            "references": sorted(
                (tuple(foreign_key["constrained_columns"]), foreign_key["referred_table"])
                for foreign_key in look.get_foreign_keys(name)
            ),
        }
    statement = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " UNION SELECT name, 'numbers never come back' FROM sqlite_master"
        " WHERE sql LIKE '%AUTOINCREMENT%'"
        if engine.dialect.name == "sqlite"
        else "SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index"
        " JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE NOT indisunique AND relnamespace = 'public'::regnamespace"
    )
    with engine.connect() as connection:
        found["indexes"] = sorted(map(tuple, connection.execute(text(statement))))
    return found


def test_the_migrated_schema_is_that_of_the_rooms(
    make_database_url: Callable[[], str],
) -> None:
    migrated, said = (make_engine(make_database_url()) for _ in range(2))
    try:
        Database(migrated).open()
        for metadata in tables_of_rooms():
            metadata.create_all(said)
        by_migrations, by_rooms = schema(migrated), schema(said)
    finally:
        migrated.dispose()
        said.dispose()

    assert by_migrations.pop("schema_version")
    assert by_rooms == by_migrations
