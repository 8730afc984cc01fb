"""Fleet files as people and spreadsheets make them: read, or refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.fleet import FleetFileError, read_fleet
from tests.support.openapi import FILES, VARIABLE

HEADER = "ven_name,resource_name,kind,meter_point_id,power_max_kw"


def read(tmp_path: Path, content: str | bytes, kind: str = "csv") -> dict[str, Any]:
    path = tmp_path / f"fleet.{kind}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_fleet(path)


def refused(tmp_path: Path, content: str | bytes, kind: str = "csv") -> str:
    """The line that says why."""
    with pytest.raises(FleetFileError) as caught:
        read(tmp_path, content, kind)
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    return line


def resource(**fields: Any) -> str:
    made = {"resource_name": "r", "kind": "PV", **fields}
    return json.dumps([{"ven_name": "A", "resources": [made]}])


class TestCsv:
    def test_blank_rows_and_columns_at_the_end_are_skipped(self, tmp_path: Path) -> None:
        rows = [f"{HEADER},,", "A,r,PV,5713,5,,", ",,,,,,", "", "B,r,PV,5714,5,,"]

        fleet = read(tmp_path, "\r\n".join(rows))

        assert list(fleet) == ["A", "B"]

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("A,r,PV,5.71313E+17,5", "'5.71313E+17' was rounded by a spreadsheet"),
            ('A,r,PV,"5,71313E+17",5', "'5,71313E+17' was rounded by a spreadsheet"),
            ('A,r,PV,"=""5713""",5', "is a formula of a spreadsheet"),
            ('A,"=""r""",PV,1,5', "is a formula of a spreadsheet"),
            ("A ,r,PV,1,5", "ven_name 'A ' has a space before or after it"),
            ("A, r,PV,1,5", "resource_name ' r' has a space before or after it"),
            ("A,r,PV,1,1e30", "power_max_kw 1e+30 is more than any device has"),
            ("A,r,PV,1,1e400", "must be finite"),
            ("A,r,PV,1,nan", "must be finite"),
            (f"A,r,PV,1,{'9' * 400}", "must be finite"),
            ("A,r,PV,1", "has not as many fields as the header"),
            ("A,r,PV,1,5,6", "has not as many fields as the header"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, tmp_path: Path, row: str, words: str) -> None:
        line = refused(tmp_path, f"{HEADER}\n{row}\n")

        assert words in line
        assert "line 2" in line

    @pytest.mark.parametrize(
        ("header", "words"),
        [
            (f"{HEADER},kind", "column 'kind' stands twice"),
            (f"{HEADER}, address", "column ' address' has a space before or after its name"),
            (f"{HEADER},,address", "column"),
            ("ven_name;resource_name", "stand apart by ';'"),
        ],
    )
    def test_a_header_that_is_none(self, tmp_path: Path, header: str, words: str) -> None:
        assert words in refused(tmp_path, f"{header}\n")

    def test_one_name_in_two_forms_is_one(self, tmp_path: Path) -> None:
        composed, apart = "\u00c5rhus", "A\u030arhus"

        fleet = read(tmp_path, f"{HEADER}\n{composed},r1,PV,1,5\n{apart},r2,PV,2,5\n")

        assert {name: len(resources) for name, resources in fleet.items()} == {composed: 2}
        line = refused(tmp_path, f"{HEADER}\n{composed},r,PV,1,5\n{apart},r,PV,2,5\n")
        assert "has 'r' at line 2 too" in line


class TestJson:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"power_max_kw": True}, "power_max_kw 'True' is not a number"),
            ({"power_max_kw": 10**400}, "power_max_kw is a number of 401 digits"),
            ({"power_max_kw": 1e30}, "is more than any device has"),
            ({"power_max_kw": [5]}, "is not a number"),
            ({"address": {"street": "x"}}, "address \"{'street': 'x'}\" is not a text"),
            ({"meter_point_id": 5.7e17}, "meter_point_id '5.7e+17' is not a text"),
            ({"meter_point_id": True}, "is not a text"),
            ({"resource_name": 5}, "is not a text"),
            ({"status": "REMOVED"}, "`fleet remove`"),
            ({"resource_name": "\ud800"}, "lone surrogate"),
            ({"address": "a\0b"}, "control character"),
            ({"address": "\ud800"}, "lone surrogate"),
            ({"actuator": "a b"}, "actuator 'a b' is no name of an actuator"),
            ({"ramp_kw_per_min": -1}, "ramp_kw_per_min -1 is not from 0"),
            ({"min_on": "soon"}, "min_on 'soon' is no duration such as PT5M"),
            ({"min_on": 5}, "min_on '5' is no duration"),
            ({"min_off": "P2D"}, "min_off is not from PT0S to P1D"),
            ({"min_off": "-PT2M"}, "min_off '-PT2M' is no duration"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(
        self, tmp_path: Path, fields: dict[str, Any], words: str
    ) -> None:
        line = refused(tmp_path, resource(**fields), "json")

        assert words in line
        assert "VEN 1 (A), resource 1" in line

    def test_a_whole_number_is_a_meter_point(self, tmp_path: Path) -> None:
        (found,) = read(tmp_path, resource(meter_point_id=571313170000000017), "json")["A"]

        assert found.meter_point_id == "571313170000000017"

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ('[{"ven_name": "A", "ven_name": "B"}]', "'ven_name' stands twice in one object"),
            ("[" * 100_000, "nested too deep"),
            ('{"a":' * 100_000, "nested too deep"),
            ("[{]", "line 1: is not JSON"),
            ("9" * 5000, "must be a list of VENs|is not JSON|digits"),
        ],
        ids=["a key twice", "lists", "objects", "no JSON", "a long number"],
    )
    def test_a_file_that_is_none(self, tmp_path: Path, content: str, words: str) -> None:
        line = refused(tmp_path, content, "json")

        assert any(word in line for word in words.split("|"))


FIELD = Path(os.environ.get(VARIABLE, FILES)).parent / "field"
"""Inputs that failed once."""


@pytest.mark.skipif(not FIELD.is_dir(), reason=f"{FIELD} is not there")
class TestFilesOfTheField:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("big-int.json", "digits"),
            ("deep.json", "nested too deep"),
            ("excel-formula.csv", "formula"),
            ("huge-power.csv", "more than any device has"),
            ("scientific.csv", "rounded by a spreadsheet"),
            ("twice-key.json", "stands twice"),
        ],
    )
    def test_refused(self, name: str, words: str) -> None:
        with pytest.raises(FleetFileError, match=words):
            read_fleet(FIELD / name)

    def test_blank_rows_at_the_end(self) -> None:
        fleet = read_fleet(FIELD / "trailing-empty-rows.csv")

        assert [len(resources) for resources in fleet.values()] == [1]
