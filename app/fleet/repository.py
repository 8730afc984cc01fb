"""The fleet in the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import func, literal_column, select, text

from app.fleet.model import NOT_METERED, SIMULATOR, VEN, Resource, Status, VenSummary
from app.fleet.rows import pending, summaries, to_resource, to_ven
from app.fleet.saving import CHUNK, save_fleet, spellings
from app.fleet.tables import resource_table, ven_table
from app.fleet.taken_out import named, none_such, raise_revision
from app.openadr import normalized_name
from app.platform import THE_FLEET, Database, Progress, Shard, no_progress

T = TypeVar("T")


class FleetRepository:
    """VENs and resources of one shard. Every change raises `revision`, also for other processes to
    see."""

    def __init__(
        self, database: Database, *, default_source: str = SIMULATOR, shard: Shard = THE_FLEET
    ) -> None:
        self._database = database
        self._default_source = default_source
        self._shard = shard

    def own(self, fleet: Mapping[str, T]) -> dict[str, T]:
        """Of these VENs, by name, those that are in this shard."""
        return {name: value for name, value in fleet.items() if self._shard.has(name)}

    def revision(self) -> int:
        """A number that rises with every change of the fleet, whoever made it."""
        with self._database.read() as connection:
            return int(connection.execute(text("SELECT revision FROM fleet")).scalar_one())

    def vens(self) -> list[VEN]:
        """All VENs, by name."""
        query = select(ven_table).order_by(ven_table.c.ven_name)
        with self._database.read() as connection:
            return [to_ven(row) for row in connection.execute(query)]

    def is_empty(self) -> bool:
        """Whether there is no VEN."""
        return not self.count()

    def count(self) -> int:
        """How many VENs there are."""
        with self._database.read() as connection:
            query = select(func.count()).select_from(ven_table)
            return int(connection.execute(query).scalar_one())

    def ven_names(self) -> list[str]:
        """The names of all VENs, in order."""
        query = select(ven_table.c.ven_name).order_by(ven_table.c.ven_name)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def ven(self, ven_name: str) -> VEN | None:
        query = select(ven_table).where(ven_table.c.ven_name == ven_name)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else to_ven(row)

    def resources(
        self, ven_name: str | None = None, *, status: Status | None = None
    ) -> Iterator[tuple[str, Resource]]:
        """(VEN's name, resource), by VEN and resource name; of one VEN and status, or of all."""
        query = (
            select(resource_table, ven_table.c.ven_name)
            .join(ven_table)
            .order_by(ven_table.c.ven_name, resource_table.c.resource_name)
        )
        if ven_name is not None:
            query = query.where(ven_table.c.ven_name == ven_name)
        if status is not None:
            query = query.where(resource_table.c.status == status.value)
        with (
            self._database.read() as connection,
            connection.execute(query, execution_options={"yield_per": CHUNK}) as rows,
        ):
            for row in rows:
                yield row.ven_name, to_resource(row)

    def resource(self, ven_name: str, resource_name: str) -> Resource | None:
        """One resource of a VEN."""
        query = (
            select(resource_table)
            .join(ven_table)
            .where(
                ven_table.c.ven_name == ven_name, resource_table.c.resource_name == resource_name
            )
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else to_resource(row)

    def actuator_of(self, ven_name: str, resource_name: str) -> str | None:
        """By which actuator a resource is given orders, be it suspended; None: by none."""
        resource = self.resource(ven_name, resource_name)
        return None if resource is None else resource.actuator or None

    def enrolled_resources(self, ven_names: Sequence[str]) -> dict[str, dict[str, str]]:
        """The VTN's id of each resource of these VENs that is enrolled, by VEN and name."""
        query = (
            select(
                ven_table.c.ven_name,
                resource_table.c.resource_name,
                resource_table.c.vtn_resource_id,
            )
            .join(ven_table)
            .where(
                ven_table.c.ven_name.in_(ven_names),
                _goes_on(),
                resource_table.c.vtn_resource_id.is_not(None),
            )
        )
        found: dict[str, dict[str, str]] = {}
        with self._database.read() as connection:
            for ven_name, resource_name, vtn_id in connection.execute(query):
                found.setdefault(ven_name, {})[resource_name] = vtn_id
        return found

    def page_of_resources(
        self, ven_name: str, *, skip: int, limit: int
    ) -> tuple[list[Resource], int]:
        """Some of a VEN's resources, by name, and how many it has."""
        own = select(resource_table).join(ven_table).where(ven_table.c.ven_name == ven_name)
        page = own.order_by(resource_table.c.resource_name).offset(skip).limit(limit)
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(own.subquery()))
            return [to_resource(row) for row in connection.execute(page)], int(total.scalar_one())

    def summaries(self) -> list[VenSummary]:
        """Every VEN with the number of its resources by status."""
        with self._database.read() as connection:
            return summaries(connection, select(ven_table))

    def page_of_summaries(
        self,
        *,
        skip: int,
        limit: int,
        search: str = "",
        only: Collection[str] | None = None,
    ) -> tuple[list[VenSummary], int]:
        """Some of the VENs, by name, and how many there are whose name holds `search`.

        `only`: of these names.
        """
        if not search.isprintable():
            return [], 0  # no name is so, and not every database takes a zero byte
        query = select(ven_table)
        if search:
            query = query.where(ven_table.c.ven_name.icontains(search, autoescape=True))
        if only is not None:
            names = sorted(name for name in only if name.isprintable())
            query = query.where(ven_table.c.ven_name.in_(names))
        page = query.order_by(ven_table.c.ven_name).offset(skip).limit(limit)
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(query.subquery()))
            return summaries(connection, page), int(total.scalar_one())

    def pending_vens(self) -> list[VEN]:
        """VENs that are not enrolled, or have resources that are not, by name."""
        query = pending(select(ven_table)).order_by(ven_table.c.ven_name)
        with self._database.read() as connection:
            return [to_ven(row) for row in connection.execute(query)]

    def is_pending(self, ven_name: str) -> bool:
        """Whether the VEN is to be enrolled, or has a resource that is."""
        query = pending(select(ven_table.c.ven_key)).where(ven_table.c.ven_name == ven_name)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def count_pending_vens(self) -> int:
        """How many they are; for who asks often."""
        query = pending(select(func.count()).select_from(ven_table))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def changed_vens(self) -> list[str]:
        """The names of VENs with resources that are enrolled and were changed since."""
        query = (
            select(ven_table.c.ven_name)
            .join(resource_table)
            .where(resource_table.c.changed_revision != 0, _goes_on())
            .distinct()
            .order_by(ven_table.c.ven_name)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def changed_resources(self, ven_name: str) -> list[tuple[Resource, int]]:
        """Those of a VEN, each with the fleet's revision when it was changed last."""
        query = (
            select(resource_table)
            .join(ven_table)
            .where(
                ven_table.c.ven_name == ven_name,
                resource_table.c.changed_revision != 0,
                _goes_on(),
            )
            .order_by(resource_table.c.resource_name)
        )
        with self._database.read() as connection:
            return [(to_resource(row), row.changed_revision) for row in connection.execute(query)]

    def mark_told(self, ven_name: str, resource_name: str, revision: int) -> None:
        """The VTN knows the resource as it was at this revision of the fleet."""
        with self._database.write() as connection:
            connection.execute(
                resource_table.update()
                .where(
                    named(ven_name, resource_name),
                    resource_table.c.changed_revision == revision,
                )
                .values(changed_revision=0)
            )

    def names_of_removed(self, ven_name: str) -> list[str]:
        """The resources of a VEN that are on their way out."""
        return [
            resource.resource_name
            for _, resource in self.resources(ven_name, status=Status.REMOVED)
        ]

    def vtn_resource_ids(self, ven_name: str) -> dict[str, str]:
        """The VTN's id of each resource of a VEN that has one, by name."""
        return {
            resource.resource_name: resource.vtn_resource_id
            for _, resource in self.resources(ven_name)
            if resource.vtn_resource_id is not None
        }

    def save(
        self, fleet: Mapping[str, Sequence[Resource]], progress: Progress = no_progress
    ) -> int:
        """Add VENs and resources, or change what is described of them; in one transaction.

        Nothing is removed; status and the VTN's ids of what exists stay. Returns how many
        resources are new. `progress` is told how many of those that are new or changed are stored,
        and of how many. ValueError: two resources would have the same meter, or a VEN is in another
        shard.
        """
        for name in fleet:
            if not self._shard.has(name):
                raise ValueError(f"VEN {name!r} is not in shard {self._shard.number}")
        with self._database.write() as connection:
            return save_fleet(
                connection, fleet, default_source=self._default_source, progress=progress
            )

    def metered(self) -> Iterator[tuple[str, Resource]]:
        """(VEN's name, resource) of each that has a real meter and is not on its way out."""
        query = (
            select(resource_table, ven_table.c.ven_name)
            .join(ven_table)
            .where(
                resource_table.c.source != literal_column("'simulator'"),
                resource_table.c.source != NOT_METERED,
                resource_table.c.status != Status.REMOVED.value,
            )
        )
        with (
            self._database.read() as connection,
            connection.execute(query, execution_options={"yield_per": CHUNK}) as rows,
        ):
            for row in rows:
                yield row.ven_name, to_resource(row)

    def sites(self) -> list[tuple[str, Resource]]:
        """(VEN's name, resource) of VENs with a resource that is given orders; what is enrolled."""
        ordered = select(resource_table.c.ven_key).where(
            resource_table.c.actuator != literal_column("''"), _approved()
        )
        query = (
            select(resource_table, ven_table.c.ven_name)
            .join(ven_table)
            .where(resource_table.c.ven_key.in_(ordered), _approved())
            .order_by(ven_table.c.ven_name, resource_table.c.resource_name)
        )
        with self._database.read() as connection:
            return [(row.ven_name, to_resource(row)) for row in connection.execute(query)]

    def count_not_metered(self) -> int:
        """How many resources are neither simulated nor have a meter."""
        query = select(func.count()).select_from(resource_table)
        with self._database.read() as connection:
            chosen = query.where(
                resource_table.c.source != literal_column("'simulator'"),
                resource_table.c.source == NOT_METERED,
            )
            return int(connection.execute(chosen).scalar_one())

    def ensure_ven(self, ven_name: str) -> VEN:
        """The VEN, added if the fleet has none of this name."""
        known = self.ven(ven_name)
        if known is None:
            self.save({VEN(ven_name=ven_name).ven_name: ()})
            name = spellings(self.ven_names())[normalized_name(ven_name)]
            known = self.ven(name)
        return known or VEN(ven_name=ven_name)

    def remember_ven(self, ven_name: str, vtn_ven_id: str) -> None:
        """The VTN's id of a VEN, as soon as it is known."""
        with self._database.write() as connection:
            connection.execute(
                ven_table.update()
                .where(ven_table.c.ven_name == ven_name)
                .values(vtn_ven_id=vtn_ven_id)
            )

    def approve(
        self, ven_name: str, *, vtn_ven_id: str, vtn_resource_ids: Mapping[str, str]
    ) -> None:
        """Record an enrolment: the VTN's ids, and APPROVED for what was PENDING."""
        with self._database.write() as connection:
            query = select(ven_table.c.ven_key).where(ven_table.c.ven_name == ven_name)
            ven_key = connection.execute(query).scalar_one_or_none()
            if ven_key is None:
                return  # it was removed meanwhile
            connection.execute(
                ven_table.update()
                .where(ven_table.c.ven_key == ven_key)
                .values(vtn_ven_id=vtn_ven_id)
            )
            connection.execute(
                ven_table.update()
                .where(ven_table.c.ven_key == ven_key, ven_table.c.status == Status.PENDING.value)
                .values(status=Status.APPROVED.value)
            )
            if vtn_resource_ids:
                connection.execute(
                    text(_APPROVE_RESOURCE),
                    [
                        {
                            "ven_key": ven_key,
                            "resource_name": resource_name,
                            "vtn_resource_id": vtn_resource_id,
                            "pending": Status.PENDING.value,
                            "approved": Status.APPROVED.value,
                        }
                        for resource_name, vtn_resource_id in vtn_resource_ids.items()
                    ],
                )
            raise_revision(connection)

    def set_status(self, ven_name: str, resource_name: str, status: Status) -> None:
        """Suspend or resume one resource. ValueError if there is none of this name."""
        with self._database.write() as connection:
            done = connection.execute(
                resource_table.update()
                .where(
                    named(ven_name, resource_name),
                    resource_table.c.status != Status.REMOVED.value,
                )
                .values(status=status.value)
            )
            if done.rowcount != 1:
                raise ValueError(none_such(ven_name, resource_name))
            raise_revision(connection)


_APPROVE_RESOURCE = (
    "UPDATE resource SET vtn_resource_id = :vtn_resource_id,"
    " status = CASE WHEN status = :pending THEN :approved ELSE status END"
    " WHERE ven_key = :ven_key AND resource_name = :resource_name"
)


def _approved() -> Any:
    return resource_table.c.status == Status.APPROVED.value


def _goes_on() -> Any:
    """What is enrolled, and is to stay so."""
    return resource_table.c.status.not_in((Status.PENDING.value, Status.REMOVED.value))
