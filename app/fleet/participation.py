"""Who takes part in events: opt-outs, and what an operator has released.

Written by the running application and by commands beside it; `revision` tells that something has
changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from app.fleet.model import THE_VEN
from app.platform import Database, from_us, to_us

EVERYBODY = ""
"""In the place of a VEN's name: the whole fleet."""


class SetBy(StrEnum):
    """Who opted out; only who did opts in again."""

    DEVICE = "DEVICE"
    OPERATOR = "OPERATOR"


@dataclass(frozen=True, kw_only=True)
class OptOut:
    """A VEN or a resource that does not take part."""

    ven_name: str
    resource_name: str
    """THE_VEN: all of its resources, also those that come later."""
    set_by: SetBy
    reason: str
    since: datetime
    until: datetime | None
    """When it ends by itself; None: when it is ended."""

    def holds(self, now: datetime) -> bool:
        """Whether it has not ended by itself."""
        return self.until is None or now < self.until


@dataclass(frozen=True, kw_only=True)
class WhoTakesPart:
    """Opt-outs and releases as they are at one time."""

    revision: int
    opt_outs: Mapping[tuple[str, str], Collection[OptOut]] = field(default_factory=dict)
    """By VEN and resource, THE_VEN for all of it; also those that have ended by themselves."""
    released: frozenset[tuple[str, str]] = frozenset()
    """What an operator has released, until he resumes it: (VEN, resource), (VEN, THE_VEN), or
    (EVERYBODY, THE_VEN)."""

    def opt_outs_of(self, ven_name: str, resource_name: str, now: datetime) -> list[OptOut]:
        """Those that keep a resource out."""
        own = self.opt_outs.get((ven_name, resource_name), ())
        vens = self.opt_outs.get((ven_name, THE_VEN), ())
        return [opt_out for opt_out in (*own, *vens) if opt_out.holds(now)]

    def is_opted_out(self, ven_name: str, resource_name: str, now: datetime) -> bool:
        """Whether any opt-out keeps a resource out."""
        return bool(self.opt_outs and self.opt_outs_of(ven_name, resource_name, now))

    def opted_out_by(self, set_by: SetBy, now: datetime) -> frozenset[tuple[str, str]]:
        """Which VENs and resources it keeps out, as it has set it: (VEN, resource or THE_VEN)."""
        return frozenset(
            key
            for key, opt_outs in self.opt_outs.items()
            if any(each.set_by is set_by and each.holds(now) for each in opt_outs)
        )

    def is_released(self, ven_name: str, resource_name: str) -> bool:
        """Whether an operator holds back its orders."""
        return bool(
            self.released
            and not self.released.isdisjoint(
                {(EVERYBODY, THE_VEN), (ven_name, THE_VEN), (ven_name, resource_name)}
            )
        )

    def next_end(self, now: datetime) -> datetime | None:
        """When the next opt-out ends by itself."""
        ends = (each.until for several in self.opt_outs.values() for each in several)
        return min((end for end in ends if end is not None and end > now), default=None)


class Participation:
    """Opt-outs and releases in the database. Safe for several threads and processes."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._asked_at_s = float("-inf")
        self._lock = threading.Lock()
        self._known: WhoTakesPart | None = None

    def revision(self) -> int:
        """A number that rises with every change, whoever made it."""
        with self._database.read() as connection:
            query = text("SELECT revision FROM participation_state")
            return int(connection.execute(query).scalar_one())

    def current(self, max_age_s: float = 0.0) -> WhoTakesPart:
        """As it is now, or was so long ago at the most; read again when it has changed."""
        now_s = self._monotonic()
        with self._lock:
            if self._known is not None and now_s - self._asked_at_s < max_age_s:
                return self._known
        revision = self.revision()
        with self._lock:
            self._asked_at_s = now_s
            if self._known is None or self._known.revision != revision:
                self._known = self._read(revision)
            return self._known

    def opt_out(
        self,
        ven_name: str,
        resource_name: str = THE_VEN,
        *,
        set_by: SetBy,
        reason: str = "",
        until: datetime | None = None,
    ) -> bool:
        """From now on it takes no part; said again, reason and end are the new ones. False: it is
        known as it is."""
        known = self.current().opt_outs.get((ven_name, resource_name), ())
        if any((each.set_by, each.reason, each.until) == (set_by, reason, until) for each in known):
            return False
        row = {
            "ven_name": ven_name,
            "resource_name": resource_name,
            "set_by": set_by.value,
            "reason": reason,
            "since_us": to_us(self._clock()),
            "until_us": None if until is None else to_us(until),
        }
        with self._database.write() as connection:
            connection.execute(text(_OPT_OUT), row)
            _raise_revision(connection)
            return True

    def opt_in(self, ven_name: str, resource_name: str = THE_VEN, *, set_by: SetBy) -> bool:
        """End an opt-out of this VEN or resource; False: who asks has set none."""
        row = {"ven_name": ven_name, "resource_name": resource_name, "set_by": set_by.value}
        with self._database.write() as connection:
            ended = connection.execute(text(_OPT_IN), row).rowcount > 0
            if ended:
                _raise_revision(connection)
            return ended

    def release(self, ven_name: str = EVERYBODY, resource_name: str = THE_VEN) -> None:
        """End its orders, and give none until `resume`."""
        with self._database.write() as connection:
            row = {
                "ven_name": ven_name,
                "resource_name": resource_name,
                "since_us": to_us(self._clock()),
            }
            connection.execute(text(_RELEASE), row)
            _raise_revision(connection)

    def resume(self, ven_name: str = EVERYBODY, resource_name: str = THE_VEN) -> int:
        """Give orders again: to a resource, to a VEN and all that it has, or to everybody.

        How many releases that ended.
        """
        where = {"ven_name": ven_name, "resource_name": resource_name}
        with self._database.write() as connection:
            ended = connection.execute(text(_RESUME), where).rowcount
            if ended:
                _raise_revision(connection)
            return int(ended)

    def _read(self, revision: int) -> WhoTakesPart:
        with self._database.read() as connection:
            opt_outs = connection.execute(text("SELECT * FROM opt_out")).all()
            released = connection.execute(text("SELECT * FROM released")).all()
        by_resource: dict[tuple[str, str], list[OptOut]] = {}
        for row in opt_outs:
            by_resource.setdefault((row.ven_name, row.resource_name), []).append(_opt_out(row))
        return WhoTakesPart(
            revision=revision,
            opt_outs=by_resource,
            released=frozenset((row.ven_name, row.resource_name) for row in released),
        )


def _raise_revision(connection: Connection) -> None:
    connection.execute(text("UPDATE participation_state SET revision = revision + 1"))


def _opt_out(row: Any) -> OptOut:
    return OptOut(
        ven_name=row.ven_name,
        resource_name=row.resource_name,
        set_by=SetBy(row.set_by),
        reason=row.reason,
        since=from_us(row.since_us),
        until=None if row.until_us is None else from_us(row.until_us),
    )


_OPT_OUT = (
    "INSERT INTO opt_out (ven_name, resource_name, set_by, reason, since_us, until_us)"
    " VALUES (:ven_name, :resource_name, :set_by, :reason, :since_us, :until_us)"
    " ON CONFLICT (ven_name, resource_name, set_by) DO UPDATE SET reason = excluded.reason,"
    " until_us = excluded.until_us"
)
_OPT_IN = (
    "DELETE FROM opt_out WHERE ven_name = :ven_name AND resource_name = :resource_name"
    " AND set_by = :set_by"
)
_RELEASE = (
    "INSERT INTO released (ven_name, resource_name, since_us)"
    " VALUES (:ven_name, :resource_name, :since_us)"
    " ON CONFLICT (ven_name, resource_name) DO NOTHING"
)
_RESUME = (
    "DELETE FROM released WHERE :ven_name = '' OR (ven_name = :ven_name"
    " AND (:resource_name = '' OR resource_name = :resource_name))"
)
