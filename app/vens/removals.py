"""VENs and resources that are taken out of the fleet: metered no more, and gone when nothing of
theirs is owed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import text

from app.fleet import THE_VEN, FleetRepository, HeldVens, remove, take_out
from app.openadr import VtnClient, VtnError, VtnRejected, VtnUnauthorised, VtnUnavailable
from app.platform import Database, LockPerName, Shutdown, from_us, to_us

logger = logging.getLogger(__name__)
NEVER = datetime.min.replace(tzinfo=UTC)
SETTLES_FOR_S = 2.0
"""At a time: deliveries are not to wait for it."""
NOT_LET_GO = (403, 501)
"""What VTNs answer, beside what is a refusal, that do not let VENs remove what is theirs."""
LONG = timedelta(minutes=10)
A_TICK = timedelta(seconds=5)
"""As long as metering one instant may take, and more."""


@runtime_checkable
class Debts(Protocol):
    """What is metered and not delivered."""

    def newest(self) -> int:
        """The number of the newest readings."""

    def owed(self, ven_name: str, *, through: int | None, begun_before: datetime) -> int:
        """How many readings of a VEN are to be delivered, of all or up to this number, also in
        reports that are not due yet and about a time before this instant."""

    def set_aside(self, ven_name: str) -> int:
        """How many readings are in reports that the VTN refused, and that nobody sends again."""

    def give_up(self, ven_name: str, *, with_refused: bool, begun_before: datetime) -> int:
        """Owe nothing more; how many readings are lost. `with_refused`: those set aside, too."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What is on its way out."""

    ven_name: str
    resource_name: str = THE_VEN
    begun_at: datetime = NEVER
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
        locks: LockPerName,
        shutdown: Shutdown,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        forget: Sequence[Callable[[str], object]],
    ) -> None:
        self._held = held
        self._locks = locks
        self._shutdown = shutdown
        self._clock = clock
        self._monotonic = monotonic
        self._asked: dict[tuple[str, ...], VtnError | None] = {}
        """What was asked of the VTN for those that are not done yet, and why it refused."""
        self._last = "", ""
        """Where the last call came to."""
        self._database = database
        self._repository = repository
        self._client_for = client_for
        self._debts = debts
        self._forget = forget

    def owed(self, removal: Removal) -> int:
        """How many readings have to be delivered before it goes; with `drop_owed`, are lost."""
        name, key = removal.ven_name, _key(removal)
        begun = {_key(removal): removal.begun_at for removal in self.pending()}
        owed = self._debts.owed(name, through=None, begun_before=begun.get(key, self._clock()))
        return owed + (self._debts.set_aside(name) if removal.drop_owed else 0)

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
        """Complete the removals that owe nothing, some at a time; those that are left.

        `alone`: no run is active, so that nothing is metered now. A VEN that the VTN fails is held
        and tried later; after one that got no answer, no other one is tried.
        """
        ends_s = self._monotonic() + SETTLES_FOR_S
        pending = self.pending()
        # From where the last call came to: those behind it are to have their turn.
        for removal in sorted(pending, key=lambda each: (_key(each) <= self._last, _key(each))):
            if self._shutdown.is_set() or self._monotonic() > ends_s:
                break
            self._last = _key(removal)
            lock = self._locks(removal.ven_name)
            if not (alone or self._is_time(removal)) or not lock.acquire(blocking=False):
                continue  # it is enrolled, or its events are followed, just now
            try:
                if not self._try(removal, ends_s):
                    break
            finally:
                lock.release()
        return self.pending() if pending else []

    def _try(self, removal: Removal, ends_s: float) -> bool:
        """Whether there is any use in trying others now."""
        if self._held.is_held(removal.ven_name) and not self._held.claim(removal.ven_name):
            return True
        try:
            self._settle(removal, ends_s)
        except VtnError as error:
            self._held.failed(removal.ven_name, error)
            return error.answered
        finally:
            self._held.give_back(removal.ven_name)
        return True

    def warnings(self) -> Iterator[str]:
        """One line where some wait for long."""
        late = self._clock() - LONG
        waiting = [removal for removal in self.pending() if removal.begun_at < late]
        if not waiting:
            return
        more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        why = "until what is owed is delivered; `fleet remove --drop-owed` does not wait"
        problem = self._held.problems().get(waiting[0].ven_name)
        if problem is not None:
            why = f"for the VTN ({problem}); `fleet remove --keep-at-vtn` leaves it there"
        yield f"{waiting[0]}{more}: to be removed, and waiting {why}"

    def _is_time(self, removal: Removal) -> bool:
        """Whether a tick that had begun before it, and meters it still, is stored by now."""
        return removal.drop_owed or abs(self._clock() - removal.begun_at) >= A_TICK

    def _settle(self, removal: Removal, ends_s: float) -> None:
        name, of_ven = removal.ven_name, removal.resource_name == THE_VEN
        owes = not removal.drop_owed and self._debts.owed(
            name, through=removal.through, begun_before=removal.begun_at
        )
        if owes or not self._is_pending(removal):  # it may have been imported again
            return
        if not removal.keep_at_vtn and not self._is_gone_at_vtn(removal, ends_s):
            return
        lost = 0
        if of_ven:
            # First, and again where the process ends before the next step.
            lost = self._debts.give_up(
                name, with_refused=removal.drop_owed, begun_before=removal.begun_at
            )
        with self._database.write() as connection:
            if not remove(connection, name, removal.resource_name):
                return
        for forget in self._forget if of_ven else ():
            forget(name)
        if lost:
            logger.warning("%s is removed; %d readings that were owed are lost", removal, lost)
        else:
            logger.info("%s is removed", removal)

    def _is_pending(self, removal: Removal) -> bool:
        return any(_key(other) == _key(removal) for other in self.pending())

    def _is_gone_at_vtn(self, removal: Removal, ends_s: float) -> bool:
        """Remove it there, as far as there is time; False: the rest is left to the next time."""
        steps = self._steps(removal)
        for step in [step_ for step_ in steps if step_.args not in self._asked]:
            if self._shutdown.is_set() or self._monotonic() > ends_s:
                return False
            refused: VtnError | None = None
            try:
                step()
            except (VtnRejected, VtnUnauthorised, VtnUnavailable) as error:
                if not isinstance(error, VtnRejected) and error.status not in NOT_LET_GO:
                    raise
                refused = error
            self._asked[step.args] = refused
        refusals = [self._asked.pop(step.args) for step in steps]
        why = next(filter(None, refusals), None)
        if why is not None:
            logger.warning(
                "%s: the VTN does not let it go (%s); its operator has to remove it there",
                removal,
                why,
            )
        return True

    def _steps(self, removal: Removal) -> list[partial[None]]:
        """The requests that remove it at the VTN; also what nobody has written down yet."""
        name, of_ven = removal.ven_name, removal.resource_name == THE_VEN
        ven = self._repository.ven(name)
        if ven is None or ven.vtn_ven_id is None:
            return []
        client, ven_id = self._client_for(name), ven.vtn_ven_id
        ids = self._repository.vtn_resource_ids(name)
        ours = {resource.resource_name for _, resource in self._repository.resources(name)}
        if of_ven and ours - ids.keys():
            ids |= {
                resource.resource_name: resource.resource_id
                for resource in client.resources(ven_id)
            }
        if not of_ven:
            ids = {own: id_ for own, id_ in ids.items() if own == removal.resource_name}
        steps = [partial(client.remove_resource, ven_id, id_) for id_ in ids.values()]
        return [*steps, *([partial(client.remove_ven, ven_id)] if of_ven else [])]


def _key(removal: Removal) -> tuple[str, str]:
    return removal.ven_name, removal.resource_name


_BEGIN = (
    "INSERT INTO removal"
    " (ven_name, resource_name, begun_at_us, through_seq, keep_at_vtn, drop_owed) VALUES"
    " (:ven_name, :resource_name, :begun_at_us, :through, :keep_at_vtn, :drop_owed)"
    " ON CONFLICT (ven_name, resource_name) DO UPDATE SET"
    " keep_at_vtn = CASE WHEN removal.keep_at_vtn = 1 THEN 1 ELSE excluded.keep_at_vtn END,"
    " drop_owed = CASE WHEN removal.drop_owed = 1 THEN 1 ELSE excluded.drop_owed END"
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
