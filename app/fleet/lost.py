"""What the VTN has forgotten is found, and enrolled again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.fleet.enrolment import Enrolment, Listed, everything_again
from app.fleet.model import THE_VEN, VEN, Status
from app.fleet.repository import FleetRepository
from app.openadr import VenCredentials, VtnClient, VtnDown, VtnError
from app.platform import Database, FanOut, LogOnce, Shutdown, from_us, to_us

logger = logging.getLogger(__name__)

MIN_INTERVAL = timedelta(seconds=30)
"""Two heartbeats that find it gone; two at once may be those of somebody who looks."""
AGAIN_AFTER = timedelta(hours=24)
MANY = 3
"""A loss of more than one in so many is the VTN's, and not of single VENs."""
MAX_PER_SECOND = 5
MAX_PER_LOOK = 1_200
"""The rest comes with the next heartbeat."""
MAX_LINES = 10
What = tuple[str, str]
"""A VEN's name, and that of its resource, or THE_VEN."""


@dataclass(frozen=True)
class _Looked:
    """The outcome of looking for an object by its id: whether the VTN has it, and lists it."""

    gone: bool
    listed: bool


class LostObjects:
    """Told by each poll what the VTN shows of a VEN; looks at each heartbeat for what is missing.

    Lost is what two heartbeats find gone by its id (404, with problem details), and in no list:
    absence from a list alone says nothing (openadr.md, 'Reading what a VTN sends'). It is
    enrolled again at once, but only once in 24 hours: who removes it again may mean it. It stays
    metered meanwhile. Safe for several threads.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: FleetRepository,
        enrolment: Enrolment,
        client_for: Callable[[str], VtnClient],
        credentials: VenCredentials,
        fan_out: FanOut,
        clock: Callable[[], datetime],
        shutdown: Shutdown,
        log_once: LogOnce,
    ) -> None:
        self._database = database
        self._repository = repository
        self._enrolment = enrolment
        self._client_for = client_for
        self._credentials = credentials
        self._fan_out = fan_out
        self._clock = clock
        self._shutdown = shutdown
        self._log_once = log_once
        self._lock = threading.Lock()
        self._missing: dict[str, frozenset[str]] = {}
        """By VEN: what its last poll did not find."""
        self._gone_since: dict[What, datetime] = {}
        """What the VTN no longer has, and since when a heartbeat knows."""
        self._held: dict[What, datetime] = {}
        """What is lost again, and when it was last enrolled again."""

    def polled(self, ven: VEN, is_there: bool, resources_missing: Collection[str]) -> None:
        """Whether a poll was shown the ven object, and the enrolled resources that it was not."""
        missing = frozenset(resources_missing) if is_there else frozenset({THE_VEN})
        with self._lock:
            if missing:
                self._missing[ven.ven_name] = missing
                return
        if ven.ven_name in self._missing:
            self.forget(ven.ven_name)

    def look(self) -> None:
        """At a heartbeat: look for what is missing, and enrol again what is lost."""
        with self._lock:
            missing = dict(self._missing)
        outcomes = self._fan_out(
            sorted(missing), lambda name: self._look_at(name, missing[name]), failure=VtnError
        )
        lost = [what for _, found in outcomes if not isinstance(found, VtnError) for what in found]
        again = self._enrolled_again()
        now = self._clock()
        with self._lock:
            self._held = {
                what: again[what]
                for what in lost
                if what in again and now - again[what] < AGAIN_AFTER
            }
            held = self._held
        for what in held:
            self._log_once(logger, logging.WARNING, f"{_words(what)} {_HELD.format(ven=what[0])}")
        self._enrol_again([what for what in lost if what not in held])

    def enrol_by_hand(self, ven_name: str) -> VEN:
        """Enrol this VEN now, whatever holds it. Raises VtnError."""
        name = self._repository.ensure_ven(ven_name).ven_name
        ven = self._enrolment.enrol(name, again=everything_again)
        self._release(name)
        return ven

    def _release(self, ven_name: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                text("DELETE FROM enrolled_again WHERE ven_name = :ven_name"),
                {"ven_name": ven_name},
            )

    def forget(self, ven_name: str) -> None:
        """What was missing of a VEN that has recovered, or is no longer in the fleet."""
        with self._lock:
            self._missing.pop(ven_name, None)
            for known in (self._gone_since, self._held):
                for what in [key for key in known if key[0] == ven_name]:
                    del known[what]

    def warnings(self) -> Iterator[str]:
        """What is missing at the VTN, in few lines."""
        with self._lock:
            held, missing = sorted(self._held), dict(self._missing)
        for what in held[:MAX_LINES]:
            yield f"{_words(what)} {_HELD.format(ven=what[0])}"
        if len(held) > MAX_LINES:
            yield f"and {len(held) - MAX_LINES} more that are held until they are enrolled by hand"
        waiting = [
            (name, each)
            for name, own in sorted(missing.items())
            for each in sorted(own)
            if (name, each) not in held
        ]
        if waiting:
            more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
            yield (
                f"{_words(waiting[0])}{more}: the VTN no longer shows it; what it has lost"
                " is enrolled again by the heartbeat"
            )

    def _look_at(self, ven_name: str, missing: frozenset[str]) -> list[What]:
        """What of a VEN is lost."""
        ven = self._repository.ven(ven_name)
        if ven is None or ven.vtn_ven_id is None or ven.status is Status.REMOVED:
            return []
        client = self._client_for(ven_name)
        ids: Mapping[str, str] = {THE_VEN: ven.vtn_ven_id}
        if THE_VEN not in missing:
            ids = self._repository.enrolled_resources([ven_name]).get(ven_name, {})
        lost: list[What] = []
        for name in sorted(missing & ids.keys()):
            what = ven_name, name
            looked = self._looked(client, ven.vtn_ven_id, name, ids[name])
            now = self._clock()
            with self._lock:
                if not looked.gone:
                    self._gone_since.pop(what, None)
                since = self._gone_since.setdefault(what, now) if looked.gone else now
            if looked.gone and looked.listed:
                line = f"{_words(what)} is in the VTN's list, and by its id the VTN answers 404"
                self._log_once(logger, logging.WARNING, line)
            elif looked.gone and abs(now - since) >= MIN_INTERVAL:
                lost.append(what)
        return lost

    def _looked(self, client: VtnClient, ven_id: str, name: str, object_id: str) -> _Looked:
        if name == THE_VEN:
            gone = client.is_ven_gone(object_id)
            ids = [ven.ven_id for ven in client.vens()]
        else:
            gone = client.is_resource_gone(ven_id, object_id)
            ids = [resource.resource_id for resource in client.resources(ven_id)]
        # Under another id it is another object, which enrolment finds by its name.
        return _Looked(gone=gone, listed=object_id in ids)

    def _enrol_again(self, lost: Sequence[What]) -> None:
        vens = list(dict.fromkeys(ven_name for ven_name, _ in lost))
        if not vens:
            return
        many = len(vens) * MANY > self._repository.count()
        if many:
            try:
                self._client_for(vens[0]).ping()
            except VtnError as error:
                logger.warning(
                    "%d VENs are lost at a VTN that does not answer: %s", len(vens), error
                )
                return
            logger.warning(
                "the VTN has lost %d VENs, which are enrolled again, at most %d a second;"
                " the targets that were granted to them are gone",
                len(vens),
                MAX_PER_SECOND,
            )
        try:
            per_ven = self._credentials.per_ven
            listed = None if per_ven else Listed(self._client_for(vens[0]).vens())
        except VtnError as error:
            logger.warning("%d lost VENs are not enrolled again: %s", len(vens), error)
            return
        for number, ven_name in enumerate(vens[:MAX_PER_LOOK]):
            own = [what for what in lost if what[0] == ven_name]
            try:
                self._enrolment.enrol(
                    ven_name, listed, again={name for _, name in own}.__contains__
                )
            except VtnDown as error:
                logger.warning("%d lost VENs are not enrolled again: %s", len(vens) - number, error)
                return
            except VtnError as error:
                logger.warning("VEN %s is lost, and is not enrolled again: %s", ven_name, error)
                continue
            self._remember(own)
            for what in () if many else own:
                logger.warning(
                    "%s: the VTN had lost it, and it is enrolled again; the targets that were"
                    " granted to it are gone",
                    _words(what),
                )
            if many and self._shutdown.wait(1 / MAX_PER_SECOND):
                return

    def _remember(self, enrolled: Sequence[What]) -> None:
        now_us = to_us(self._clock())
        with self._lock:
            for what in enrolled:
                self._gone_since.pop(what, None)
                self._missing.pop(what[0], None)
        with self._database.write() as connection:
            connection.execute(
                text(
                    "INSERT INTO enrolled_again (ven_name, resource_name, at_us)"
                    " VALUES (:ven_name, :resource_name, :at_us)"
                    " ON CONFLICT (ven_name, resource_name) DO UPDATE SET at_us = excluded.at_us"
                ),
                [
                    {"ven_name": ven_name, "resource_name": name, "at_us": now_us}
                    for ven_name, name in enrolled
                ],
            )

    def _enrolled_again(self) -> dict[What, datetime]:
        with self._database.read() as connection:
            rows: Any = connection.execute(text("SELECT * FROM enrolled_again"))
            return {(row.ven_name, row.resource_name): from_us(row.at_us) for row in rows}


_HELD = (
    "is lost at the VTN again, within a day of its last enrolment, as if somebody removed it;"
    " `fleet enrol {ven}` enrols it"
)


def _words(what: What) -> str:
    ven_name, resource_name = what
    if resource_name == THE_VEN:
        return f"VEN {ven_name}"
    return f"VEN {ven_name}, resource {resource_name!r}"
