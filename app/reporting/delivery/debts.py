"""What one VEN owes, and how it is given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from app.platform import to_us
from app.readings import ReadsFrames
from app.reporting.content import ReadsArrivals
from app.reporting.delivery.rejected import RejectedReports
from app.reporting.streams import (
    DROPPED,
    AnyStream,
    Backlog,
    LossCounters,
    MeasuredStream,
    StreamReconciler,
    StreamStore,
    Transition,
)


class Debts:
    """Readings of a VEN that were metered and are not delivered. Safe for several threads."""

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        arrivals: ReadsArrivals,
        store: StreamStore,
        backlog: Backlog,
        reconciler: StreamReconciler,
        rejected: RejectedReports,
        losses: LossCounters,
        clock: Callable[[], datetime],
    ) -> None:
        self._frames = frames
        self._arrivals = arrivals
        self._store = store
        self._backlog = backlog
        self._reconciler = reconciler
        self._rejected = rejected
        self._losses = losses
        self._clock = clock

    def newest(self) -> int:
        """The number of the newest frame; 0 when there is none."""
        return self._frames.newest_seq()

    def owed(self, ven_name: str, *, through: int | None, begun_before: datetime) -> int:
        """How many readings are to be delivered: of all frames, or up to the one of this number,
        and in reports about a time before this instant.

        With those of reports that may be at the VTN already, and of refused ones that are to be
        sent again.
        """
        streams = self._store.of_ven(ven_name)
        waiting = self._backlog.waiting_of(streams, through=through, begun_before=begun_before)
        in_doubt = sum(stream.in_flight is not None for stream in streams)
        return max(waiting, in_doubt) + self._rejected.readings_of(ven_name, refused=False)

    def set_aside(self, ven_name: str) -> int:
        """How many readings are in reports that the VTN refused, and that nobody sends again."""
        return self._rejected.readings_of(ven_name, refused=True)

    def give_up(self, ven_name: str, *, with_refused: bool, begun_before: datetime) -> int:
        """Owe nothing more of this VEN, in one transaction; how many readings are lost by that.

        `with_refused`: also the reports that were set aside, which may be sent again otherwise.
        """
        lost = self.owed(ven_name, through=None, begun_before=begun_before)
        lost += self.set_aside(ven_name) if with_refused else 0
        self._store.apply(
            [(stream, self._giving_up(stream)) for stream in self._store.of_ven(ven_name)],
            in_transaction=partial(self._given_up, ven_name, lost, with_refused),
        )
        self._reconciler.unfollow(ven_name)
        return lost

    def _giving_up(self, stream: AnyStream) -> Transition:
        is_measured = isinstance(stream, MeasuredStream)
        newest = self._arrivals.newest_seq() if is_measured else self._frames.newest_seq()
        now_us = to_us(self._clock())
        return lambda now: now.give_up(through=newest, at_us=now_us)

    def _given_up(
        self, ven_name: str, lost: int, with_refused: bool, connection: Connection
    ) -> None:
        if with_refused:
            self._rejected.forget(ven_name, connection)
        if lost:
            self._losses.add(DROPPED, lost, connection)
