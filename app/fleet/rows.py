"""Rows of the fleet's tables: how they are chosen, and what they become."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, literal_column, select, union_all

from app.fleet.model import DESCRIPTION_FIELDS, VEN, Resource, ResourceKind, Status, VenSummary
from app.fleet.tables import resource_table, ven_table


def to_ven(row: Row[Any]) -> VEN:
    return VEN(ven_name=row.ven_name, status=Status(row.status), vtn_ven_id=row.vtn_ven_id)


def to_resource(row: Row[Any]) -> Resource:
    return Resource(
        resource_name=row.resource_name,
        kind=ResourceKind(row.kind),
        meter_point_id=row.meter_point_id,
        latitude=row.latitude,
        longitude=row.longitude,
        address=row.address,
        power_min_kw=row.power_min_kw,
        power_max_kw=row.power_max_kw,
        energy_min_kwh=row.energy_min_kwh,
        energy_max_kwh=row.energy_max_kwh,
        status=Status(row.status),
        vtn_resource_id=row.vtn_resource_id,
        source=row.source,
        device=row.device,
        actuator=row.actuator,
        ramp_kw_per_min=row.ramp_kw_per_min,
        min_on=timedelta(seconds=row.min_on_s),
        min_off=timedelta(seconds=row.min_off_s),
    )


def description(resource: Resource) -> dict[str, Any]:
    values = {field: getattr(resource, field) for field in DESCRIPTION_FIELDS}
    return {**values, "kind": resource.kind.value}


def not_for_the_vtn(resource: Resource) -> dict[str, Any]:
    """What is said of its meter and of its orders."""
    values = {
        "source": resource.source,
        "device": resource.device,
        "actuator": resource.actuator,
        "ramp_kw_per_min": resource.ramp_kw_per_min,
        "min_on_s": _seconds(resource.min_on),
        "min_off_s": _seconds(resource.min_off),
    }
    return {name: value for name, value in values.items() if value is not None}


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else round(duration.total_seconds())


def pending(query: Select[Any]) -> Select[Any]:
    """Of the VENs those that are to be enrolled, or have a resource that is."""
    owed = union_all(
        select(ven_table.c.ven_key).where(_is(ven_table.c.status, Status.PENDING)),
        select(resource_table.c.ven_key).where(_is(resource_table.c.status, Status.PENDING)),
    )
    taken_out = (Status.SUSPENDED.value, Status.REMOVED.value)
    return query.where(ven_table.c.ven_key.in_(owed), ven_table.c.status.not_in(taken_out))


def summaries(connection: Connection, vens: Select[Any]) -> list[VenSummary]:
    """Of these VENs, by name, with the number of their resources by status."""
    chosen = vens.subquery()

    def count(*which: Any) -> Any:
        own = resource_table.c.ven_key == chosen.c.ven_key
        return select(func.count()).select_from(resource_table).where(own, *which).scalar_subquery()

    query = select(
        chosen,
        count().label("resources"),
        count(_is(resource_table.c.status, Status.PENDING)).label("pending"),
        count(_is(resource_table.c.status, Status.SUSPENDED)).label("suspended"),
        count(_is(resource_table.c.status, Status.REMOVED)).label("removed"),
    ).order_by(chosen.c.ven_name)
    return [
        VenSummary(
            ven=to_ven(row),
            resources=row.resources,
            approved=row.resources - row.pending - row.suspended - row.removed,
            pending=row.pending,
            suspended=row.suspended,
        )
        for row in connection.execute(query)
    ]


def _is(column: Any, status: Status) -> Any:
    """That a status other than APPROVED is this one.

    In the words of the indexes on what is not approved, or they would not serve.
    """
    return and_(column != literal_column("'APPROVED'"), column == status.value)
