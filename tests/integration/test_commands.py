"""The commands that end by themselves, called in this process."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from app.platform import make_engine
from app.platform.claim import DatabaseClaim
from app.platform.run_lock import RunLock
from app.vtn import EmbeddedVtn
from tests.support import commands
from tests.support.servers import free_port

Invoke = Callable[..., Result]
SEND = ("event", "send", "--type", "SIMPLE", "--value", "2")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def invoke(port: int) -> Invoke:
    """`invoke("fleet", "list", FLEET__VENS="2")`, with these settings only."""

    def call(*arguments: str, **settings: str) -> Result:
        environment = {"VTN__EMBEDDED_PORT": str(port), "COLUMNS": "140", **settings}
        return commands.invoke(*arguments, environment=environment)

    return call


def test_a_fleet_as_json_goes_round(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("fleet", "seed", "--vens", "1").exit_code == 0
    export = invoke("fleet", "export", "--format", "json")
    assert export.exit_code == 0
    (tmp_path / "fleet.json").write_text(export.output)

    again = invoke("fleet", "import", "fleet.json", DATA_DIR="other")

    assert again.exit_code == 0
    assert again.stdout == "1 VENs, 20 resources, 20 of them new\n"


def test_an_empty_fleet_says_how_to_fill_it(invoke: Invoke) -> None:
    listing = invoke("fleet", "list")

    assert listing.exit_code == 0
    assert "fleet seed" in listing.output


def test_the_list_is_a_table(invoke: Invoke) -> None:
    assert invoke("fleet", "seed", "--vens", "2").exit_code == 0
    listing = invoke("fleet", "list")

    assert listing.exit_code == 0
    assert "Aarhus" in listing.output
    assert "PENDING" in listing.output


class TestRemove:
    """No run is going on; the VTN is there."""

    @pytest.fixture
    def port(self, vtn: EmbeddedVtn) -> int:
        return vtn.port

    @pytest.fixture(autouse=True)
    def enrolled(self, invoke: Invoke) -> None:
        invoke("fleet", "seed", "--vens", "2")
        invoke("fleet", "enrol")

    def names(self, invoke: Invoke) -> list[str]:
        listed = json.loads(invoke("fleet", "list", "--json").stdout)
        return [each["ven_name"] for each in listed]

    def test_a_ven_that_owes_nothing_goes_at_once(self, invoke: Invoke, vtn: EmbeddedVtn) -> None:
        removed = invoke("fleet", "remove", "Aarhus", "--yes")

        assert removed.stdout == "VEN Aarhus is removed\n"
        assert self.names(invoke) == ["Aalborg"]
        assert [each["venName"] for each in vtn.store.select("VEN")] == ["Aalborg"]

    def test_a_resource_goes_alone(self, invoke: Invoke, vtn: EmbeddedVtn) -> None:
        removed = invoke("fleet", "remove", "Aarhus", "Aarhus-01-heat-pump", "--yes")

        assert removed.stdout == "VEN Aarhus, resource 'Aarhus-01-heat-pump' is removed\n"
        assert len(vtn.store.select("RESOURCE")) == 39

    def test_it_asks_first(self, invoke: Invoke) -> None:
        asked = invoke("fleet", "remove", "Aarhus")

        assert "Remove VEN Aarhus? It owes no readings. [y/N]" in asked.output
        assert asked.exit_code != 0
        assert self.names(invoke) == ["Aalborg", "Aarhus"]

    def test_beside_a_run_that_one_removes_it(self, invoke: Invoke, tmp_path: Path) -> None:
        engine = make_engine(f"sqlite:///{tmp_path / 'data' / 'fleet.db'}")
        lock = RunLock(tmp_path / "data" / "run.lock", DatabaseClaim(engine))
        with lock.alone() as is_alone:
            assert is_alone
            removed = invoke("fleet", "remove", "Aarhus", "--yes", "--drop-owed")
        engine.dispose()

        assert removed.stdout == (
            "VEN Aarhus is no longer metered; the active run will remove it\n"
        )
        assert "REMOVED" in invoke("fleet", "list").output
        assert "Aarhus" not in invoke("fleet", "export").output

    def test_without_the_vtn_the_next_run_removes_it(
        self, invoke: Invoke, vtn: EmbeddedVtn
    ) -> None:
        vtn.close()

        removed = invoke("fleet", "remove", "Aarhus", "--yes")

        assert removed.stdout == "VEN Aarhus is no longer metered; the next run will remove it\n"

    def test_what_is_not_there_is_named(self, invoke: Invoke) -> None:
        assert "no VEN 'Atlantis'" in invoke("fleet", "remove", "Atlantis").output
        assert "no resource 'flux'" in invoke("fleet", "remove", "Aarhus", "flux").output
        nothing = invoke("fleet", "remove", "Aarhus", "", "--yes", "--drop-owed")
        assert "no resource ''" in nothing.output
        assert self.names(invoke) == ["Aalborg", "Aarhus"]


class TestEnrol:
    """Beside a VTN that runs."""

    @pytest.fixture
    def port(self, vtn: EmbeddedVtn) -> int:
        return vtn.port

    def test_what_is_pending_is_enrolled(self, invoke: Invoke, vtn: EmbeddedVtn) -> None:
        invoke("fleet", "seed", "--vens", "2", "--resources-per-ven", "1")

        enrolled = invoke("fleet", "enrol")

        assert enrolled.exit_code == 0, enrolled.output
        assert enrolled.output.startswith("VEN Aalborg is enrolled: ")
        assert len(vtn.store.select("VEN")) == 2
        assert invoke("fleet", "enrol").output == "All VENs are enrolled.\n"

    def test_one_that_the_vtn_lost_is_enrolled_again(
        self, invoke: Invoke, vtn: EmbeddedVtn
    ) -> None:
        invoke("fleet", "seed", "--vens", "1", "--resources-per-ven", "0")
        invoke("fleet", "enrol")
        (known,) = vtn.store.select("VEN")
        vtn.store.remove("VEN", known["id"])

        assert invoke("fleet", "enrol", "Aalborg").exit_code == 0

        (again,) = vtn.store.select("VEN")
        assert again["id"] != known["id"]

    def test_a_name_may_be_composed_otherwise(self, invoke: Invoke, tmp_path: Path) -> None:
        (tmp_path / "fleet.json").write_text('[{"ven_name": "\\u00c5rhus", "resources": []}]')
        assert invoke("fleet", "import", "fleet.json").exit_code == 0

        enrolled = invoke("fleet", "enrol", "A\u030arhus")

        assert enrolled.exit_code == 0, enrolled.output
        assert enrolled.output.startswith("VEN \u00c5rhus is enrolled: ")

    def test_a_name_that_is_none_is_said(self, invoke: Invoke) -> None:
        enrolled = invoke("fleet", "enrol", "Atlantis")

        assert enrolled.exit_code == 2
        assert "the fleet has no VEN 'Atlantis'" in enrolled.output


class TestBesideAVtn:
    """What is asked of a VTN that runs."""

    @pytest.fixture
    def port(self, vtn: EmbeddedVtn) -> int:
        return vtn.port

    def test_a_list_of_events_has_whole_dates_in_80_columns(self, invoke: Invoke) -> None:
        begin = "2099-06-01T12:00:00+02:00"
        sent = invoke(*SEND, "--start", begin)
        assert sent.exit_code == 0, sent.output
        event_id = sent.output.split()[1].rstrip(":")

        listed = invoke("event", "list", COLUMNS="80")

        assert sent.output.endswith(" for all VENs, 2099-06-01 10:00:00 UTC, PT10M\n")
        assert f"{event_id} 2099-06-01T10:00:00Z PT10M" in listed.output
        assert max(map(len, listed.output.splitlines())) <= 80

    def test_check_of_an_empty_fleet_asks_for_nobodys_credentials(
        self, invoke: Invoke, vtn: EmbeddedVtn, tmp_path: Path
    ) -> None:
        credentials = tmp_path / "credentials.json"
        credentials.write_text("{}")
        credentials.chmod(0o600)

        check = invoke("check", VTN__BASE_URL=vtn.base_url, VTN__CREDENTIALS_FILE=str(credentials))

        assert check.exit_code == 0, check.output
        assert "answers; the fleet has no VEN that could ask for more" in check.output


@pytest.mark.parametrize("name", ["[/]", "[bold]Aarhus", ":smile: [red]", "a\\[b]"])
def test_what_is_in_a_name_is_text(invoke: Invoke, tmp_path: Path, name: str) -> None:
    fleet = [{"ven_name": name, "resources": []}]
    (tmp_path / "fleet.json").write_text(json.dumps(fleet))
    assert invoke("fleet", "import", "fleet.json").exit_code == 0

    listing = invoke("fleet", "list")

    assert listing.exit_code == 0
    assert name in listing.output


def test_a_url_is_shown_as_it_is_set(invoke: Invoke) -> None:
    url = "http://[::1]:9/[x]"

    assert url in invoke("check", VTN__BASE_URL=url).output


@pytest.mark.parametrize("directory", ["100%25", "what?", "a b#c", "æøå"])
def test_the_database_is_where_data_dir_says(
    invoke: Invoke, tmp_path: Path, directory: str
) -> None:
    assert invoke("fleet", "seed", "--vens", "1", DATA_DIR=directory).exit_code == 0

    assert (tmp_path / directory / "fleet.db").is_file()


def test_tasks_shows_schedules_and_what_is_disabled(invoke: Invoke) -> None:
    tasks = invoke("tasks", TASKS__HEARTBEAT__ENABLED="false", TASKS__POLL_EVENTS__CRON="0 3 * * *")

    assert tasks.exit_code == 0
    lines = {line.split()[1]: line for line in tasks.output.splitlines() if "│" in line}
    assert "disabled" in lines["heartbeat"]
    assert "03:00:00 UTC" in lines["poll_events"]


def test_check_says_where_each_setting_is_from(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("FLEET__VENS=3\n")

    check = invoke("check", FLEET__RESOURCES_PER_VEN="4")

    assert check.exit_code == 0
    lines = {line.split()[1]: line for line in check.output.splitlines() if "│" in line}
    assert "settings.env" in lines["FLEET__VENS"]
    assert "environment" in lines["FLEET__RESOURCES_PER_VEN"]
    assert "default" in lines["LOG__LEVEL"]
    assert "database data/fleet.db: opens, 0 VENs" in check.output
    assert "`run` starts it" in check.output


def test_check_of_a_vtn_that_is_not_there_fails(invoke: Invoke, port: int) -> None:
    check = invoke("check", VTN__BASE_URL=f"http://127.0.0.1:{port}")

    assert check.exit_code == 1
    assert "connection refused" in check.output


def test_graph_in_every_format(invoke: Invoke) -> None:
    for arguments, begin in (
        ((), "settings"),
        (("--format", "mermaid"), "flowchart LR"),
        (("--format", "dot"), "digraph wiring {"),
    ):
        graph = invoke("graph", *arguments)
        assert graph.exit_code == 0
        assert graph.output.startswith(begin)
        assert re.search(
            r"\bvens[._]manager\b|^vens\n(  .*\n)*  manager ", graph.output, re.MULTILINE
        )


@pytest.mark.parametrize("command", ["fleet list", "graph", "rejected list", "tasks", "check"])
def test_a_setting_for_a_task_that_is_none_stops_every_command(
    invoke: Invoke, command: str
) -> None:
    done = invoke(*command.split(), TASKS__HEARTBEET__SECONDS="5")

    assert done.exit_code == 2
    assert "was TASKS__HEARTBEAT__SECONDS meant?" in done.output


def test_check_shows_where_settings_are_from_before_it_says_what_is_wrong(invoke: Invoke) -> None:
    check = invoke("check", TASKS__HEARTBEAT__CRON="bogus")

    assert check.exit_code == 2
    table, _, problem = check.output.partition("settings: ")
    assert "TASKS__HEARTBEAT__CRON" in table
    assert problem.startswith("TASKS__HEARTBEAT__CRON: is not understood")


def test_a_command_lowers_no_priority_but_its_own(invoke: Invoke) -> None:
    """Or later tests, and what they start, would run at that of `readings import`."""
    before = os.getpriority(os.PRIO_PROCESS, 0)

    invoke("readings", "import", "--profile", "csv", "none.csv")

    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_help_names_the_commands(invoke: Invoke) -> None:
    text = invoke("--help")

    assert text.exit_code == 0
    for command in ("run", "vtn", "fleet", "tasks", "graph", "check"):
        assert command in text.output


def test_a_broken_row_of_a_fleet_file_imports_nothing(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "fleet.csv").write_text(
        "ven_name,resource_name,kind,power_min_kw,power_max_kw\nA,r1,PV,-1,0\nA,r2,PV,3,1\n"
    )

    application = invoke("fleet", "import", "fleet.csv")

    assert application.exit_code == 1
    assert application.stderr == (
        "error: fleet.csv line 3: power_min_kw 3 is above power_max_kw 1\n"
    )
    assert invoke("fleet", "list", "--json").stdout == "[]\n"


TOKEN, SECRET, PASSWORD, MISSPELT = "tok3n-4711", "s3cret-4712", "passw0rd-4713", "m1sspelt-4714"


@pytest.mark.parametrize("command", ["check", "graph", "tasks"])
@pytest.mark.parametrize(
    ("settings", "secret"),
    [
        ({"VTN__BEARER_TOKEN": TOKEN, "OPS__TOKEN": TOKEN}, TOKEN),
        ({"VTN__CLIENT_ID": "c", "VTN__CLIENT_SECRET": SECRET}, SECRET),
        ({"DATABASE__URL": f"postgresql+psycopg://u:{PASSWORD}@127.0.0.1:1/d"}, PASSWORD),
        ({"DATABASE__URL": f"nonsense:{PASSWORD}"}, PASSWORD),
        ({"VTN__CLIENT_SECERT": MISSPELT}, MISSPELT),
    ],
)
def test_no_secret_is_printed(
    invoke: Invoke, port: int, command: str, settings: dict[str, str], secret: str
) -> None:
    vtn = f"http://127.0.0.1:{port}"

    result = invoke(command, VTN__BASE_URL=vtn, LOG__LEVEL="DEBUG", **settings)

    assert secret not in result.output
    assert result.output, "there was something to search"
