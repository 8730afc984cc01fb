"""Reports that the VTN refused for their content: kept whole, to be sent again or dropped."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text

from app.platform import Database, from_us, to_us

REFUSED, TO_SEND, PART = "REFUSED", "TO_SEND", "PART"


@dataclass(frozen=True, kw_only=True)
class RejectedReport:
    """A report that was refused."""

    set_aside_id: int
    ven_name: str
    event_id: str
    report_name: str
    readings: int
    problem: str
    """The VTN's words."""
    refused_at: datetime
    to_send: bool
    """Whether somebody asked to send it again."""
    in_doubt_us: int | None
    """Since when it may be at the VTN all the same; None: it is not."""
    body: bytes = b""
    program_id: str = ""
    is_part: bool = False
    """Whether it is a part of a refused report, and to be sent to find out what is refused."""


class RejectedReports:
    """The reports that the VTN refused. Another process may list, retry and drop them meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, connection: Connection, rejected: RejectedReport) -> None:
        """Set a report aside, as part of the transaction that moves its stream on."""
        connection.execute(
            text(
                "INSERT INTO set_aside (ven_name, program_id, event_id, report_name, readings,"
                " body, problem, refused_at_us, state, in_doubt_us) VALUES (:ven_name,"
                " :program_id, :event_id, :report_name, :readings, :body, :problem,"
                " :refused_at_us, :state, :in_doubt_us)"
            ),
            {
                "ven_name": rejected.ven_name,
                "program_id": rejected.program_id,
                "event_id": rejected.event_id,
                "report_name": rejected.report_name,
                "readings": rejected.readings,
                "body": zlib.compress(rejected.body),
                "problem": rejected.problem,
                "refused_at_us": to_us(rejected.refused_at),
                "state": PART if rejected.is_part else TO_SEND if rejected.to_send else REFUSED,
                "in_doubt_us": rejected.in_doubt_us,
            },
        )

    def reports(self) -> list[RejectedReport]:
        """All of them, oldest first, without their bodies."""
        query = text(f"{_SELECT} FROM set_aside ORDER BY set_aside_id")
        with self._database.read() as connection:
            return [_read(row) for row in connection.execute(query)]

    def page(self, *, skip: int, limit: int) -> tuple[list[RejectedReport], int]:
        """Some of them, oldest first, without their bodies, and how many there are."""
        query = text(f"{_SELECT} FROM set_aside ORDER BY set_aside_id LIMIT :limit OFFSET :skip")
        with self._database.read() as connection:
            rows = connection.execute(query, {"limit": limit, "skip": skip})
            return [_read(row) for row in rows], self.count()

    def names_among(self, report_names: Collection[str]) -> set[str]:
        """Those of these names that reports among them have."""
        query = text("SELECT report_name FROM set_aside WHERE report_name IN :names")
        query = query.bindparams(bindparam("names", expanding=True))
        with self._database.read() as connection:
            return set(connection.execute(query, {"names": list(report_names)}).scalars())

    def count(self) -> int:
        """How many there are."""
        with self._database.read() as connection:
            return int(connection.execute(text("SELECT count(*) FROM set_aside")).scalar_one())

    def to_send(self, most: int, *, above: int = 0) -> list[RejectedReport]:
        """With their bodies, those that somebody asked to send again, and parts; so many at most.

        `above`: only those with a higher id.
        """
        query = text(
            f"{_SELECT}, body FROM set_aside WHERE state IN ('TO_SEND', 'PART')"
            " AND set_aside_id > :above ORDER BY set_aside_id LIMIT :most"
        )
        where = {"most": most, "above": above}
        with self._database.read() as connection:
            rows = connection.execute(query, where)
            return [_read(row, zlib.decompress(row.body)) for row in rows]

    def begin_to_send(self, rejected: Collection[RejectedReport], now_us: int) -> None:
        """Before they are sent: from here on they may be at the VTN."""
        if not rejected:
            return
        with self._database.write() as connection:
            connection.execute(
                text(
                    "UPDATE set_aside SET in_doubt_us = coalesce(in_doubt_us, :now)"
                    " WHERE set_aside_id = :id"
                ),
                [{"now": now_us, "id": report.set_aside_id} for report in rejected],
            )

    def not_sent(self, connection: Connection, rejected: RejectedReport) -> None:
        """It was not sent after all: as it was before `begin_to_send`."""
        connection.execute(
            text("UPDATE set_aside SET in_doubt_us = :was WHERE set_aside_id = :id"),
            {"was": rejected.in_doubt_us, "id": rejected.set_aside_id},
        )

    def retry(self, ids: Collection[int]) -> int:
        """Let the next delivery send these again; how many."""
        return self._change("UPDATE set_aside SET state = 'TO_SEND' WHERE set_aside_id = :id", ids)

    def hold(self, connection: Connection, since_us: int) -> None:
        """Those that may be at the VTN may still come, from a process that ended then."""
        connection.execute(
            text(
                "UPDATE set_aside SET in_doubt_us = :since WHERE in_doubt_us IS NOT NULL"
                " AND in_doubt_us < :since"
            ),
            {"since": since_us},
        )

    def put_in_place(
        self,
        connection: Connection,
        report_names: Collection[str],
        rejected: Collection[RejectedReport],
    ) -> None:
        """These in the place of the reports of these names."""
        connection.execute(
            text("DELETE FROM set_aside WHERE report_name = :name"),
            [{"name": name} for name in report_names],
        )
        for report in rejected:
            self.put(connection, report)

    def delivered(self, connection: Connection, rejected: RejectedReport) -> None:
        """Sent again, and taken."""
        connection.execute(
            text("DELETE FROM set_aside WHERE set_aside_id = :id"), {"id": rejected.set_aside_id}
        )

    def drop(self, ids: Collection[int]) -> int:
        """Forget these; how many."""
        return self._change("DELETE FROM set_aside WHERE set_aside_id = :id", ids)

    def _change(self, statement: str, ids: Collection[int]) -> int:
        if not ids:
            return 0
        with self._database.write() as connection:
            changed = connection.execute(
                text(statement), [{"id": set_aside_id} for set_aside_id in ids]
            )
            return int(changed.rowcount)

    def sent_again(
        self,
        connection: Connection,
        rejected: RejectedReport,
        *,
        problem: str | None,
        in_doubt_us: int | None,
    ) -> None:
        """It was sent again: refused with this problem, or to be sent once more (None)."""
        state = PART if rejected.is_part else TO_SEND
        connection.execute(
            text(
                "UPDATE set_aside SET state = :state, in_doubt_us = :in_doubt_us,"
                " problem = :problem WHERE set_aside_id = :id"
            ),
            {
                "state": state if problem is None else REFUSED,
                "in_doubt_us": in_doubt_us,
                "problem": rejected.problem if problem is None else problem,
                "id": rejected.set_aside_id,
            },
        )

    def readings_of(self, ven_name: str, *, refused: bool) -> int:
        """How many readings of a VEN are in them: in those that stay refused, or in the others."""
        query = text(
            "SELECT coalesce(sum(readings), 0) FROM set_aside"
            " WHERE ven_name = :ven_name AND (state = 'REFUSED') = :refused"
        )
        where = {"ven_name": ven_name, "refused": refused}
        with self._database.read() as connection:
            return int(connection.execute(query, where).scalar_one())

    def forget(self, ven_name: str, connection: Connection) -> None:
        """All of a VEN."""
        connection.execute(
            text("DELETE FROM set_aside WHERE ven_name = :ven_name"), {"ven_name": ven_name}
        )

    def bytes_stored(self) -> int:
        """What the bodies take."""
        query = text("SELECT coalesce(sum(length(body)), 0) FROM set_aside")
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def ages(self, limit: int) -> list[tuple[int, int]]:
        """(refused_at_us, bytes), oldest first, at most so many."""
        query = text(
            "SELECT refused_at_us, length(body) AS bytes FROM set_aside"
            " ORDER BY refused_at_us LIMIT :limit"
        )
        with self._database.read() as connection:
            rows = connection.execute(query, {"limit": limit})
            return [(row.refused_at_us, row.bytes) for row in rows]

    def drop_through(self, instant_us: int, count: Callable[[Connection, int], None]) -> int:
        """Forget what was refused up to the instant; how many readings, told to `count`."""
        where = {"instant": instant_us}
        chosen = "FROM set_aside WHERE refused_at_us <= :instant"
        with self._database.write() as connection:
            readings = connection.execute(text(f"SELECT sum(readings) {chosen}"), where).scalar()
            if readings:
                connection.execute(text(f"DELETE {chosen}"), where)
                count(connection, int(readings))
        return int(readings or 0)


_SELECT = (
    "SELECT set_aside_id, ven_name, program_id, event_id, report_name, readings, problem,"
    " refused_at_us, state, in_doubt_us"
)


def _read(row: Any, body: bytes = b"") -> RejectedReport:
    return RejectedReport(
        set_aside_id=row.set_aside_id,
        ven_name=row.ven_name,
        program_id=row.program_id,
        event_id=row.event_id,
        report_name=row.report_name,
        readings=row.readings,
        problem=row.problem,
        refused_at=from_us(row.refused_at_us),
        to_send=row.state != REFUSED,
        is_part=row.state == PART,
        in_doubt_us=row.in_doubt_us,
        body=body,
    )
