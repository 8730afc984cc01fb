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
MAX_AT_ONCE = 50


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

    def plan(self, connection: Connection, locator: ReportLocator) -> None:
        """This one was sent again, and acknowledged; part of the transaction that remembers it."""
        connection.execute(
            text(
                "INSERT INTO second_look (report_name, ven_name, event_id, body_bytes,"
                " reports_before, due_us, looks_left) VALUES (:name, :ven_name, :event_id,"
                " :body_bytes, :reports_before, :due_us, :looks_left)"
                " ON CONFLICT (report_name) DO NOTHING"
            ),
            {
                "name": locator.name,
                "ven_name": locator.ven_name,
                "event_id": locator.event_id,
                "body_bytes": locator.body_bytes,
                "reports_before": locator.reports_before,
                "due_us": to_us(self._clock() + self._settle),
                "looks_left": LOOKS,
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
        never = now + self._settle * THEN_TIMES**LOOKS  # planned by a clock that was ahead
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
            self._looked(row.report_name, row.looks_left, now)
            if isinstance(error, VtnUnavailable):
                self._held.failed(row.ven_name, error)
            return error.answered  # or the next one might take as long to fail
        except VtnError as error:
            logger.info("no second look at report %s: %s", row.report_name, error)
        else:
            self._held.succeeded(row.ven_name)
        self._looked(row.report_name, row.looks_left - 1, now)
        return True

    def _looked(self, name: str, left: int, now: datetime) -> None:
        pause = self._settle * THEN_TIMES ** (LOOKS - left)
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
                    {"due_us": to_us(now + pause), "left": left, "name": name},
                )
