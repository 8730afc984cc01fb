"""Sends again what the VTN refused before, where somebody asked for that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import cast

from app.fleet import HoldsVens
from app.openadr import Circuit, VtnClient, VtnError
from app.platform import Stopping, to_us
from app.reporting.delivery.duplicates import SecondLooks
from app.reporting.delivery.parcels import parcel_of
from app.reporting.delivery.parts import RefusedResources, say_refused
from app.reporting.delivery.post import Fate, Parcel
from app.reporting.delivery.rejected import Outbox, SetAside
from app.reporting.delivery.sender import ReportSender
from app.reporting.delivery.stats import DeliveryJournal
from app.reporting.delivery.under_way import Outcome

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 20
"""Reports held in memory at a time."""


class Resender:
    """Sends the reports of the outbox that are to be sent again, oldest first."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        sender: ReportSender,
        second_looks: SecondLooks,
        journal: DeliveryJournal,
        refused: RefusedResources,
        held: HoldsVens,
        circuit: Circuit,
        writes: Circuit,
        clock: Callable[[], datetime],
        stopping: Stopping,
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._second_looks = second_looks
        self._journal = journal
        self._refused = refused
        self._held = held
        self._circuit = circuit
        self._writes = writes
        self._clock = clock
        self._stopping = stopping

    def send_again(self, client_for: Callable[[str], VtnClient]) -> list[int]:
        """Try each once; the readings of each that was taken.

        Ends when the VTN counts as down or the application stops: the rest stays to be sent. Where
        it takes no writes, one is tried, since nothing else may be owed that would find out.
        """
        done: list[int] = []
        last = 0
        while not self._must_end(begun=last > 0):
            most = 1 if self._writes.is_open else MAX_AT_ONCE
            asides = self._outbox.to_send(most, above=last)
            if not asides:
                break
            last = asides[-1].set_aside_id
            parcels = self._sender.sendable(map(parcel_of, asides))
            asides = [cast(SetAside, parcel.source) for parcel in parcels]
            try:
                # Stored before they are sent: after a crash they are looked up first.
                self._outbox.begin_to_send(asides, to_us(self._clock()))
                done += self._send(parcels, asides, client_for)
            finally:
                for parcel in parcels:
                    self._held.give_back(parcel.ven_name)  # of those that were not tried
        return done

    def _send(
        self,
        parcels: Sequence[Parcel],
        asides: Sequence[SetAside],
        client_for: Callable[[str], VtnClient],
    ) -> list[int]:
        outcomes: list[Outcome] = []
        done: list[int] = []
        try:
            self._sender.send(parcels, outcomes, client_for=client_for)
        finally:
            done = self._remember(asides, outcomes)
        return done

    def _must_end(self, *, begun: bool) -> bool:
        no_writes = begun and self._writes.is_open
        return self._stopping.is_set() or self._circuit.is_open or no_writes

    def _remember(self, asides: Sequence[SetAside], outcomes: list[Outcome]) -> list[int]:
        """What came of them; the readings of each that was taken."""
        done: list[int] = []
        tried = {parcel.report.name for parcel, _, _ in outcomes}
        not_sent = [aside for aside in asides if aside.report_name not in tried]
        refused: list[SetAside] = []
        # Refusals last: whether it was in vain to divide a report is known when all else is.
        outcomes.sort(key=lambda outcome: outcome[1] is Fate.REFUSED)
        for parcel, fate, error in outcomes:
            aside = cast(SetAside, parcel.source)
            if fate in (Fate.DELIVERED, Fate.DELIVERED_AGAIN):
                self._second_looks.delivered_again(
                    [] if parcel.in_doubt_us is None else [parcel.sought],
                    partial(self._outbox.delivered, aside=aside),
                )
                self._refused.taken(aside)
                done.append(aside.readings)
                self._journal.delivered([(aside.ven_name, aside.readings)], self._clock())
                logger.info("VEN %s: report %s is delivered", aside.ven_name, aside.report_name)
            elif fate is Fate.NOT_SENT:
                not_sent.append(aside)
            elif fate is Fate.REFUSED and aside.is_part:
                kept = self._refused.refused(parcel, error)
                self._outbox.put_in_place(kept.in_place_of, kept.asides)
                refused = [each for each in refused if each.report_name not in kept.in_place_of]
                refused += kept.asides
            else:
                self._keep(aside, fate, error)
        say_refused(refused)
        self._outbox.not_sent(not_sent)
        return done

    def _keep(self, aside: SetAside, fate: Fate, error: VtnError | None) -> None:
        """What was sent again and not taken."""
        if fate in (Fate.REFUSED, Fate.TOO_LARGE, Fate.EVENT_GONE):
            self._outbox.remember(aside, problem=str(error), in_doubt_us=aside.in_doubt_us)
            logger.warning(
                "VEN %s: report %s is refused again: %s", aside.ven_name, aside.report_name, error
            )
        elif fate is Fate.IN_DOUBT:
            self._refused.taken(aside)
            self._outbox.remember(aside, problem=None, in_doubt_us=to_us(self._clock()))
