"""The events of each VEN as its VTN last told them, kept over restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import text

from app.fleet import Database, SeenEvent
from app.instants import from_us, to_us
from app.locks import LockPerName
from app.openadr import Event, VtnClient, WireError, read_event

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kept:
    event: Event
    body: bytes
    first_seen: datetime


class EventBook:
    """What each VEN is asked, by event id.

    An event that is missing from a list is asked for by its id: only 404 says that it is gone
    (rules.md, 'Reading what a VTN sends'). `clock` gives the first sight, which is remembered.
    """

    def __init__(self, *, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._one_at_a_time = LockPerName()
        self._by_ven: dict[str, dict[str, _Kept]] = {}

    def sync(self, ven_name: str, client: VtnClient) -> Sequence[SeenEvent]:
        """Ask the VTN; return every event of the VEN. Raises VtnError, and then changes nothing."""
        with self._one_at_a_time(ven_name):
            return self._sync(ven_name, client)

    def _sync(self, ven_name: str, client: VtnClient) -> Sequence[SeenEvent]:
        kept = self._kept(ven_name)
        told = {event.event_id: event for event in client.events()}
        for event_id in kept.keys() - told.keys():
            try:
                event = client.event(event_id)
            except WireError as error:
                logger.warning("VEN %s: %s; it stays as it was", ven_name, error)
                event = kept[event_id].event
            if event is not None:
                told[event_id] = event
        seen_now = self._clock()
        now: dict[str, _Kept] = {}
        for event_id, event in told.items():
            try:
                body = orjson.dumps(event.raw, option=orjson.OPT_SORT_KEYS)
            except orjson.JSONEncodeError:
                logger.warning("VEN %s: event %s is nested too deep", ven_name, event_id)
                if event_id in kept:
                    now[event_id] = kept[event_id]
                continue
            first_seen = kept[event_id].first_seen if event_id in kept else seen_now
            now[event_id] = _Kept(event=event, body=body, first_seen=first_seen)
        self._store(ven_name, kept, now)
        self._by_ven[ven_name] = now
        return [SeenEvent(event=each.event, first_seen=each.first_seen) for each in now.values()]

    def _kept(self, ven_name: str) -> dict[str, _Kept]:
        if ven_name in self._by_ven:
            return self._by_ven[ven_name]
        kept = {}
        query = text("SELECT event_id, body, first_seen_us FROM event WHERE ven_name = :ven_name")
        with self._database.read() as connection:
            for row in connection.execute(query, {"ven_name": ven_name}):
                try:
                    kept[row.event_id] = _Kept(
                        read_event(orjson.loads(row.body)),
                        row.body.encode(),
                        from_us(row.first_seen_us),
                    )
                except WireError as error:
                    logger.warning("VEN %s: a stored event is left out: %s", ven_name, error)
        return kept

    def _store(self, ven_name: str, kept: dict[str, _Kept], now: dict[str, _Kept]) -> None:
        gone = kept.keys() - now.keys()
        new = now.keys() - kept.keys()
        changed = {key for key in now.keys() & kept.keys() if now[key].body != kept[key].body}
        if not (gone or new or changed):
            return
        with self._database.write() as connection:
            for event_id in gone:
                connection.execute(
                    text("DELETE FROM event WHERE ven_name = :ven_name AND event_id = :event_id"),
                    {"ven_name": ven_name, "event_id": event_id},
                )
            for event_id in new:
                connection.execute(
                    text(
                        "INSERT INTO event (ven_name, event_id, body, first_seen_us)"
                        " VALUES (:ven_name, :event_id, :body, :first_seen_us)"
                    ),
                    {
                        "ven_name": ven_name,
                        "event_id": event_id,
                        "body": now[event_id].body.decode(),
                        "first_seen_us": to_us(now[event_id].first_seen),
                    },
                )
            for event_id in changed:
                connection.execute(
                    text(
                        "UPDATE event SET body = :body"
                        " WHERE ven_name = :ven_name AND event_id = :event_id"
                    ),
                    {
                        "ven_name": ven_name,
                        "event_id": event_id,
                        "body": now[event_id].body.decode(),
                    },
                )
        for event_id in sorted(new):
            logger.debug("VEN %s: event %s is new", ven_name, event_id)
        for event_id in sorted(gone):
            logger.info("VEN %s: event %s is gone", ven_name, event_id)
