"""Commands see the whole fleet, and find the shard of a VEN."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import Result

from app.platform import make_engine, shard_of
from tests.support import commands

pytestmark = pytest.mark.rest
Invoke = Callable[..., Result]
SHARDS = 3
HEAD = "ven_name,resource_name,kind,power_max_kw,source,device\n"
NAMES = [f"VEN {number}" for number in range(6)]
SOURCES = '[[source]]\nname = "plant"\ntype = "http"\ntoken_file = "token"\n'
FLEET = HEAD + "".join(f"{name},pump,HEAT_PUMP,9,plant,meter of {name}\n" for name in NAMES)
READINGS = "device,start,end,quantity,unit,value\n"


@pytest.fixture
def invoke(server_url: str | None, tmp_path: Path) -> Invoke:
    (tmp_path / "sources.toml").write_text(SOURCES)
    (tmp_path / "token").write_text("a-token-of-the-plant")
    (tmp_path / "token").chmod(0o600)

    def call(*arguments: str, **settings: str) -> Result:
        environment = {
            "VTN__BASE_URL": "http://127.0.0.1:9",
            "VTN__BEARER_TOKEN": "x",
            "FLEET__SHARDS": str(SHARDS),
            "DATABASE__URL": server_url or "",
            "COLUMNS": "140",
            **settings,
        }
        return commands.invoke(*arguments, environment=environment)

    return call


@pytest.fixture
def fleet(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "fleet.csv").write_text(FLEET)
    imported = invoke("fleet", "import", "fleet.csv")
    assert imported.stdout == "6 VENs, 6 resources, 6 of them new\n", imported.output


def own(number: int) -> list[str]:
    return [name for name in NAMES if shard_of(name, SHARDS) == number]


def test_run_has_to_be_told_which_shard_it_is(invoke: Invoke) -> None:
    refused = invoke("run")

    assert refused.exit_code == 2
    assert "FLEET__SHARD: must say which of the 3 shards this is, from 0" in refused.stderr


@pytest.mark.usefixtures("fleet")
class TestFleet:
    def test_each_ven_is_in_its_shard_and_listed_once(
        self, invoke: Invoke, tmp_path: Path, server_url: str | None
    ) -> None:
        listed = json.loads(invoke("fleet", "list", "--json").stdout)
        assert [each["ven_name"] for each in listed] == NAMES

        for number in range(SHARDS):
            where = tmp_path / "data" / f"shard-{number}" / "fleet.db"
            schema = None if server_url is None else f"shard_{number}"
            engine = make_engine(server_url or f"sqlite:///{where}", schema=schema)
            with engine.begin() as connection:
                found = connection.execute(text("SELECT ven_name FROM ven ORDER BY ven_name"))
                assert list(found.scalars()) == own(number)
            engine.dispose()

    def test_a_shard_that_is_named_changes_nothing_for_commands(self, invoke: Invoke) -> None:
        listed = json.loads(invoke("fleet", "list", "--json", FLEET__SHARD="1").stdout)

        assert [each["ven_name"] for each in listed] == NAMES

    def test_what_is_exported_goes_round(self, invoke: Invoke, tmp_path: Path) -> None:
        (tmp_path / "again.csv").write_text(invoke("fleet", "export").stdout)

        again = invoke("fleet", "import", "again.csv")

        assert again.stdout == "6 VENs, 6 resources, 0 of them new\n"

    def test_two_resources_of_different_shards_share_no_meter(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        first, second = own(0)[0], own(1)[0]
        row = f"{second},fan,VENTILATION,9,plant,meter of {first}\n"
        (tmp_path / "more.csv").write_text(HEAD + row)

        refused = invoke("fleet", "import", "more.csv")

        assert refused.exit_code == 1
        assert f"the device 'meter of {first}' for two resources" in refused.stderr
        assert "fan" not in invoke("fleet", "export").stdout

    def test_a_ven_is_removed_where_it_is(self, invoke: Invoke) -> None:
        removed = invoke("fleet", "remove", own(2)[0], "--yes", "--keep-at-vtn", "--drop-owed")

        assert removed.exit_code == 0, removed.output
        assert own(2)[0] not in invoke("fleet", "export").stdout

    def test_orders_are_released_in_all_shards(self, invoke: Invoke) -> None:
        assert invoke("fleet", "release").exit_code == 0

        resumed = invoke("fleet", "resume")
        assert resumed.stdout == "the fleet is given orders again\n"
        assert invoke("fleet", "resume").stdout == "the fleet was not released\n"

    def test_a_ven_is_opted_out_where_it_is(self, invoke: Invoke) -> None:
        assert invoke("fleet", "opt-out", own(1)[0]).exit_code == 0

        opted_in = invoke("fleet", "opt-in", own(1)[0])
        assert opted_in.stdout == f"VEN {own(1)[0]} takes part again\n"

    def test_check_shows_each_store(self, invoke: Invoke) -> None:
        checked = json.loads(invoke("check", "--json").stdout)

        assert [each["vens"] for each in checked["databases"]] == [
            len(own(number)) for number in range(SHARDS)
        ]


@pytest.mark.usefixtures("fleet")
class TestReadings:
    def rows(self, *devices: str, value: str = "1.5") -> str:
        return READINGS + "".join(
            f"{device},2026-03-01T00:00Z,2026-03-01T01:00Z,ENERGY,KWH,{value}\n"
            for device in devices
        )

    def imported(self, invoke: Invoke, tmp_path: Path, text_: str) -> Result:
        (tmp_path / "march.csv").write_text(text_)
        return invoke("readings", "import", "--profile", "csv", "--json", "march.csv")

    def exported(self, invoke: Invoke, *more: str) -> list[str]:
        rows = invoke("readings", "export", "--from", "2026-03-01", "--to", "2026-03-02", *more)
        return sorted(line.partition(",")[0] for line in rows.stdout.splitlines()[1:])

    def test_each_value_is_taken_by_the_shard_that_has_its_meter(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        taken = self.imported(invoke, tmp_path, self.rows(*(f"meter of {name}" for name in NAMES)))

        result = json.loads(taken.stdout)
        assert (result["taken"], result["refused_count"], result["is_taken"]) == (6, 0, True)
        assert self.exported(invoke) == NAMES
        assert self.exported(invoke, "--ven", NAMES[0]) == NAMES[:1]

    def test_the_same_files_are_taken_once(self, invoke: Invoke, tmp_path: Path) -> None:
        rows = self.rows(*(f"meter of {name}" for name in NAMES))
        first = self.imported(invoke, tmp_path, rows)
        assert first.exit_code == 0, first.output

        again = json.loads(self.imported(invoke, tmp_path, rows).stdout)

        assert (again["taken"], again["repeated"]) == (0, 6)

    def test_a_meter_that_nobody_has_is_said_once_and_nothing_is_taken(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        rows = self.rows(*(f"meter of {name}" for name in NAMES), "stranger")
        refused = self.imported(invoke, tmp_path, rows)

        result = json.loads(refused.stdout)
        assert refused.exit_code == 1
        assert (result["refused_count"], result["is_taken"]) == (1, False)
        assert self.exported(invoke) == []
        unknown = json.loads(invoke("readings", "unknown", "--json").stdout)
        assert [each["device"] for each in unknown] == ["stranger"]

    def test_so_is_a_value_that_cannot_be(self, invoke: Invoke, tmp_path: Path) -> None:
        rows = self.rows(f"meter of {own(0)[0]}") + self.rows(
            f"meter of {own(1)[0]}", value="1e20"
        ).removeprefix(READINGS)

        result = json.loads(self.imported(invoke, tmp_path, rows).stdout)

        assert (result["refused_count"], result["is_taken"]) == (1, False)
        assert self.exported(invoke) == []
