"""The commands, also beside a running application."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import Start

SMALL = {"FLEET__VENS": "2", "FLEET__RESOURCES_PER_VEN": "3"}


def test_seed_export_import_and_list_beside_a_running_application(
    start: Start, tmp_path: Path
) -> None:
    running = start("run", **SMALL, TASKS__HEARTBEAT__SECONDS="1")
    running.wait_for("schedule: ")

    seed = start("fleet", "seed", "--vens", "3", "--resources-per-ven", "3")
    assert seed.join() == 0
    assert seed.output == "3 VENs, 3 new resources"
    running.wait_for("3 VENs enrolled, 0 pending")

    export = start("fleet", "export")
    assert export.join() == 0
    (tmp_path / "fleet.csv").write_text(export.output + "\n")
    again = start("fleet", "import", "fleet.csv")
    assert again.join() == 0
    assert again.output == "3 VENs, 9 resources, 0 of them new"

    listing = start("fleet", "list", "--json")
    assert listing.join() == 0
    vens = json.loads(listing.output)
    assert [ven["ven_name"] for ven in vens] == ["Aalborg", "Aarhus", "Esbjerg"]
    assert all(ven["resources"] == ven["approved"] == 3 and ven["vtn_ven_id"] for ven in vens)

    check = start("check")
    assert check.join() == 0
    assert "answers 'Aalborg' in" in check.output
    assert running.stop() == 0
    assert "Traceback" not in running.log


def test_a_fleet_as_json_goes_round(start: Start, tmp_path: Path) -> None:
    assert start("fleet", "seed", "--vens", "1").join() == 0
    export = start("fleet", "export", "--format", "json")
    assert export.join() == 0
    (tmp_path / "fleet.json").write_text(export.output)

    again = start("fleet", "import", "fleet.json", DATA_DIR="other")

    assert again.join() == 0
    assert again.output == "1 VENs, 20 resources, 20 of them new"


def test_an_empty_fleet_says_how_to_fill_it(start: Start) -> None:
    listing = start("fleet", "list")

    assert listing.join() == 0
    assert "fleet seed" in listing.output


def test_the_list_is_a_table(start: Start) -> None:
    assert start("fleet", "seed", "--vens", "2").join() == 0
    listing = start("fleet", "list")

    assert listing.join() == 0
    assert "Aarhus" in listing.output
    assert "PENDING" in listing.output


def test_tasks_shows_schedules_and_what_is_disabled(start: Start) -> None:
    tasks = start("tasks", TASKS__HEARTBEAT__ENABLED="false", TASKS__POLL_EVENTS__CRON="0 3 * * *")

    assert tasks.join() == 0
    lines = {line.split()[1]: line for line in tasks.output.splitlines() if "│" in line}
    assert "disabled" in lines["heartbeat"]
    assert "03:00:00 UTC" in lines["poll_events"]


def test_check_says_where_each_setting_is_from(start: Start, tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("FLEET__VENS=3\n")

    check = start("check", FLEET__RESOURCES_PER_VEN="4")

    assert check.join() == 0
    lines = {line.split()[1]: line for line in check.output.splitlines() if "│" in line}
    assert "settings.env" in lines["FLEET__VENS"]
    assert "environment" in lines["FLEET__RESOURCES_PER_VEN"]
    assert "default" in lines["LOG__LEVEL"]
    assert "database data/fleet.db: opens, 0 VENs" in check.output
    assert "`run` starts it" in check.output


def test_check_of_a_vtn_that_is_not_there_fails(start: Start, port: int) -> None:
    check = start("check", VTN__BASE_URL=f"http://127.0.0.1:{port}")

    assert check.join() == 1
    assert "connection refused" in check.output


def test_graph_in_every_format(start: Start) -> None:
    for arguments, begin in (
        ((), "settings"),
        (("--format", "mermaid"), "flowchart LR"),
        (("--format", "dot"), "digraph wiring {"),
    ):
        graph = start("graph", *arguments)
        assert graph.join() == 0
        assert graph.output.startswith(begin)
        assert "ven_manager" in graph.output


def test_the_vtn_alone(start: Start, port: int) -> None:
    vtn = start("vtn", "--port", str(port))
    vtn.wait_for(f"VTN http://127.0.0.1:{port}; credentials data/vtn/credentials.json")

    assert vtn.stop() == 0


def test_help_names_the_commands(start: Start) -> None:
    text = start("--help")

    assert text.join() == 0
    for command in ("run", "vtn", "fleet", "tasks", "graph", "check"):
        assert command in text.output
