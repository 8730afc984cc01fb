"""What another process had in flight, when this one takes over from it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from app.platform import to_us
from app.reporting.delivery.duplicates import DuplicateSweeper
from app.reporting.delivery.outgoing import OutgoingReport
from app.reporting.delivery.rejected import RejectedReports
from app.reporting.streams import AnyStream, StreamStore, Transition


class Takeover:
    """Holds the reports of a former owner until it can have sent no more.

    A process that stood still may send the rest of a report when it wakes up: what it had in flight
    is looked up when the settling time has passed since its lease ended, and looked for again much
    later. All other streams go on at once.
    """

    def __init__(
        self, *, store: StreamStore, rejected: RejectedReports, duplicates: DuplicateSweeper
    ) -> None:
        self._store = store
        self._rejected = rejected
        self._duplicates = duplicates

    def __call__(self, ended_at: datetime) -> int:
        """Until then the former owner may have sent; how many reports it had in flight."""
        ended_us = to_us(ended_at)
        flying = [stream for stream in self._store.streams() if stream.in_flight is not None]
        changes = [(stream, _held_since(stream, ended_us)) for stream in flying]
        self._store.apply(changes, in_transaction=partial(self._hold, flying, ended_us))
        return len(flying)

    def _hold(self, flying: list[AnyStream], ended_us: int, connection: Connection) -> None:
        for stream in flying:
            if stream.in_flight is not None:
                sought = OutgoingReport.to_look_up(stream, stream.in_flight)
                self._duplicates.plan(connection, sought.locator, after_takeover=True)
        self._rejected.hold(connection, ended_us)


def _held_since(stream: AnyStream, ended_us: int) -> Transition:
    flying = stream.in_flight
    if flying is None:
        return lambda now: now
    name, since_us = flying.name, max(flying.planned_us, ended_us)
    return lambda now: now.in_doubt(name, planned_us=since_us)
