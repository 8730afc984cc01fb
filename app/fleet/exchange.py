"""A fleet as a file: CSV with a row per resource, or JSON with a list of VENs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from app.fleet.model import VEN, Resource, ResourceKind, Status

COLUMNS = (
    "ven_name",
    "resource_name",
    "kind",
    "meter_point_id",
    "latitude",
    "longitude",
    "address",
    "power_min_kw",
    "power_max_kw",
    "energy_min_kwh",
    "energy_max_kwh",
    "status",
)
NUMBERS = tuple(name for name in COLUMNS if name.endswith(("_kw", "_kwh", "itude")))
Fleet = dict[str, list[Resource]]


class FleetFileError(ValueError):
    """A fleet file that cannot be read; the message names file and line."""


def read_fleet(path: Path) -> Fleet:
    """The VENs and resources of a .csv or .json file; FleetFileError names the first wrong line."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise FleetFileError(f"{path} cannot be read: {reason}") from None
    rows = _json_rows(path, content) if path.suffix.lower() == ".json" else _csv_rows(path, content)
    fleet: Fleet = {}
    seen: dict[tuple[str, str], str] = {}
    for place, ven_name, row in rows:
        try:
            resources = fleet.setdefault(VEN(ven_name=ven_name).ven_name, [])
            if row is None:
                continue
            resource = _resource(row)
        except (ValueError, TypeError) as error:
            raise FleetFileError(f"{path} {place}: {error}") from None
        before = seen.setdefault((ven_name, resource.resource_name), place)
        if before != place:
            raise FleetFileError(
                f"{path} {place}: {ven_name!r} has {resource.resource_name!r} at {before} too"
            )
        resources.append(resource)
    return fleet


Rows = Iterable[tuple[str, str, Mapping[str, Any] | None]]


def _csv_rows(path: Path, content: str) -> Rows:
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        header = reader.fieldnames or []
        unknown = [name for name in header if name not in COLUMNS]
        missing = [name for name in ("ven_name", "resource_name", "kind") if name not in header]
        if len(header) == 1 and ";" in header[0]:
            raise FleetFileError(f"{path} line 1: the columns stand apart by ';', but need ','")
        if unknown or missing:
            wrong = f"unknown column {unknown[0]!r}" if unknown else f"no column {missing[0]!r}"
            raise FleetFileError(f"{path} line 1: {wrong}; the columns are {', '.join(COLUMNS)}")
        for row in reader:
            place = f"line {reader.line_num}"
            if None in row or None in row.values():
                raise FleetFileError(f"{path} {place}: has not as many fields as the header")
            yield place, row["ven_name"], row if row["resource_name"] or row["kind"] else None
    except csv.Error as error:
        raise FleetFileError(f"{path} line {reader.line_num}: {error}") from None


def _json_rows(path: Path, content: str) -> Rows:
    try:
        vens = json.loads(content)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise FleetFileError(f"{path} line {line}: is not JSON") from None
    if not isinstance(vens, list):
        raise FleetFileError(f"{path} line 1: must be a list of VENs")
    for number, ven in enumerate(vens, 1):
        if not isinstance(ven, dict) or not isinstance(ven.get("ven_name"), str):
            raise FleetFileError(f"{path} VEN {number}: needs a ven_name")
        resources = ven.get("resources", [])
        if not isinstance(resources, list):
            raise FleetFileError(f"{path} VEN {number}: resources must be a list")
        yield f"VEN {number}", ven["ven_name"], None
        for place, row in enumerate(resources, 1):
            where = f"VEN {number} ({ven['ven_name']}), resource {place}"
            if not isinstance(row, dict):
                raise FleetFileError(f"{path} {where}: must be an object")
            unknown = [name for name in row if name not in COLUMNS[1:]]
            if unknown:
                raise FleetFileError(f"{path} {where}: unknown field {unknown[0]!r}")
            yield where, ven["ven_name"], row


def _resource(row: Mapping[str, Any]) -> Resource:
    values: dict[str, Any] = {
        name: row[name] for name in COLUMNS[1:] if row.get(name) not in (None, "")
    }
    if "resource_name" not in values:
        raise ValueError("needs a resource_name")
    for name in NUMBERS:
        if name in values:
            try:
                values[name] = float(values[name])
            except (TypeError, ValueError):
                raise ValueError(f"{name} {values[name]!r} is not a number") from None
    values["kind"] = _one_of(ResourceKind, values.get("kind", ""), "kind")
    status = _one_of(Status, values.get("status", Status.PENDING), "status")
    # Only an enrolment approves: the VTN may be another one.
    values["status"] = Status.PENDING if status is Status.APPROVED else status
    for name in ("resource_name", "meter_point_id", "address"):
        if name in values:
            values[name] = str(values[name])
    return Resource(**values)


def _one_of(enum: Any, value: Any, field: str) -> Any:
    try:
        return enum(str(value).strip().upper().replace("-", "_").replace(" ", "_"))
    except ValueError:
        known = ", ".join(enum)
        raise ValueError(f"{field} {value!r} is unknown; known are {known}") from None


def write_csv(fleet: Mapping[str, Iterable[Resource]]) -> str:
    """The fleet as `read_fleet` reads it."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for ven_name, resources in fleet.items():
        rows = [_row(resource) for resource in resources]
        for row in rows or [{}]:
            writer.writerow({"ven_name": ven_name, **row})
    return stream.getvalue()


def write_json(fleet: Mapping[str, Iterable[Resource]]) -> str:
    """The fleet as `read_fleet` reads it."""
    vens = [
        {"ven_name": name, "resources": [_row(resource) for resource in resources]}
        for name, resources in fleet.items()
    ]
    return json.dumps(vens, indent=1, ensure_ascii=False) + "\n"


def _row(resource: Resource) -> dict[str, Any]:
    return {name: getattr(resource, name) for name in COLUMNS[1:]}
