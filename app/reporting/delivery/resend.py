"""Sends again what the VTN refused before, where somebody asked for that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import cast

from app.openadr import Circuit
from app.platform import Shutdown, to_us
from app.reporting.delivery.batch import BatchSender, ClientFor
from app.reporting.delivery.outgoing import DeliveryOutcome, OutgoingReport
from app.reporting.delivery.rejected import RejectedReport, RejectedReports
from app.reporting.delivery.settlement import Settlement

MAX_AT_ONCE = 20
"""Reports held in memory at a time."""


class Resender:
    """Sends the rejected reports that are to be sent again, oldest first."""

    def __init__(
        self,
        *,
        rejected: RejectedReports,
        sender: BatchSender,
        settlement: Settlement,
        circuit: Circuit,
        write_circuit: Circuit,
        clock: Callable[[], datetime],
        shutdown: Shutdown,
    ) -> None:
        self._rejected = rejected
        self._sender = sender
        self._settlement = settlement
        self._circuit = circuit
        self._write_circuit = write_circuit
        self._clock = clock
        self._shutdown = shutdown

    def send_again(self, client_for: ClientFor) -> list[int]:
        """Try each once; the readings of each that was taken.

        Ends when the VTN counts as down or the application stops: the rest stays to be sent. Where
        it takes no writes, one is tried, since nothing else may be owed that would find out.
        """
        done: list[int] = []
        last = 0
        while not self._must_end(begun=last > 0):
            most = 1 if self._write_circuit.is_open else MAX_AT_ONCE
            rejected = self._rejected.to_send(most, above=last)
            if not rejected:
                break
            last = rejected[-1].set_aside_id
            reports = self._sender.sendable(map(OutgoingReport.of_rejected, rejected))
            outcomes: list[DeliveryOutcome] = []
            try:
                # Stored before they are sent: after a crash they are looked up first.
                begun = [cast(RejectedReport, report.source) for report in reports]
                self._rejected.begin_to_send(begun, to_us(self._clock()))
                try:
                    self._sender.send(reports, outcomes, client_for=client_for)
                finally:
                    done += self._settlement.settle(reports, outcomes).readings
            finally:
                self._sender.give_back(reports)  # those that were not tried
        return done

    def _must_end(self, *, begun: bool) -> bool:
        no_writes = begun and self._write_circuit.is_open
        return self._shutdown.is_set() or self._circuit.is_open or no_writes
