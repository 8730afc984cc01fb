"""ReportDesk: what the VENManager asks for reports."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol, cast

from sqlalchemy import Connection

from app.fleet import HoldsVens
from app.observability import Tracing
from app.openadr import Circuit, VtnClient, VtnError, VtnRejected
from app.platform import Stopping, to_us
from app.reporting.delivery.builder import ReportPlanner, Round
from app.reporting.delivery.duplicates import SecondLooks
from app.reporting.delivery.lookup import Sought
from app.reporting.delivery.parcels import ended_parcel
from app.reporting.delivery.parts import RefusedResources, say_refused
from app.reporting.delivery.post import Fate, Parcel
from app.reporting.delivery.rejected import Outbox, SetAside
from app.reporting.delivery.resend import Resender
from app.reporting.delivery.sender import ReportSender
from app.reporting.delivery.stats import DeliveryJournal
from app.reporting.delivery.under_way import Outcome, UnderWay
from app.reporting.streams import Obligations, Stream, StreamLedger, passed

logger = logging.getLogger(__name__)

PASS_S = 60.0
"""After so long, what was held is tried again, and what is not needed is removed."""
LOOKS_EVERY_S = 0.5
"""While only held VENs are waited for: whether the others have something to send."""
RETRIES_FOR_S = 5.0
"""After so long, no other held VEN is tried in this delivery."""
RETRIES_AT_ONCE = 10
"""Held VENs for which reports are made; as many are sent as there are connections for them."""
DOWN = "the VTN is down; it is tried again every few seconds"


class Tidies(Protocol):
    """What looks after the store of readings."""

    def tidy(self) -> None:
        """Remove what nobody needs any more."""


class ReportDesk:
    """Delivers what is owed: per stream one report at a time, oldest readings first.

    Before reports are sent, their names and spans are stored; after any outcome that was not seen,
    a crash included, a report is looked up by its name before it is sent again (rules.md,
    'Reports'). A report that is refused for its content is set aside, and its stream goes on. VENs
    that the VTN fails are held, and tried beside the others. Safe for several threads; one delivery
    runs at a time.
    """

    def __init__(
        self,
        *,
        obligations: Obligations,
        ledger: StreamLedger,
        planner: ReportPlanner,
        sender: ReportSender,
        resender: Resender,
        refused: RefusedResources,
        outbox: Outbox,
        second_looks: SecondLooks,
        keeper: Tidies,
        journal: DeliveryJournal,
        circuit: Circuit,
        writes: Circuit,
        held: HoldsVens,
        clock: Callable[[], datetime],
        stopping: Stopping,
        tracing: Tracing,
    ) -> None:
        self._obligations = obligations
        self._ledger = ledger
        self._planner = planner
        self._sender = sender
        self._resender = resender
        self._refused = refused
        self._outbox = outbox
        self._second_looks = second_looks
        self._keeper = keeper
        self._journal = journal
        self._circuit = circuit
        self._writes = writes
        self._clock = clock
        self._held_vens = held
        self._stopping = stopping
        self._tracing = tracing
        self._delivering = threading.Lock()
        self._problem: str | None = None
        self.held: tuple[str, ...] = ()
        """Why streams could not go on in the last delivery, one line each."""

    def follow(self, ven_names: Sequence[str]) -> None:
        """From now on, owe what the events of these VENs ask for, and nothing else."""
        self._obligations.follow(ven_names)

    def waiting(self) -> int:
        """How many readings are owed and not acknowledged, over all streams."""
        return self._obligations.waiting()

    def deliver(self, client_for: Callable[[str], VtnClient]) -> int:
        """Send what is due until nothing is left that can be sent; returns readings acknowledged.

        Returns when every report that it sent was answered or failed.
        """
        with self._delivering, self._tracing.span("deliver") as span:
            began_s = time.perf_counter()
            done: list[int] = []
            more = True
            while more and not self._stopping.is_set():
                sent, more = self._pass(client_for)
                done += sent
            if done:
                logger.info(
                    "delivered %d readings in %d reports, %.2f s",
                    sum(done),
                    len(done),
                    time.perf_counter() - began_s,
                )
            span.set("readings", sum(done))
            return sum(done)

    def _pass(self, client_for: Callable[[str], VtnClient]) -> tuple[list[int], bool]:
        """What is owed, for about a minute, then all else; the readings of each report that was
        acknowledged, and whether there is more to send."""
        self._obligations.pass_on()
        held: dict[int, str] = {}
        done, more = self._send_what_is_owed(client_for, held)
        if not self._circuit.is_open and not self._stopping.is_set():
            done += self._resender.send_again(client_for)
            self._look_for_those_of_gone_events(client_for)
            self._second_looks.look(client_for)
        if not self._stopping.is_set():
            self._say_problems(held)
        self._keeper.tidy()
        return done, more

    def _send_what_is_owed(
        self, client_for: Callable[[str], VtnClient], held: dict[int, str]
    ) -> tuple[list[int], bool]:
        """Round by round; the readings of each report, and whether time ran out.

        While one round is under way, what became of the one before is stored, and the next one is
        made of the other streams. VENs that are held are tried beside them.
        """
        done: list[int] = []
        began_s = time.monotonic()
        send = partial(self._sender.send, client_for=client_for)
        under_way: UnderWay | None = None
        retry: UnderWay | None = None
        try:
            while not self._stopping.is_set():
                passed_s = time.monotonic() - began_s
                late = passed_s > PASS_S
                if retry is not None and retry.is_done(0.0):
                    done += self._end(retry, held)
                    retry = None
                if retry is None and passed_s <= RETRIES_FOR_S:
                    retry = self._retry_held(held, under_way, send)
                streams = self._unsent(held, under_way, retry)
                if under_way is None and not (streams and self._answers(client_for, streams, held)):
                    if retry is None:
                        break
                    retry.is_done(LOOKS_EVERY_S)
                    continue
                round_ = self._planner.next_round(streams) if streams and not late else Round()
                if self._writes.is_open:  # one report, to see whether it takes them again
                    round_.parcels = random.sample(round_.parcels, min(len(round_.parcels), 1))
                self._ledger.advance([*round_.moved, *map(_stream_of, round_.parcels)])
                sent, under_way = under_way, None
                if sent is not None:
                    sent.outcomes()  # all are in
                answers = sent is None or not streams or self._answers(client_for, streams, held)
                if round_.parcels and answers:
                    # In another order each time, so that none is always the last.
                    under_way = UnderWay(random.sample(round_.parcels, len(round_.parcels)), send)
                if sent is not None:
                    done += self._end(sent, held)
                if round_.parcels and not answers:  # not any more
                    self._settle(round_.parcels, [], held)
                if late:
                    return done, bool(streams or sent)
                if not answers or not (sent or round_.parcels or round_.moved):
                    if retry is None:
                        break
                    retry.is_done(LOOKS_EVERY_S)
        finally:
            for left in (under_way, retry):
                if left is not None:
                    done += self._end(left, held)
        return done, False

    def _retry_held(
        self,
        held: Mapping[int, str],
        under_way: UnderWay | None,
        send: Callable[[Sequence[Parcel], list[Outcome]], None],
    ) -> UnderWay | None:
        """A report of each held VEN that may be tried now, on its way; None: there is none."""
        due = set(self._held_vens.due())
        if not due or self._writes.is_open or self._circuit.is_open:
            return None
        taken = held.keys() | (under_way.stream_ids if under_way is not None else set())
        streams = [
            stream
            for stream in self._ledger.open_streams()
            if stream.ven_name in due and stream.unsent and stream.stream_id not in taken
        ]
        vens = sorted({stream.ven_name for stream in streams})
        some = set(random.sample(vens, min(len(vens), RETRIES_AT_ONCE)))
        made = self._planner.next_round([each for each in streams if each.ven_name in some])
        parcels = [each for each in made.parcels if self._held_vens.claim(each.ven_name)]
        try:
            self._ledger.advance([*made.moved, *map(_stream_of, parcels)])
            return UnderWay(parcels, send) if parcels else None
        except BaseException:
            for parcel in parcels:
                self._held_vens.give_back(parcel.ven_name)
            raise

    def _end(self, round_: UnderWay, held: dict[int, str]) -> list[int]:
        """Settle a round when all of it was tried; the readings of each report."""
        outcomes = round_.outcomes()
        for parcel in round_.parcels:
            self._held_vens.give_back(parcel.ven_name)  # of those that were not tried
        done = self._settle(round_.parcels, outcomes, held)
        round_.raise_defect()
        return done

    def _unsent(self, held: Mapping[int, str], *rounds: UnderWay | None) -> list[Stream]:
        """The streams that owe something and can go on."""
        waits_for = {each for round_ in rounds if round_ is not None for each in round_.stream_ids}
        held_vens = self._held_vens.problems()
        return [
            stream
            for stream in self._ledger.open_streams()
            if stream.stream_id not in held
            and stream.unsent
            and stream.stream_id not in waits_for
            and stream.ven_name not in held_vens
        ]

    def _answers(
        self,
        client_for: Callable[[str], VtnClient],
        streams: Sequence[Stream],
        held: dict[int, str],
    ) -> bool:
        """Whether the VTN can be asked; one that counts as down is tried with a cheap request."""
        if self._circuit.is_open:
            with contextlib.suppress(VtnError):  # the circuit hears of it
                client_for(random.choice(streams).ven_name).ping()
        if self._circuit.is_open or (self._writes.is_open and not self._writes.is_due):
            held.update((stream.stream_id, DOWN) for stream in streams)
            return False
        return True

    def _settle(
        self, parcels: Sequence[Parcel], outcomes: Sequence[Outcome], held: dict[int, str]
    ) -> list[int]:
        """Remember what became of each report of a round, one of each stream."""
        done: list[tuple[str, int]] = []
        problems: dict[str, str] = {}
        changed: list[Stream] = []
        refused: list[SetAside] = []
        again: list[Sought] = []
        tried: set[str] = set()
        for parcel, fate, error in outcomes:
            stream = _stream_of(parcel)
            tried.add(parcel.report.name)
            if fate in (Fate.DELIVERED, Fate.DELIVERED_AGAIN):
                changed.append(passed(stream, parcel.report.name))
                if parcel.report.readings:
                    done.append((parcel.ven_name, parcel.report.readings))
                if fate is Fate.DELIVERED_AGAIN:
                    again.append(parcel.sought)
                continue
            if fate is Fate.DIVIDED:
                parts = self._refused.without_refused(parcel)
                changed.append(passed(stream, None) if parts else replace(stream, in_flight=None))
                refused += parts
                continue
            if fate is Fate.REFUSED:
                changed.append(passed(stream, None))
                refused += self._refused.refused(parcel, error).asides
                problems[stream.ven_name] = str(error)
                continue
            changed.append(self._after(parcel, fate))
            if fate is Fate.TOO_LARGE and isinstance(error, VtnRejected):
                most_bytes = self._planner.make_smaller(stream.ven_name, error.body_bytes)
                logger.info(
                    "VEN %s: reports are made smaller, at most %d bytes",
                    stream.ven_name,
                    most_bytes,
                )
                continue
            held[stream.stream_id] = f"VEN {stream.ven_name}: {error}"
            problems[stream.ven_name] = str(error)
        for parcel in parcels:
            if parcel.report.name not in tried:
                stream = _stream_of(parcel)
                held.setdefault(stream.stream_id, "")
                if parcel.in_doubt_us is None:
                    changed.append(replace(stream, in_flight=None))

        def beside(connection: Connection) -> None:
            for aside in refused:
                self._outbox.put(connection, aside)
            self._second_looks.plan(connection, again)

        # Cursors that a loss of power takes back are found out at the VTN, as after any crash; what
        # is written beside them is not.
        noted = bool(refused or again)
        self._ledger.advance(changed, beside if noted else None, durable=noted)
        say_refused(refused)
        self._journal.delivered(done, self._clock())
        self._journal.failed(problems)
        return [readings for _, readings in done]

    def _after(self, parcel: Parcel, fate: Fate) -> Stream:
        """The stream whose report was not acknowledged: in flight while it may be at the VTN."""
        stream = _stream_of(parcel)
        if fate is Fate.IN_DOUBT and stream.in_flight is not None:
            since = replace(
                stream.in_flight,
                planned_us=to_us(self._clock()),
                again=parcel.in_doubt_us is not None,
            )
            return replace(stream, in_flight=since)
        if fate is not Fate.STILL_IN_DOUBT or stream.in_flight is None:
            return replace(stream, in_flight=None)
        # After the clock was set back, the settling time begins anew.
        planned_us = min(stream.in_flight.planned_us, to_us(self._clock()))
        return replace(stream, in_flight=replace(stream.in_flight, planned_us=planned_us))

    def _look_for_those_of_gone_events(self, client_for: Callable[[str], VtnClient]) -> None:
        """Reports in doubt of streams that ended: their spans may pass on only when it is known."""
        parcels = [
            ended_parcel(stream)
            for stream in self._ledger.streams()
            if stream.ended_at_us is not None and stream.in_flight is not None and stream.unsent
        ] + [ended_parcel(stream) for stream in self._planner.lost(self._ledger.open_streams())]
        known = [
            passed(_stream_of(parcel), parcel.sought.name)
            if found
            else replace(_stream_of(parcel), in_flight=None)
            for parcel, found in self._sender.find_of_gone_events(parcels, client_for)
        ]
        self._ledger.advance(known)
        if known:
            self._obligations.pass_on()

    def _say_problems(self, held: Mapping[int, str]) -> None:
        """Log when deliveries begin to fail, for another reason, or are well again."""
        self._held_vens.tell()
        of_vens = self._held_vens.problems()
        waiting = [stream for stream in self._ledger.open_streams() if stream.unsent]
        own = [
            problem
            for stream in waiting
            if (problem := held.get(stream.stream_id)) and stream.ven_name not in of_vens
        ]
        self.held = tuple(
            sorted(
                own
                + [
                    f"VEN {stream.ven_name}: {of_vens[stream.ven_name]}"
                    for stream in waiting
                    if stream.ven_name in of_vens
                ]
            )
        )
        problem = min(own, default=None)
        if problem is not None and problem != self._problem:
            logger.warning("%d reports are not delivered and stay owed: %s", len(own), problem)
        elif problem is None and self._problem is not None:
            logger.info("reports are delivered again")
        self._problem = problem


def _stream_of(parcel: Parcel) -> Stream:
    return cast(Stream, parcel.source)
