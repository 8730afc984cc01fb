"""A fleet as a file: CSV with a row per resource, or JSON with a list of VENs."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import isodate

from app.fleet.errors import FleetFileError
from app.fleet.model import (
    ACTUATOR_FIELDS,
    DESCRIPTION_FIELDS,
    METER_FIELDS,
    VEN,
    Resource,
    ResourceKind,
    Status,
)
from app.openadr import normalized_name
from app.platform import TextFileError, iso_duration, read_text

COLUMNS = (
    *("ven_name", "resource_name"),
    *DESCRIPTION_FIELDS,
    *METER_FIELDS,
    *ACTUATOR_FIELDS,
    "status",
)
NUMBERS = tuple(name for name in COLUMNS if name.endswith(("_kw", "_kwh", "itude", "_per_min")))
DURATIONS = ("min_on", "min_off")
BLANK_IS_NONE = {"device": "", "actuator": "", "ramp_kw_per_min": 0.0} | dict.fromkeys(
    DURATIONS, timedelta(0)
)
"""A blank field says that there is none; a column that is missing says nothing."""
NO_TEXT = {"Cc": "control character", "Cs": "lone surrogate, half of a character,"}
FORMULA = re.compile(r'=\s*"|=\w+\(')
ROUNDED = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+")
"""A meter point that was taken for a number."""
IDS = ("meter_point_id", "device")
Fleet = dict[str, list[Resource]]


def read_fleet(path: Path) -> Fleet:
    """The VENs and resources of a .csv or .json file; FleetFileError names the first wrong line."""
    try:
        content = read_text(path)
    except TextFileError as error:
        raise FleetFileError(f"{path} {error}") from None
    rows = _json_rows(path, content) if path.suffix.lower() == ".json" else _csv_rows(path, content)
    fleet: Fleet = {}
    names: dict[str, str] = {}
    seen: dict[tuple[str, str], str] = {}
    for place, given_name, row in rows:
        try:
            ven_name = names.setdefault(
                normalized_name(given_name), VEN(ven_name=given_name).ven_name
            )
            resources = fleet.setdefault(ven_name, [])
            if row is None:
                continue
            resource = _resource(row)
        except (ValueError, TypeError) as error:
            raise FleetFileError(f"{path} {place}: {error}") from None
        before = seen.setdefault((ven_name, normalized_name(resource.resource_name)), place)
        if before != place:
            raise FleetFileError(
                f"{path} {place}: {ven_name!r} has {resource.resource_name!r} at {before} too"
            )
        resources.append(resource)
    return fleet


Rows = Iterable[tuple[str, str, Mapping[str, Any] | None]]


def _csv_rows(path: Path, content: str) -> Rows:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header = _header(path, next(reader, []))
        for fields in reader:
            place = f"line {reader.line_num}"
            if not any(fields):
                continue  # as spreadsheets leave them at the end
            if len(fields) < len(header) or any(fields[len(header) :]):
                raise FleetFileError(f"{path} {place}: has not as many fields as the header")
            row = dict(zip(header, fields, strict=False))
            yield place, row["ven_name"], row if row["resource_name"] or row["kind"] else None
    except csv.Error as error:
        raise FleetFileError(f"{path} line {reader.line_num}: {error}") from None


def _header(path: Path, fields: Sequence[str]) -> list[str]:
    """The columns; FleetFileError for what is none, or misses."""
    header = list(fields)
    while header and not header[-1]:
        header.pop()  # as spreadsheets leave them at the end
    if len(header) == 1 and ";" in header[0]:
        raise FleetFileError(f"{path} line 1: the columns stand apart by ';', but need ','")
    wrong = None
    for name in header:
        if header.count(name) > 1:
            wrong = f"column {name!r} stands twice"
        elif name.strip() in COLUMNS and name not in COLUMNS:
            wrong = f"column {name!r} has a space before or after its name"
        elif name not in COLUMNS:
            wrong = f"unknown column {name!r}"
    missing = [name for name in ("ven_name", "resource_name", "kind") if name not in header]
    if wrong is None and missing:
        wrong = f"no column {missing[0]!r}"
    if wrong is not None:
        raise FleetFileError(f"{path} line 1: {wrong}; the columns are {', '.join(COLUMNS)}")
    return header


def _json_rows(path: Path, content: str) -> Rows:
    try:
        vens = json.loads(content, object_pairs_hook=_each_key_once)
    except json.JSONDecodeError as error:
        raise FleetFileError(f"{path} line {error.lineno}: is not JSON") from None
    except RecursionError:
        raise FleetFileError(f"{path}: is nested too deep to be a fleet") from None
    except ValueError as error:
        raise FleetFileError(f"{path}: {error}") from None
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


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return entries


def _resource(row: Mapping[str, Any]) -> Resource:
    values: dict[str, Any] = {
        name: row[name] for name in COLUMNS[1:] if row.get(name) not in (None, "")
    }
    if "resource_name" not in values:
        raise ValueError("needs a resource_name")
    for name in NUMBERS:
        if name in values:
            values[name] = _number(name, values[name])
    values["kind"] = _one_of(ResourceKind, values.get("kind", ""), "kind")
    status = _one_of(Status, values.get("status", Status.PENDING), "status")
    if status is Status.REMOVED:
        raise ValueError("status REMOVED is what `fleet remove` gives; leave the row out")
    # Only an enrolment approves: the VTN may be another one.
    values["status"] = Status.PENDING if status is Status.APPROVED else status
    for name in DURATIONS:
        if name in values:
            values[name] = _duration(name, values[name])
    values |= {name: none for name, none in BLANK_IS_NONE.items() if row.get(name) == ""}
    for name in ("resource_name", "meter_point_id", "address", *METER_FIELDS, "actuator"):
        if name in values:
            values[name] = _text(name, values[name])
    return Resource(**values)


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} {str(value)[:40]!r} is not a number") from None
    except OverflowError:
        raise ValueError(f"{name} is a number of {len(str(value))} digits") from None


def _duration(name: str, value: Any) -> timedelta:
    try:
        return iso_duration(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _text(name: str, value: Any) -> str:
    """A text; what a spreadsheet made of one is refused, since nobody can tell what it was."""
    if isinstance(value, int) and not isinstance(value, bool) and name in IDS:
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} {str(value)[:40]!r} is not a text")
    odd = next((char for char in value if unicodedata.category(char) in NO_TEXT), None)
    if odd is not None:
        raise ValueError(f"{name} has a {NO_TEXT[unicodedata.category(odd)]} in it")
    if FORMULA.match(value):
        raise ValueError(f"{name} {value[:40]!r} is a formula of a spreadsheet; save its value")
    if name in IDS and ROUNDED.fullmatch(value):
        raise ValueError(
            f"{name} {value!r} was rounded by a spreadsheet; give the column the format text"
        )
    return value


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
    values = {name: getattr(resource, name) for name in COLUMNS[1:]}
    return values | {
        name: isodate.duration_isoformat(values[name]) if values[name] else "" for name in DURATIONS
    }
