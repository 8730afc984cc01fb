"""A second look at reports that were sent again: the first one may have come late."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from app.fleet import HoldsVens
from app.openadr import OutcomeUnknown, VtnClient, VtnDown, VtnError, VtnUnavailable
from app.platform import Database, to_us
from app.reporting.delivery.locator import ReportLocator, find_duplicates
from app.reporting.delivery.sender import reduce_to_one

logger = logging.getLogger(__name__)

LOOKS = 3
THEN_TIMES = 5
"""The settling time, then five times as long, then twenty-five times."""
AFTER_TAKEOVER_S = 60, 540, 3_000
"""A minute, ten minutes and an hour after another process had it in flight."""
MAX_AT_ONCE = 50
_NEW = (
    "INSERT INTO second_look (report_name, ven_name, event_id, body_bytes, reports_before, due_us,"
    " looks_left, after_takeover) VALUES (:name, :ven_name, :event_id, :body_bytes,"
    " :reports_before, :due_us, :looks_left, :after_takeover) ON CONFLICT (report_name) DO "
)
_PLAN = text(_NEW + "NOTHING")  # nosec B608
_ANEW = "UPDATE SET due_us = :due_us, looks_left = :looks_left, after_takeover = :after_takeover"
_AFTER_TAKEOVER = text(_NEW + _ANEW)  # nosec B608


class DuplicateSweeper:
    """Finds two reports of one name and reduces them to one (openadr.md, 'Reports')."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Callable[[], datetime],
        settle_s: float,
        held: HoldsVens,
    ) -> None:
        self._held = held
        self._database = database
        self._clock = clock
        self._settle = timedelta(seconds=settle_s)

    def plan(
        self, connection: Connection, locator: ReportLocator, *, after_takeover: bool = False
    ) -> None:
        """This one was sent again, and acknowledged; part of the transaction that remembers it.

        `after_takeover`: it was in flight, and may come from the process that had it.
        """
        connection.execute(
            _AFTER_TAKEOVER if after_takeover else _PLAN,
            {
                "name": locator.name,
                "ven_name": locator.ven_name,
                "event_id": locator.event_id,
                "body_bytes": locator.body_bytes,
                "reports_before": locator.reports_before,
                "due_us": to_us(self._clock() + self._pause(LOOKS, after_takeover)),
                "looks_left": LOOKS,
                "after_takeover": int(after_takeover),
            },
        )

    def look(self, client_for: Callable[[str], VtnClient]) -> None:
        """Look at what is due; where the VTN is down or the VEN is held, with a later delivery."""
        query = text(
            "SELECT second_look.*, (SELECT coalesce(sum(reports_sent), 0) FROM stream"
            " WHERE stream.ven_name = second_look.ven_name"
            " AND stream.event_id = second_look.event_id) AS reports_now"
            " FROM second_look WHERE due_us <= :now OR due_us > :never"
            " ORDER BY due_us LIMIT :most"
        )
        now = self._clock()
        # Planned by a clock that was ahead.
        never = now + max(self._settle * THEN_TIMES**LOOKS, timedelta(seconds=AFTER_TAKEOVER_S[-1]))
        where = {"now": to_us(now), "never": to_us(never), "most": MAX_AT_ONCE}
        with self._database.read() as connection:
            due = connection.execute(query, where).all()
        for row in due:
            if self._held.is_held(row.ven_name) and not self._held.claim(row.ven_name):
                continue
            try:
                goes_on = self._look_at(row, client_for, now)
            finally:
                self._held.give_back(row.ven_name)
            if not goes_on:
                return

    def _look_at(
        self, row: Row[Any], client_for: Callable[[str], VtnClient], now: datetime
    ) -> bool:
        """Whether there is any use in looking at others now."""
        locator = ReportLocator(
            ven_name=row.ven_name,
            event_id=row.event_id,
            name=row.report_name,
            body_bytes=row.body_bytes,
            reports_before=row.reports_before,
            reports_since=max(int(row.reports_now) - row.reports_before, 0),
        )
        try:
            client = client_for(row.ven_name)
            copies = find_duplicates(client, locator)
            if len(copies) > 1:
                reduce_to_one(copies, client)
        except VtnDown:
            return False
        except (OutcomeUnknown, VtnUnavailable) as error:
            logger.debug("no second look at report %s yet: %s", row.report_name, error)
            self._looked(row, row.looks_left, now)
            if isinstance(error, VtnUnavailable):
                self._held.failed(row.ven_name, error)
            return error.answered  # or the next one might take as long to fail
        except VtnError as error:
            logger.info("no second look at report %s: %s", row.report_name, error)
        else:
            self._held.succeeded(row.ven_name)
        self._looked(row, row.looks_left - 1, now)
        return True

    def _pause(self, left: int, after_takeover: bool) -> timedelta:
        """Before the next look, of so many that are left."""
        if after_takeover:
            return timedelta(seconds=AFTER_TAKEOVER_S[max(LOOKS - left, 0)])
        times: int = THEN_TIMES ** (LOOKS - left)
        return self._settle * times

    def _looked(self, row: Row[Any], left: int, now: datetime) -> None:
        name = row.report_name
        with self._database.write() as connection:
            if left == 0:
                connection.execute(
                    text("DELETE FROM second_look WHERE report_name = :name"), {"name": name}
                )
            else:
                connection.execute(
                    text(
                        "UPDATE second_look SET due_us = :due_us, looks_left = :left"
                        " WHERE report_name = :name"
                    ),
                    {
                        "due_us": to_us(now + self._pause(left, bool(row.after_takeover))),
                        "left": left,
                        "name": name,
                    },
                )
