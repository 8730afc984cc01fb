"""Rows of VENs and resources that are taken out of the fleet, and of those that come back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, select, text

from app.fleet.model import THE_VEN, Status
from app.fleet.tables import resource_table, ven_table

REMOVED = {"status": Status.REMOVED.value}
PENDING = {"status": Status.PENDING.value}


def raise_revision(connection: Connection) -> int:
    """Part of every change of the fleet; the new revision."""
    raised = text("UPDATE fleet SET revision = revision + 1 RETURNING revision")
    return int(connection.execute(raised).scalar_one())


def named(ven_name: str, resource_name: str) -> Any:
    """The row of this resource."""
    key = select(ven_table.c.ven_key).where(ven_table.c.ven_name == ven_name)
    return and_(
        resource_table.c.ven_key == key.scalar_subquery(),
        resource_table.c.resource_name == resource_name,
    )


def take_out(connection: Connection, ven_name: str, resource_name: str) -> None:
    """REMOVED from now on: a resource, or THE_VEN with all that it has. ValueError: no such."""
    if resource_name == THE_VEN:
        connection.execute(resource_table.update().where(_of(ven_name)).values(**REMOVED))
        chosen = ven_table.update().where(ven_table.c.ven_name == ven_name)
    else:
        chosen = resource_table.update().where(named(ven_name, resource_name))
    if connection.execute(chosen.values(**REMOVED)).rowcount != 1:
        raise ValueError(none_such(ven_name, resource_name))
    raise_revision(connection)


def take_in(connection: Connection, ven_keys: Iterable[int], resource_keys: Iterable[int]) -> None:
    """What was on its way out and is imported again is to be enrolled: these resources; and these
    VENs, if they were, with all that they have but for resources that are removed by themselves."""
    was_removed = ven_table.c.status == REMOVED["status"]
    chosen = was_removed & ven_table.c.ven_key.in_(list(ven_keys))
    vens = connection.execute(select(ven_table.c.ven_name).where(chosen)).scalars().all()
    new = {**PENDING, "vtn_resource_id": None}  # it may be gone at the VTN already
    for key in resource_keys:
        connection.execute(
            resource_table.update().where(resource_table.c.resource_key == key).values(**new)
        )
        connection.execute(text(_FORGET_REMOVAL), {"key": key})
    for ven_name in vens:
        connection.execute(text(_TAKE_IN), {"ven_name": ven_name})
        connection.execute(
            ven_table.update()
            .where(ven_table.c.ven_name == ven_name)
            .values(**PENDING, vtn_ven_id=None)
        )
        connection.execute(
            text("DELETE FROM removal WHERE ven_name = :ven_name AND resource_name = ''"),
            {"ven_name": ven_name},
        )


def remove(connection: Connection, ven_name: str, resource_name: str) -> bool:
    """Forget a resource, or THE_VEN with all that it has; False: it was imported again meanwhile,
    and stays."""
    where = {"ven_name": ven_name, "resource_name": resource_name}
    if not connection.execute(text(_END_REMOVAL), where).rowcount:
        return False
    if resource_name == THE_VEN:
        connection.execute(resource_table.delete().where(_of(ven_name)))
        connection.execute(ven_table.delete().where(ven_table.c.ven_name == ven_name))
        statements = _FORGET_VEN
    else:
        connection.execute(resource_table.delete().where(named(ven_name, resource_name)))
        statements = _FORGET_RESOURCE
    for statement in statements:
        connection.execute(text(statement), where)
    raise_revision(connection)
    return True


def none_such(ven_name: str, resource_name: str) -> str:
    if resource_name == THE_VEN:
        return f"the fleet has no VEN {ven_name!r}"
    return f"VEN {ven_name!r} has no resource {resource_name!r}"


def _of(ven_name: str) -> Any:
    """All resources of a VEN."""
    keys = select(ven_table.c.ven_key).where(ven_table.c.ven_name == ven_name)
    return resource_table.c.ven_key.in_(keys)


_TAKE_IN = (
    "UPDATE resource SET status = 'PENDING', vtn_resource_id = NULL WHERE status = 'REMOVED'"
    " AND ven_key = (SELECT ven_key FROM ven WHERE ven_name = :ven_name)"
    " AND resource_name NOT IN (SELECT resource_name FROM removal WHERE ven_name = :ven_name)"
)
_END_REMOVAL = "DELETE FROM removal WHERE ven_name = :ven_name AND resource_name = :resource_name"
_FORGET_VEN: Sequence[str] = (
    "DELETE FROM removal WHERE ven_name = :ven_name",
    "DELETE FROM enrolled_again WHERE ven_name = :ven_name",
    "DELETE FROM opt_out WHERE ven_name = :ven_name",
    "DELETE FROM released WHERE ven_name = :ven_name",
)
_FORGET_RESOURCE: Sequence[str] = (
    "DELETE FROM enrolled_again WHERE ven_name = :ven_name AND resource_name = :resource_name",
    "DELETE FROM opt_out WHERE ven_name = :ven_name AND resource_name = :resource_name",
    "DELETE FROM released WHERE ven_name = :ven_name AND resource_name = :resource_name",
)
_FORGET_REMOVAL = (
    "DELETE FROM removal WHERE (ven_name, resource_name) IN (SELECT ven_name, resource_name"
    " FROM resource JOIN ven USING (ven_key) WHERE resource_key = :key)"
)
