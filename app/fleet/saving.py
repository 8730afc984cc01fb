"""Stores VENs and resources as a file or an operator describes them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, text

from app.fleet.model import SIMULATOR, Resource, Status
from app.fleet.rows import description, not_for_the_vtn
from app.fleet.tables import resource_table, ven_table
from app.fleet.taken_out import raise_revision, take_in
from app.openadr import normalized_name
from app.platform import Progress

logger = logging.getLogger(__name__)
CHUNK = 500
WHERE_NOT_SAID = {
    "device": "",
    "actuator": "",
    "ramp_kw_per_min": 0.0,
    "min_on_s": 0,
    "min_off_s": 0,
}
"""Of a new resource."""


def save_fleet(
    connection: Connection,
    fleet: Mapping[str, Sequence[Resource]],
    *,
    default_source: str,
    progress: Progress,
) -> int:
    """Add and change what is described; how many resources are new.

    `default_source`: of new ones that say none. ValueError: two would have the same meter.
    """
    spelled = spellings(connection.execute(select(ven_table.c.ven_name)).scalars())
    keys = {
        name: _ensure_ven(connection, spelled.get(normalized_name(name), name)) for name in fleet
    }
    known: dict[int, dict[str, Row[Any]]] = defaultdict(dict)
    if any(fleet.values()):
        for row in connection.execute(select(resource_table)):
            known[row.ven_key][normalized_name(row.resource_name)] = row
    added: list[dict[str, Any]] = []
    changed: list[tuple[int, dict[str, Any], bool]] = []
    back: list[int] = []
    for ven_name, resources in fleet.items():
        ven_key = keys[ven_name]
        for resource in resources:
            before = known[ven_key].get(normalized_name(resource.resource_name))
            described, own = description(resource), not_for_the_vtn(resource)
            if before is None:
                added.append(
                    {
                        **WHERE_NOT_SAID,
                        "source": default_source,
                        **described,
                        **own,
                        "ven_key": ven_key,
                        "resource_name": resource.resource_name,
                        "status": resource.status.value,
                        "vtn_resource_id": resource.vtn_resource_id,
                    }
                )
                continue
            back += [before.resource_key] if before.status == Status.REMOVED.value else []
            is_other = _differs(before, described)
            if is_other or _differs(before, own):
                changed.append((before.resource_key, {**described, **own}, is_other))
    take_in(connection, keys.values(), back)
    revision = raise_revision(connection)
    total = len(added) + len(changed)
    for number, chunk in enumerate(_chunks(added)):
        connection.execute(resource_table.insert(), chunk)
        progress(number * CHUNK + len(chunk), total)
    for number, (key, values, is_other) in enumerate(changed, start=1):
        if is_other:  # the VTN is told
            values["changed_revision"] = revision
        chosen = resource_table.c.resource_key == key
        connection.execute(resource_table.update().where(chosen).values(**values))
        if number % CHUNK == 0 or number == len(changed):
            progress(len(added) + number, total)
    if any(row["source"] != SIMULATOR for row in added) or changed:
        _refuse_shared_meters(connection)
    return len(added)


def _differs(before: Row[Any], values: Mapping[str, Any]) -> bool:
    return any(getattr(before, field) != value for field, value in values.items())


def _refuse_shared_meters(connection: Connection) -> None:
    shared = connection.execute(text(_SHARED_METERS)).first()
    if shared is not None:
        raise shared_meter(shared.source, shared.meter, shared.first, shared.second)


def shared_meter(source: str, meter: str, first: str, second: str) -> ValueError:
    """That two resources, `VEN/resource`, would have one meter."""
    return ValueError(
        f"source {source!r} would have the device {meter!r} for two resources, {first} and"
        f" {second}; the column device tells them apart"
    )


_SHARED_METERS = """
    SELECT source, meter, min(name) AS first, max(name) AS second FROM (
        SELECT source, ven.ven_name || '/' || resource_name AS name, CASE
            WHEN device <> '' THEN device WHEN meter_point_id <> '' THEN meter_point_id
            ELSE resource_name END AS meter
        FROM resource JOIN ven ON ven.ven_key = resource.ven_key
        WHERE source <> 'simulator' AND source <> 'none' AND resource.status <> 'REMOVED'
    ) AS metered GROUP BY source, meter HAVING count(*) > 1 LIMIT 1"""


def spellings(names: Iterable[str]) -> dict[str, str]:
    """How what is there is spelled, by the form in which names are compared.

    Two that are one in that form stay two: they are named, and left as they are.
    """
    ids: dict[str, str] = {}
    for name in names:
        other = ids.setdefault(normalized_name(name), name)
        if other != name:
            logger.warning("two VENs are both named %s: one of them should be removed", name)
    return ids


def _ensure_ven(connection: Connection, ven_name: str) -> int:
    query = select(ven_table.c.ven_key).where(ven_table.c.ven_name == ven_name)
    key = connection.execute(query).scalar_one_or_none()
    if key is None:
        connection.execute(
            ven_table.insert(), {"ven_name": ven_name, "status": Status.PENDING.value}
        )
        key = connection.execute(query).scalar_one()
    return int(key)


def _chunks(rows: Sequence[dict[str, Any]]) -> Iterable[Sequence[dict[str, Any]]]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
