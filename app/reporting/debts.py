"""What one VEN owes, and how it is given up."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from app.metering import FrameStore
from app.reporting.ledger import StreamLedger
from app.reporting.obligations import Obligations
from app.reporting.outbox import Outbox
from app.reporting.tally import DROPPED, Tally


class Debts:
    """Readings of a VEN that were metered and are not delivered. Safe for several threads."""

    def __init__(
        self,
        *,
        frames: FrameStore,
        ledger: StreamLedger,
        obligations: Obligations,
        outbox: Outbox,
        tally: Tally,
    ) -> None:
        self._frames = frames
        self._ledger = ledger
        self._obligations = obligations
        self._outbox = outbox
        self._tally = tally

    def newest(self) -> int:
        """The number of the newest frame; 0 when there is none."""
        return self._frames.newest_seq()

    def owed(self, ven_name: str, *, through: int | None) -> int:
        """How many readings are to be delivered: of all frames, or up to the one of this number.

        With those of reports that may be at the VTN already, and of refused ones that are to be
        sent again; without what no event asks for.
        """
        streams = [
            each
            for each in self._ledger.of_ven(ven_name)
            if each.ended_at_us is None or each.in_flight is not None
        ]
        waiting = self._obligations.waiting_of(streams, through=through)
        in_doubt = sum(each.in_flight is not None for each in streams)
        return max(waiting, in_doubt) + self._outbox.readings_of(ven_name, refused=False)

    def forget(self, ven_name: str, *, with_refused: bool) -> int:
        """Give up all that it owes, in one transaction; how many readings that were.

        `with_refused`: also the reports that were set aside, which may be sent again otherwise.
        """
        streams = self._ledger.of_ven(ven_name)
        lost = self._obligations.waiting_of(streams)
        if with_refused:
            lost += self._outbox.readings_of(ven_name, refused=True)
            lost += self._outbox.readings_of(ven_name, refused=False)
        self._ledger.forget(streams, partial(self._given_up, ven_name, lost, with_refused))
        return lost

    def _given_up(
        self, ven_name: str, lost: int, with_refused: bool, connection: Connection
    ) -> None:
        if with_refused:
            self._outbox.forget(ven_name, connection)
        if lost:
            self._tally.add(DROPPED, lost, connection)
