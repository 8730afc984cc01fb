"""`readings`: files in, gaps, what is unknown, and out again, as an operator does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Start

FLEET = (
    "ven_name,resource_name,kind,power_max_kw,source,device\n"
    "Aarhus,hall,HEAT_PUMP,10,portal,571313170000000017\n"
    "Aarhus,roof,PV,0,,\n"
)
SOURCES = '[[source]]\nname = "portal"\ntype = "file"\n'
ELOVERBLIK = (
    "\ufeffMålepunktsID;Fra_dato;Til_dato;Mængde;Måleenhed;Kvalitet;Type\n"
    "571313170000000017;26-10-2023 11:00:00;26-10-2023 12:00:00;0,25;KWH;Målt;Tidsserie\n"
    "571313170000000017;26-10-2023 12:00:00;26-10-2023 13:00:00;0,21;KWH;Målt;Tidsserie\n"
)


@pytest.fixture
def prepared(start: Start, tmp_path: Path) -> Start:
    (tmp_path / "sources.toml").write_text(SOURCES)
    (tmp_path / "fleet.csv").write_text(FLEET)
    (tmp_path / "meters.csv").write_text(ELOVERBLIK)
    assert start("fleet", "import", "fleet.csv").join() == 0
    return start


IMPORT = ("readings", "import", "meters.csv", "--profile", "eloverblik")


def test_a_file_goes_in_and_out_again(prepared: Start) -> None:
    imported = prepared(*IMPORT, "--json")
    assert imported.join() == 0, imported.log
    result = json.loads(imported.output)
    assert (result["taken"], result["series"][0]["kwh"]) == (2, 0.46)

    again = prepared(*IMPORT)
    assert again.join() == 0
    assert "0 values taken, 2 were there already" in again.output

    export = prepared("readings", "export", "--from", "2023-10-26", "--to", "2023-10-27")
    assert export.join() == 0
    assert export.output.splitlines()[1] == (
        "Aarhus,hall,ENERGY,KWH,IMPORT,,2023-10-26T09:00:00Z,2023-10-26T10:00:00Z,0.25,OK"
    )

    gaps = prepared(
        "readings", "gaps", "--from", "2023-10-26T08:00", "--to", "2023-10-26T12:00", "--json"
    )
    assert gaps.join() == 0
    assert [(gap["start"], gap["end"]) for gap in json.loads(gaps.output)] == [
        ("2023-10-26T08:00:00Z", "2023-10-26T09:00:00Z"),
        ("2023-10-26T11:00:00Z", "2023-10-26T12:00:00Z"),
    ]


def test_a_meter_that_nobody_has_is_named_once_and_listed(prepared: Start, tmp_path: Path) -> None:
    path = tmp_path / "meters.csv"
    path.write_text(path.read_text().replace("571313170000000017", "571313170000000024"))

    imported = prepared(*IMPORT)
    assert imported.join() == 1
    assert imported.log.count("no resource has the meter '571313170000000024'") == 1
    assert "nothing is taken" in imported.log

    unknown = prepared("readings", "unknown", "--json")
    assert unknown.join() == 0
    (device,) = json.loads(unknown.output)
    assert (device["device"], device["refused"]) == ("571313170000000024", 2)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("readings", "import", "meters.csv", "--profile", "modbus"), "there is no profile"),
        (("readings", "import", "none.csv", "--profile", "csv"), "none.csv: cannot be read"),
        (("readings", "import", "meters.csv", "--profile", "csv"), "unknown column"),
        ((*IMPORT, "--source", "plant"), "there is no source 'plant'; there are portal"),
        ((*IMPORT, "--time-zone", "Mars"), "time zone 'Mars' cannot be loaded"),
        (("readings", "gaps", "--from", "soon"), "'soon' is no time"),
        (("readings", "export", "--format", "parquet"), "parquet needs --output"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    prepared: Start, arguments: tuple[str, ...], problem: str
) -> None:
    command = prepared(*arguments)

    assert command.join() in (1, 2)
    assert problem in command.log.replace("\n│ ", " ")
    assert "Traceback" not in command.log


def test_a_wrong_file_of_sources_keeps_the_application_from_starting(
    prepared: Start, tmp_path: Path
) -> None:
    (tmp_path / "sources.toml").write_text(SOURCES + 'late = "soon"\n')

    running = prepared("run")

    assert running.join() == 2
    assert "source 1 (portal): late:" in running.log
    assert "Traceback" not in running.log


def test_a_resource_without_a_meter_is_neither_simulated_nor_reported(prepared: Start) -> None:
    """The other one is: its source is that of the embedded VTN's fleets, the simulator."""
    running = prepared("run", "--once")

    assert running.join() == 0, running.log
    assert "delivered 1 readings in 1 reports" in running.log
