"""The commands, also beside a running application."""

from __future__ import annotations

import json
import signal
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
    running.wait_for("the VTN answers in [0-9]+ ms; 3 VENs enrolled, 0 pending")

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


def test_the_vtn_alone(start: Start, port: int) -> None:
    vtn = start("vtn", "--port", str(port))
    vtn.wait_for(rf"VTN http://127.0.0.1:{port} \(3.1.0\).*; credentials data/vtn/credentials.json")

    assert vtn.stop() == 0


def test_a_terminal_that_is_not_utf_8_shows_what_it_can(start: Start, tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text('[{"ven_name": "Ærø", "resources": []}]')
    assert start("fleet", "import", "fleet.json").join() == 0

    listing = start("fleet", "list", PYTHONIOENCODING="ascii")

    assert listing.join() == 0, listing.log
    assert "?r?" in listing.output


def test_hang_up_stops_in_order(start: Start) -> None:
    running = start("run", **SMALL)
    running.wait_for("schedule: ")

    assert running.stop(signal.SIGHUP) == 0
    assert running.log.endswith("stopped")
