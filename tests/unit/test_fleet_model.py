"""VENs and resources: limits, attributes, the sample, and fleets as files."""

from __future__ import annotations

import string
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.fleet import (
    VEN,
    FleetFileError,
    Resource,
    ResourceKind,
    Status,
    read_fleet,
    sample_fleet,
    write_csv,
    write_json,
)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"power_min_kw": 5.0, "power_max_kw": 3.0}, "power_min_kw 5 is above power_max_kw 3"),
        ({"energy_min_kwh": 5.0, "energy_max_kwh": 3.0}, "energy_min_kwh"),
        ({"energy_min_kwh": -1.0}, "negative"),
        ({"power_max_kw": float("nan")}, "finite"),
        ({"kind": ResourceKind.BATTERY}, "BATTERY"),
        ({"latitude": 55.0}, "longitude"),
        ({"latitude": 95.0, "longitude": 9.0}, "latitude"),
        ({"latitude": 55.0, "longitude": 190.0}, "longitude"),
        ({"resource_name": ""}, "resource_name"),
        ({"resource_name": "x" * 129}, "resource_name"),
        ({"resource_name": "a\nb"}, "resource_name"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Resource(**{"resource_name": "r", "kind": ResourceKind.PV, **fields})


def test_attributes_use_the_types_of_the_specification() -> None:
    battery = Resource(
        resource_name="b",
        kind=ResourceKind.BATTERY,
        meter_point_id="571313",
        latitude=55.5,
        longitude=9.5,
        address="Havnevej 1",
        power_min_kw=-5.0,
        power_max_kw=4.0,
        energy_max_kwh=10.0,
    )

    attributes = battery.attributes()

    assert attributes["LOCATION"] == [9.5, 55.5]
    assert attributes["MAX_POWER_CONSUMPTION"] == [4.0]
    assert attributes["MAX_POWER_EXPORT"] == [5.0]
    assert attributes["DESCRIPTION"] == ["BATTERY, Havnevej 1"]
    assert attributes["METER_POINT_ID"] == ["571313"]


def test_the_sample_is_ten_danish_towns_of_twenty_resources_of_every_kind() -> None:
    fleet = sample_fleet(vens=10, resources_per_ven=20)

    assert list(fleet)[:3] == ["Aalborg", "Aarhus", "Esbjerg"]
    assert all(name.isascii() for name in fleet)
    assert {len(resources) for resources in fleet.values()} == {20}
    for resources in fleet.values():
        assert {resource.kind for resource in resources} == set(ResourceKind)
        assert all(
            resource.address and resource.meter_point_id and resource.latitude
            for resource in resources
        )
    assert fleet == sample_fleet(vens=10, resources_per_ven=20)


def test_meter_points_are_gsrns_and_differ() -> None:
    ids = [
        resource.meter_point_id
        for resources in sample_fleet(vens=30, resources_per_ven=20).values()
        for resource in resources
    ]

    assert len(set(ids)) == len(ids)
    for gsrn in ids:
        digits = [int(digit) for digit in gsrn]
        weighted = sum(d * (3, 1)[place % 2] for place, d in enumerate(digits[:-1]))
        assert len(digits) == 18
        assert (weighted + digits[-1]) % 10 == 0


def test_more_vens_than_towns_get_numbers() -> None:
    assert list(sample_fleet(vens=12, resources_per_ven=1))[-2:] == ["Aalborg-2", "Aarhus-2"]


NAMES = st.text(string.ascii_letters + string.digits + " ,;\"'æøå{}%-_", min_size=1, max_size=20)
NAMES = NAMES.filter(lambda name: name == name.strip())
KW = st.floats(0, 1e4, allow_nan=False)
RESOURCES = st.builds(
    Resource,
    resource_name=NAMES,
    kind=st.sampled_from([kind for kind in ResourceKind if kind is not ResourceKind.BATTERY]),
    meter_point_id=st.text(string.digits, max_size=18),
    address=NAMES,
    power_min_kw=KW.map(lambda kw: -kw),
    power_max_kw=KW,
    energy_max_kwh=KW,
    status=st.sampled_from([Status.PENDING, Status.SUSPENDED]),
    source=st.sampled_from(["simulator", "none", "plant-1"]),
    device=st.sampled_from(["", "0x00158d", "HAN 7"]),
    actuator=st.sampled_from(["", "homes"]),
    ramp_kw_per_min=st.sampled_from([0.0, 1.5]),
    min_on=st.sampled_from([timedelta(0), timedelta(minutes=10)]),
    min_off=st.sampled_from([timedelta(0), timedelta(seconds=90)]),
)
FLEETS = st.dictionaries(
    NAMES, st.lists(RESOURCES, max_size=3, unique_by=lambda each: each.resource_name), max_size=3
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(FLEETS)
def test_an_exported_fleet_reads_back(tmp_path: Path, fleet: dict[str, list[Resource]]) -> None:
    for suffix, write in ((".csv", write_csv), (".json", write_json)):
        path = tmp_path / f"fleet{suffix}"
        path.write_text(write(fleet), encoding="utf-8")

        assert read_fleet(path) == fleet


def test_a_file_does_not_approve(tmp_path: Path) -> None:
    path = tmp_path / "fleet.csv"
    path.write_text("ven_name,resource_name,kind,status\nA,r,pv,APPROVED\n")

    assert read_fleet(path)["A"][0].status is Status.PENDING


HEAD = "ven_name,resource_name,kind,power_min_kw,power_max_kw\n"


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("f.csv", HEAD + "A,r1,PV,0,1\nA,r2,PV,5,1\n", "line 3: power_min_kw 5"),
        ("f.csv", HEAD + "A,r1,PV,0,lots\n", "line 2: power_max_kw 'lots' is not a number"),
        ("f.csv", HEAD + "A,r1,TOASTER,0,1\n", "line 2: kind 'TOASTER' is unknown"),
        ("f.csv", HEAD + "A,r1,PV,0\n", "line 2: has not as many fields"),
        ("f.csv", HEAD + "A,r1,PV,0,1,9\n", "line 2: has not as many fields"),
        ("f.csv", HEAD + ",r1,PV,0,1\n", "line 2: ven_name"),
        ("f.csv", HEAD + "A,,PV,0,1\n", "line 2: needs a resource_name"),
        ("f.csv", HEAD + "A,r1,PV,0,1\nA,r1,PV,0,1\n", "line 3: .* at line 2 too"),
        ("f.csv", "ven_name;resource_name;kind\n", "need ','"),
        ("f.csv", "ven,kind\n", "line 1: unknown column 'ven'"),
        ("f.csv", "ven_name,kind\n", "line 1: no column 'resource_name'"),
        ("f.csv", HEAD + 'A,"r1,PV,0,1\n', "line"),
        ("f.json", "[\n{]", "line 2: is not JSON"),
        ("f.json", "{}", "must be a list"),
        ("f.json", '[{"name": "A"}]', "VEN 1: needs a ven_name"),
        ("f.json", '[{"ven_name": "A", "resources": 3}]', "must be a list"),
        ("f.json", '[{"ven_name": "A", "resources": [3]}]', "must be an object"),
        (
            "f.json",
            '[{"ven_name": "A", "resources": [{"resource_name": "r", "kind": "PV", "x": 1}]}]',
            "unknown field 'x'",
        ),
    ],
)
def test_a_broken_row_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, named: str
) -> None:
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(FleetFileError, match=named) as caught:
        read_fleet(path)

    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetFileError, match="missing"):
        read_fleet(tmp_path / "missing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FleetFileError, match="UTF-8"):
        read_fleet(tmp_path / "bytes.csv")


def test_a_ven_needs_a_name() -> None:
    with pytest.raises(ValueError, match="ven_name"):
        VEN(ven_name=" ")
