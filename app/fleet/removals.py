"""VENs and resources that are taken out of the fleet: metered no more, and gone when nothing of
theirs is owed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import text

from app.fleet.database import Database
from app.fleet.held_vens import HeldVens
from app.fleet.model import THE_VEN
from app.fleet.repository import FleetRepository
from app.fleet.taken_out import remove, take_out
from app.instants import from_us, to_us
from app.openadr import VtnClient, VtnError, VtnRejected, VtnUnauthorised

logger = logging.getLogger(__name__)
A_TICK = timedelta(seconds=5)
"""As long as metering one instant may take, and more."""


class Debts(Protocol):
    """What is metered and not delivered."""

    def newest(self) -> int:
        """The number of the newest readings."""

    def owed(self, ven_name: str, *, through: int | None) -> int:
        """How many readings of a VEN are to be delivered, of all or up to this number; with those
        that may be at the VTN already."""

    def forget(self, ven_name: str, *, with_refused: bool) -> int:
        """Give up all that a VEN owes; how many readings are lost.

        `with_refused`: also in reports that were set aside.
        """


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What is on its way out."""

    ven_name: str
    resource_name: str = THE_VEN
    begun_at: datetime | None = None
    through: int = 0
    """The number of the last readings that may hold some of its own."""
    keep_at_vtn: bool = False
    drop_owed: bool = False

    def __str__(self) -> str:
        if self.resource_name == THE_VEN:
            return f"VEN {self.ven_name}"
        return f"VEN {self.ven_name}, resource {self.resource_name!r}"


class Removals:
    """Takes VENs and resources out of the fleet, in order: metering, what is owed, the VTN's
    objects, and what the database has of them.

    Another process may ask for a removal (`begin`); the one that runs brings it to its end
    (`settle`). `forget` are told of a VEN that is gone. Safe for several threads.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: FleetRepository,
        client_for: Callable[[str], VtnClient],
        debts: Debts,
        held: HeldVens,
        clock: Callable[[], datetime],
        forget: Sequence[Callable[[str], object]],
    ) -> None:
        self._held = held
        self._clock = clock
        self._database = database
        self._repository = repository
        self._client_for = client_for
        self._debts = debts
        self._forget = forget

    def owed(self, ven_name: str) -> int:
        """How many readings of a VEN are still to be delivered."""
        return self._debts.owed(ven_name, through=None)

    def begin(self, removal: Removal) -> None:
        """From now on it is not metered; it goes with `settle`. ValueError: there is none such."""
        values = {
            "ven_name": removal.ven_name,
            "resource_name": removal.resource_name,
            "begun_at_us": to_us(self._clock()),
            "through": self._debts.newest() + 1,  # a tick may be at work
            "keep_at_vtn": int(removal.keep_at_vtn),
            "drop_owed": int(removal.drop_owed),
        }
        with self._database.write() as connection:
            take_out(connection, removal.ven_name, removal.resource_name)
            connection.execute(text(_BEGIN), values)

    def pending(self) -> list[Removal]:
        """What is on its way out, by name; a VEN before its resources."""
        query = text("SELECT * FROM removal ORDER BY ven_name, resource_name")
        with self._database.read() as connection:
            return [_removal(row) for row in connection.execute(query)]

    def settle(self, *, alone: bool = False) -> list[Removal]:
        """Bring those to their end that owe nothing; what is left. `alone`: nobody meters now.

        A VEN that the VTN fails is held, and tried later; after one that got no answer, no other
        one is tried.
        """
        pending = self.pending()
        gone: set[str] = set()
        for removal in pending:
            if removal.ven_name in gone or not (alone or self._is_time(removal)):
                continue
            if self._held.is_held(removal.ven_name) and not self._held.claim(removal.ven_name):
                continue
            try:
                settled = self._is_settled(removal)
            except VtnError as error:
                self._held.failed(removal.ven_name, error)
                if not error.answered:
                    break
            else:
                if settled and removal.resource_name == THE_VEN:
                    gone.add(removal.ven_name)
            finally:
                self._held.give_back(removal.ven_name)
        return self.pending() if pending else []

    def _is_time(self, removal: Removal) -> bool:
        """Whether a tick that had begun before it, and meters it still, is stored by now."""
        passed = self._clock() - (removal.begun_at or self._clock())
        return removal.drop_owed or abs(passed) >= A_TICK

    def _is_settled(self, removal: Removal) -> bool:
        ven_name, of_ven = removal.ven_name, removal.resource_name == THE_VEN
        through = None if of_ven else removal.through
        if not removal.drop_owed and self._debts.owed(ven_name, through=through):
            return False
        if not removal.keep_at_vtn:
            self._remove_at_vtn(removal)
        lost = 0
        if of_ven:
            lost = self._debts.forget(ven_name, with_refused=removal.drop_owed)
            for forget in self._forget:
                forget(ven_name)
        with self._database.write() as connection:
            remove(connection, ven_name, removal.resource_name)
        if lost:
            logger.warning("%s is removed; %d readings that were owed are lost", removal, lost)
        else:
            logger.info("%s is removed", removal)
        return True

    def _remove_at_vtn(self, removal: Removal) -> None:
        ven = self._repository.ven(removal.ven_name)
        if ven is None or ven.vtn_ven_id is None:
            return
        client = self._client_for(removal.ven_name)
        ids = self._repository.vtn_resource_ids(removal.ven_name)
        if removal.resource_name != THE_VEN:
            ids = {name: id_ for name, id_ in ids.items() if name == removal.resource_name}
        try:
            for resource_id in ids.values():
                client.remove_resource(ven.vtn_ven_id, resource_id)
            if removal.resource_name == THE_VEN:
                client.remove_ven(ven.vtn_ven_id)
        except (VtnRejected, VtnUnauthorised) as error:
            if isinstance(error, VtnUnauthorised) and error.status != 403:
                raise
            logger.warning(
                "%s: the VTN does not let it go (%s); its operator has to remove it there",
                removal,
                error,
            )


_BEGIN = (
    "INSERT INTO removal"
    " (ven_name, resource_name, begun_at_us, through_seq, keep_at_vtn, drop_owed) VALUES"
    " (:ven_name, :resource_name, :begun_at_us, :through, :keep_at_vtn, :drop_owed)"
    " ON CONFLICT (ven_name, resource_name) DO UPDATE SET keep_at_vtn = excluded.keep_at_vtn,"
    " drop_owed = excluded.drop_owed"
)


def _removal(row: Any) -> Removal:
    return Removal(
        ven_name=row.ven_name,
        resource_name=row.resource_name,
        begun_at=from_us(row.begun_at_us),
        through=row.through_seq,
        keep_at_vtn=bool(row.keep_at_vtn),
        drop_owed=bool(row.drop_owed),
    )
