"""Interval reports of real meters, as they were told: for what comes late, and for corrections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from app.platform import Database, to_us
from app.reporting.content import ToldCells

READ_AGAIN_EVERY = timedelta(hours=1)
"""Of which time VENs have told: fewer reports are open by then."""
NOT_TOLD_IN_TIME = "not_told"
"""It came after everybody had stopped waiting for it."""


@dataclass(frozen=True, kw_only=True)
class MeteredReport:
    """A report, or a part of one, that is about real meters."""

    ven_name: str
    event_id: str
    descriptor: str
    key: int
    """Which report of its schedule it is."""
    first_cell: int
    """Where in it this part begins."""
    program_id: str
    report_name: str
    told: ToldCells
    late_until_us: int
    """Until when something may come of one that has nothing to tell yet."""
    is_sent: bool
    """Whether the VTN has it; else there was nothing to tell yet."""
    is_complete: bool
    seen_seq: int = 0
    """The measurements up to this number were taken into account; 0: it may say what was known at
    an earlier time, since it was sent more than once."""
    metered_report_id: int = 0
    """0: not stored."""
    report_id: str | None = None
    """The VTN's; None: not known."""
    corrections: int = 0
    """How often it was corrected."""


class ChangedSpan(NamedTuple):
    """A time of which something came of a VEN, with its number."""

    ven_name: str
    first_us: int
    last_us: int
    seq: int


class ToldOfVen(NamedTuple):
    """Of which time a VEN has told something."""

    ends_us: int
    """The end of the newest report."""
    is_open: bool
    """Whether there is one that was not told whole."""


class MeteredReports:
    """Which reports were told, and which of them may have changed. Safe for several threads."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        keep: timedelta,
        correct_every: timedelta,
    ) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, ToldOfVen] | None = None
        """By VEN; at least what is stored."""
        self._told_read_at = clock()
        self._keep_us = keep // timedelta(microseconds=1)
        self._every_us = correct_every // timedelta(microseconds=1)

    def put(
        self, connection: Connection, report: MeteredReport, report_id: str | None, *, again: bool
    ) -> None:
        """Remember what was told, as part of the transaction that moves its stream on.

        `again`: it was sent more than once, and may say what was known at an earlier time.
        """
        starts_us, ends_us = _span_us(report.told)
        connection.execute(
            text(_PUT),
            {
                "ven_name": report.ven_name,
                "event_id": report.event_id,
                "descriptor": report.descriptor,
                "report_key": report.key,
                "first_cell": report.first_cell,
                "program_id": report.program_id,
                "report_name": report.report_name,
                "report_id": report_id,
                "starts_us": starts_us,
                "ends_us": ends_us,
                "keep_until_us": ends_us + self._keep_us
                if report.is_sent
                else report.late_until_us,
                "is_sent": int(report.is_sent),
                "is_complete": int(report.is_complete),
                "seen_seq": 0 if again else report.seen_seq,
                "body": report.told.pack(),
                "check_after_us": to_us(self._clock()) if again else None,
            },
        )
        self._was_told(
            report.ven_name, ends_us, is_open=not (report.is_sent and report.is_complete)
        )

    def seen_seq(self) -> int:
        """The measurements up to this number were looked at for what they change."""
        with self._database.read() as connection:
            query = text("SELECT seen_seq FROM metered_report_state")
            return int(connection.execute(query).scalar_one())

    def told_of(self, ven_name: str) -> ToldOfVen | None:
        """Of which time a VEN has told something, at most; None: it has told nothing."""
        now = self._clock()
        with self._lock:
            if self._told is None or abs(now - self._told_read_at) >= READ_AGAIN_EVERY:
                self._told_read_at = now
                with self._database.read() as connection:
                    self._told = {
                        row.ven_name: ToldOfVen(row.ends_us, bool(row.is_open))
                        for row in connection.execute(text(_TOLD_OF_VENS))
                    }
            return self._told.get(ven_name)

    def _was_told(self, ven_name: str, ends_us: int, *, is_open: bool) -> None:
        with self._lock:
            if self._told is not None:
                before = self._told.get(ven_name, ToldOfVen(ends_us, is_open))
                self._told[ven_name] = ToldOfVen(
                    max(before.ends_us, ends_us), before.is_open or is_open
                )

    def changed(self, spans: Collection[ChangedSpan], seen_seq: int) -> None:
        """These are known otherwise now; all that came up to this number was looked at."""
        now_us = to_us(self._clock())
        with self._database.write() as connection:
            if spans:
                connection.execute(
                    text(_CHANGED),
                    [
                        {**span._asdict(), "now": now_us, "every": self._every_us}
                        for span in sorted(spans)
                    ],
                )
            connection.execute(
                text("UPDATE metered_report_state SET seen_seq = :seq"), {"seq": seen_seq}
            )

    def to_check(self, most: int, *, above: int = 0) -> list[MeteredReport]:
        """Reports that may have changed and may be corrected now; so many at most."""
        where = {"now": to_us(self._clock()), "most": most, "above": above}
        with self._database.read() as connection:
            return [_read(row) for row in connection.execute(text(_TO_CHECK), where)]

    def unchanged(self, connection: Connection, report: MeteredReport, *, seen_seq: int) -> None:
        """There is nothing to correct by what came up to this number."""
        connection.execute(
            text(_UNCHANGED),
            {
                "id": report.metered_report_id,
                "body": report.told.pack(),
                "seen_seq": seen_seq,
            },
        )

    def corrected(
        self,
        connection: Connection,
        report: MeteredReport,
        told: ToldCells,
        *,
        is_complete: bool,
        seen_seq: int,
    ) -> None:
        """The VTN has, or will have, these values of it."""
        connection.execute(
            text(_CORRECTED),
            {
                "id": report.metered_report_id,
                "body": told.pack(),
                "now": to_us(self._clock()),
                "is_complete": int(is_complete),
                "seen_seq": seen_seq,
                "more": int(report.is_sent),
                "keep": self._keep_us,
            },
        )

    def identify(self, connection: Connection, report_name: str, report_id: str | None) -> None:
        """The VTN's id of a report that was sent later than its stream went on."""
        if report_id is not None:
            connection.execute(
                text("UPDATE metered_report SET report_id = :id WHERE report_name = :name"),
                {"id": report_id, "name": report_name},
            )

    def forget(self, connection: Connection, reports: Iterable[MeteredReport]) -> None:
        """Nobody asks for them any more."""
        ids = [{"id": report.metered_report_id} for report in reports]
        if ids:
            connection.execute(
                text("DELETE FROM metered_report WHERE metered_report_id = :id"), ids
            )

    def expired(self, most: int) -> list[MeteredReport]:
        """Those that need not be kept any longer; so many at most."""
        where = {"now": to_us(self._clock()), "most": most}
        with self._database.read() as connection:
            return [_read(row) for row in connection.execute(text(_EXPIRED), where)]

    def oldest_open_us(self) -> int | None:
        """The begin of the oldest report that has nothing to tell yet."""
        with self._database.read() as connection:
            query = text("SELECT min(starts_us) FROM metered_report WHERE is_sent = 0")
            found = connection.execute(query).scalar()
            return None if found is None else int(found)


def _span_us(told: ToldCells) -> tuple[int, int]:
    starts, ends = zip(*(piece.span for piece in told.pieces), strict=True)
    return to_us(min(starts)), to_us(max(ends))


_PUT = (
    "INSERT INTO metered_report (ven_name, event_id, descriptor, report_key, first_cell,"
    " program_id, report_name, report_id, starts_us, ends_us, keep_until_us, is_sent, is_complete,"
    " seen_seq, body, check_after_us, corrections) VALUES (:ven_name, :event_id, :descriptor,"
    " :report_key, :first_cell, :program_id,"
    " :report_name, :report_id, :starts_us, :ends_us, :keep_until_us,"
    " :is_sent, :is_complete, :seen_seq, :body, :check_after_us, 0)"
    " ON CONFLICT (ven_name, event_id, descriptor, report_key, first_cell) DO UPDATE SET"
    " program_id = excluded.program_id, report_name = excluded.report_name,"
    " report_id = excluded.report_id, starts_us = excluded.starts_us, ends_us = excluded.ends_us,"
    " keep_until_us = excluded.keep_until_us, is_sent = excluded.is_sent,"
    " is_complete = excluded.is_complete, seen_seq = excluded.seen_seq, body = excluded.body,"
    " check_after_us = excluded.check_after_us"
)
_TOLD_OF_VENS = (
    "SELECT ven_name, max(ends_us) AS ends_us,"
    " max(CASE WHEN is_complete = 0 OR is_sent = 0 THEN 1 ELSE 0 END) AS is_open"
    " FROM metered_report GROUP BY ven_name"
)
_CHANGED = (
    "UPDATE metered_report SET check_after_us ="
    " CASE WHEN coalesce(corrected_at_us, -:every) + :every > :now"
    " THEN corrected_at_us + :every ELSE :now END"
    " WHERE ven_name = :ven_name AND ends_us > :first_us AND starts_us <= :last_us"
    " AND seen_seq < :seq AND check_after_us IS NULL"
)
_UNCHANGED = (
    "UPDATE metered_report SET check_after_us = NULL, body = :body, seen_seq = :seen_seq"
    " WHERE metered_report_id = :id"
)
_TO_CHECK = (
    "SELECT * FROM metered_report WHERE check_after_us <= :now AND metered_report_id > :above"
    " ORDER BY metered_report_id LIMIT :most"
)
_CORRECTED = (
    "UPDATE metered_report SET body = :body, is_sent = 1, is_complete = :is_complete,"
    " seen_seq = :seen_seq, keep_until_us = ends_us + :keep,"
    " check_after_us = NULL, corrections = corrections + :more,"
    " corrected_at_us = CASE WHEN :more = 1 THEN :now ELSE corrected_at_us END"
    " WHERE metered_report_id = :id"
)
_EXPIRED = (
    "SELECT * FROM metered_report WHERE keep_until_us < :now ORDER BY keep_until_us LIMIT :most"
)


def _read(row: Any) -> MeteredReport:
    return MeteredReport(
        ven_name=row.ven_name,
        event_id=row.event_id,
        descriptor=row.descriptor,
        key=row.report_key,
        first_cell=row.first_cell,
        program_id=row.program_id,
        report_name=row.report_name,
        told=ToldCells.unpack(row.body),
        late_until_us=row.keep_until_us,
        is_sent=bool(row.is_sent),
        is_complete=bool(row.is_complete),
        seen_seq=row.seen_seq,
        metered_report_id=row.metered_report_id,
        report_id=row.report_id,
        corrections=row.corrections,
    )
