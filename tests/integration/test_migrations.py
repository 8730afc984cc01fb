"""A database of every earlier version is brought up to date, and delivers what it owed."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.platform import MIGRATIONS, Database, make_engine
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.workbench import Bench

pytestmark = pytest.mark.in_process

DATA = Path(__file__).parents[1] / "data"
GENERATED = {"ven": "ven_key", "resource": "resource_key", "roster": "roster_id", "frame": "seq"}
"""The columns that PostgreSQL numbers by itself."""


def earlier(version: int) -> dict[str, Any]:
    """What the code of that version left in its database."""
    kept: dict[str, Any] = json.loads((DATA / f"schema-{version}.json").read_text())
    return kept


def restore(url: str, version: int, tables: dict[str, list[dict[str, Any]]]) -> None:
    """A database as that version left it."""
    old = Database(make_engine(url), migrations=MIGRATIONS[:version])
    numbered = not url.startswith("sqlite")
    with old.write() as connection:
        for table, rows in tables.items():
            connection.execute(text(f"DELETE FROM {table}"))
            for row in rows:
                values = {
                    name: base64.b64decode(value["base64"]) if isinstance(value, dict) else value
                    for name, value in row.items()
                }
                columns = ", ".join(values)
                places = ", ".join(f":{name}" for name in values)
                given = " OVERRIDING SYSTEM VALUE" if numbered else ""
                connection.execute(
                    text(f"INSERT INTO {table} ({columns}){given} VALUES ({places})"), values
                )
            if numbered and rows and table in GENERATED:
                column = GENERATED[table]
                connection.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'),"
                        f" (SELECT max({column}) FROM {table}))"
                    )
                )
    old.close()


def put_into(vtn: EmbeddedVtn, kept: dict[str, Any]) -> None:
    """The event and the reports that the VTN had at that time."""
    for known in vtn.store.select("EVENT"):
        vtn.store.remove("EVENT", known["id"])
    (body,) = {row["body"] for row in kept["tables"]["event"]}
    event = json.loads(body)
    vtn.store.add("EVENT", event, parent=event["programID"], object_id=event["id"])
    for report in kept["at_vtn"]:
        vtn.store.add("REPORT", report, client_id=report["clientID"], parent=report["eventID"])


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_an_earlier_database_delivers_what_it_owed(
    vtn: EmbeddedVtn,
    make_container: MakeContainer,
    clock: FakeClock,
    database_url: str,
    version: int,
) -> None:
    kept = earlier(version)
    restore(database_url, version, kept["tables"])
    put_into(vtn, kept)
    clock.now = datetime.fromisoformat(kept["now"])
    container = make_container(
        vtn={"embedded_port": vtn.port},
        database={"url": database_url},
    )
    bench = Bench(container, vtn, clock)
    bench.manager.poll_events()
    bench.tick()
    bench.retry()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()

    resources = len(kept["tables"]["resource"])
    ticks = kept["ticks"] + 1
    bench.assert_each_once(ticks * resources)
    bench.assert_each_once((ticks - 1) * resources, "USAGE")
    assert bench.waiting() == 0


def test_there_is_a_database_of_every_earlier_version() -> None:
    assert Counter(path.name for path in DATA.glob("schema-*.json")) == Counter(
        f"schema-{version}.json" for version in range(1, len(MIGRATIONS))
    )
