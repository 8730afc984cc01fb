"""The rosters that frames refer to, each stored once."""

from __future__ import annotations

import threading
import zlib
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, text

from app.platform import Database
from app.readings.roster import Roster


class RosterBook:
    """Rosters by row, kept in memory while frames use them. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rosters: dict[int, Roster] = {}
        self._parts: dict[tuple[int, str], Roster] = {}

    def read(self, connection: Connection, roster_id: int) -> Roster:
        """The roster of this row."""
        with self._lock:
            known = self._rosters.get(roster_id)
        if known is None:
            query = text("SELECT body FROM roster WHERE roster_id = :id")
            body: Any = connection.execute(query, {"id": roster_id}).scalar_one()
            known = Roster(orjson.loads(zlib.decompress(body)))
            self.keep(roster_id, known)
        return known

    def read_part(self, connection: Connection, roster_id: int, ven_name: str) -> Roster:
        """The roster that has only this VEN of that one."""
        with self._lock:
            part = self._parts.get((roster_id, ven_name))
        if part is None:
            whole = self.read(connection, roster_id)
            part = Roster([(ven_name, whole.names(ven_name))])
            with self._lock:
                self._parts[roster_id, ven_name] = part
        return part

    def names(self, database: Database, roster_id: int, ven_name: str) -> tuple[str, ...]:
        """The names of a VEN's resources in the roster of this row."""
        with self._lock:
            known = self._rosters.get(roster_id) or self._parts.get((roster_id, ven_name))
        if known is None:
            with database.read() as connection:
                known = self.read(connection, roster_id)
        return known.names(ven_name)

    def row_of(self, connection: Connection, roster: Roster) -> int:
        """Its row, made where there is none; a restart finds the one it made before."""
        with self._lock:
            for roster_id, known in self._rosters.items():
                if known is roster:
                    return roster_id
        body = zlib.compress(orjson.dumps([[ven, list(names)] for ven, names in roster]), 1)
        newest = connection.execute(
            text("SELECT roster_id, body FROM roster ORDER BY roster_id DESC LIMIT 1")
        ).first()
        if newest is not None and newest.body == body:
            return int(newest.roster_id)
        insert = text("INSERT INTO roster (body) VALUES (:body) RETURNING roster_id")
        return int(connection.execute(insert.bindparams(bindparam("body", body))).scalar_one())

    def keep(self, roster_id: int, roster: Roster) -> None:
        """Remember it, once its row is durable."""
        with self._lock:
            self._rosters[roster_id] = roster

    def remove_unused(self, connection: Connection) -> None:
        """Remove the rows that no frame and no slice refers to, but for the newest."""
        connection.execute(
            text(
                "DELETE FROM roster WHERE roster_id NOT IN (SELECT roster_id FROM frame)"
                " AND roster_id NOT IN (SELECT roster_id FROM slice)"
                " AND roster_id < (SELECT max(roster_id) FROM roster)"
            )
        )
        kept = set(connection.execute(text("SELECT roster_id FROM roster")).scalars())
        with self._lock:
            for roster_id in self._rosters.keys() - kept:
                del self._rosters[roster_id]
            for key in [key for key in self._parts if key[0] not in kept]:
                del self._parts[key]
