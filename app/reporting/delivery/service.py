"""The entry point of report delivery, used by the VENManager."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from app.fleet import HoldsVens
from app.observability import Tracing
from app.openadr import Circuit, VtnError, VtnRejected
from app.platform import LogOnce, Shutdown
from app.reporting.delivery.batch import BatchSender, ClientFor, InFlightBatch
from app.reporting.delivery.batching import Batch
from app.reporting.delivery.builder import ReportBuilder
from app.reporting.delivery.duplicates import DuplicateSweeper
from app.reporting.delivery.outgoing import DeliveryOutcome, Fate, OutgoingReport
from app.reporting.delivery.resend import Resender
from app.reporting.delivery.settlement import Settlement
from app.reporting.streams import AnyStream, StreamReconciler, StreamStore, Transition

logger = logging.getLogger(__name__)

MAX_PASS_S = 60.0
"""A pass starts no batch after this time, so that held VENs are retried and old frames pruned."""
RETRY_WAIT_S = 0.5
"""How long a retry of held VENs is waited for, before the others are looked at again."""
RETRIES_FOR_S = 5.0
"""After this time no other held VEN is retried in this delivery."""
RETRIES_AT_ONCE = 10
"""Held VENs for which reports are built; as many are sent as there are connections for them."""
DOWN = "the VTN is down; it is tried again every few seconds"
Send = Callable[[Sequence[OutgoingReport], list[DeliveryOutcome]], None]


class Prunes(Protocol):
    """What looks after the store of readings."""

    def prune(self) -> None:
        """Remove what nobody needs any more."""


class Corrects(Protocol):
    """What tells later what is known later."""

    def look(self) -> None:
        """Find out what changed."""

    def correct(self, client_for: ClientFor) -> None:
        """Tell it."""


class DeliveryService:
    """Delivers what is owed: per stream one report at a time, oldest readings first.

    A batch is built (`ReportBuilder`), stored as in flight (`StreamStore`), sent (`BatchSender`),
    and the outcomes are stored in one transaction (`Settlement`). After any outcome that was
    not seen, a crash included, a report is looked up by its name before it is sent again
    (openadr.md, 'Reports'). A report that is refused for its content is kept, and its stream goes
    on. VENs that the VTN fails are held, and tried beside the others. Safe for several threads; one
    delivery runs at a time.
    """

    def __init__(
        self,
        *,
        reconciler: StreamReconciler,
        store: StreamStore,
        builder: ReportBuilder,
        sender: BatchSender,
        settlement: Settlement,
        resender: Resender,
        duplicates: DuplicateSweeper,
        corrections: Corrects,
        retention: Prunes,
        circuit: Circuit,
        write_circuit: Circuit,
        held_vens: HoldsVens,
        shutdown: Shutdown,
        tracing: Tracing,
        log_once: LogOnce,
    ) -> None:
        self._reconciler = reconciler
        self._store = store
        self._builder = builder
        self._sender = sender
        self._settlement = settlement
        self._resender = resender
        self._duplicates = duplicates
        self._corrections = corrections
        self._retention = retention
        self._circuit = circuit
        self._write_circuit = write_circuit
        self._held_vens = held_vens
        self._shutdown = shutdown
        self._tracing = tracing
        self._delivering = threading.Lock()
        self._log_once = log_once
        self.blocked: tuple[str, ...] = ()
        """Why streams were blocked in the last delivery, one line each."""

    def follow(self, ven_names: Sequence[str]) -> None:
        """From now on, owe what the events of these VENs ask for, and nothing else."""
        self._reconciler.reconcile(ven_names)

    def waiting(self) -> int:
        """How many readings are owed and not acknowledged, over all streams."""
        return self._store.waiting()

    def deliver(self, client_for: ClientFor) -> int:
        """Send what is due until nothing is left that can be sent; returns readings acknowledged.

        Returns when every report that it sent was answered or failed.
        """
        with self._delivering, self._tracing.span("deliver") as span:
            began_s = time.perf_counter()
            done: list[int] = []
            more = True
            while more and not self._shutdown.is_set():
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

    def _pass(self, client_for: ClientFor) -> tuple[list[int], bool]:
        """What is owed, for about a minute, then everything else.

        The readings of each acknowledged report, and whether more is to be sent.
        """
        self._reconciler.reassign_unsent()
        blocked: dict[int, str] = {}
        done, more = self._send_what_is_owed(client_for, blocked)
        self._corrections.look()
        if not self._circuit.is_open and not self._shutdown.is_set():
            self._corrections.correct(client_for)
            done += self._resender.send_again(client_for)
            self._resolve_abandoned_reports(client_for)
            self._duplicates.look(client_for)
        if not self._shutdown.is_set():
            self._log_problems(blocked)
        self._retention.prune()
        return done, more

    def _send_what_is_owed(
        self, client_for: ClientFor, blocked: dict[int, str]
    ) -> tuple[list[int], bool]:
        """Batch by batch; the readings of each acknowledged report, and whether more is to be sent.

        While one batch is in flight, the outcomes of the one before are stored, and the next one is
        made of the other streams. VENs that are held are tried beside them.
        """
        done: list[int] = []
        began_s = time.monotonic()
        send = partial(self._sender.send, client_for=client_for)
        in_flight: InFlightBatch | None = None
        retry: InFlightBatch | None = None
        try:
            while not self._shutdown.is_set():
                passed_s = time.monotonic() - began_s
                late = passed_s > MAX_PASS_S
                if retry is not None and retry.is_done(0.0):
                    done += self._finish_batch(retry, blocked)
                    retry = None
                if retry is None and passed_s <= RETRIES_FOR_S:
                    retry = self._retry_held(blocked, in_flight, send)
                streams = self._sendable_streams(blocked, in_flight, retry)
                if in_flight is None and not (
                    streams and self._vtn_is_available(client_for, streams, blocked)
                ):
                    if retry is None:
                        break
                    retry.is_done(RETRY_WAIT_S)
                    continue
                batch = self._builder.next_batch(streams) if streams and not late else Batch()
                if self._write_circuit.is_open:  # one report, to see whether it takes them again
                    batch.reports = random.sample(batch.reports, min(len(batch.reports), 1))
                reports = self._plan(batch)
                sent, in_flight = in_flight, None
                if sent is not None:
                    sent.outcomes()  # all are in
                is_available = (
                    sent is None
                    or not streams
                    or self._vtn_is_available(client_for, streams, blocked)
                )
                if reports and is_available:
                    # In another order each time, so that none is always the last.
                    in_flight = InFlightBatch(random.sample(reports, len(reports)), send)
                if sent is not None:
                    done += self._finish_batch(sent, blocked)
                if reports and not is_available:  # the VTN became unavailable meanwhile
                    self._settle(reports, [], blocked)
                if late:
                    return done, bool(streams or sent)
                if not is_available or not (sent or reports or batch.moved):
                    if retry is None:
                        break
                    retry.is_done(RETRY_WAIT_S)
        finally:
            with contextlib.ExitStack() as ends:  # both, whatever one of them meets
                for left in (in_flight, retry):
                    if left is not None:
                        ends.callback(
                            lambda batch: done.extend(self._finish_batch(batch, blocked)), left
                        )
        return done, False

    def _retry_held(
        self, blocked: Mapping[int, str], in_flight: InFlightBatch | None, send: Send
    ) -> InFlightBatch | None:
        """A report of each held VEN that may be tried now, on its way; None: there is none."""
        due = set(self._held_vens.due())
        if not due or self._write_circuit.is_open or self._circuit.is_open:
            return None
        taken = blocked.keys() | (in_flight.stream_ids if in_flight is not None else set())
        streams = [
            stream
            for stream in self._store.open_streams()
            if stream.ven_name in due and stream.owes and stream.stream_id not in taken
        ]
        vens = sorted({stream.ven_name for stream in streams})
        some = set(random.sample(vens, min(len(vens), RETRIES_AT_ONCE)))
        batch = self._builder.next_batch([stream for stream in streams if stream.ven_name in some])
        claimed = [report for report in batch.reports if self._held_vens.claim(report.ven_name)]
        batch.reports = claimed
        reports: list[OutgoingReport] = []
        try:
            reports = self._plan(batch)
            return InFlightBatch(reports, send) if reports else None
        except BaseException:
            reports = []
            raise
        finally:
            planned = {report.name for report in reports}
            self._sender.give_back(report for report in claimed if report.name not in planned)

    def _plan(self, batch: Batch) -> list[OutgoingReport]:
        """Store that these are about to be sent; those that may be: no span was given up, and no
        event is gone since they were made."""
        plans = [(report.stream, _planning(report)) for report in batch.reports]
        stored = self._store.apply([*batch.moved, *plans])
        now = {stream.stream_id: stream for stream in stored}
        return [
            report
            for report in batch.reports
            if (stream := now.get(report.stream.stream_id)) and stream.flies(report.name)
        ]

    def _finish_batch(self, batch: InFlightBatch, blocked: dict[int, str]) -> list[int]:
        """Settle a batch when all of it was tried; the readings of each report."""
        outcomes = batch.outcomes()
        self._sender.give_back(batch.reports)  # those that were not tried
        done = self._settle(batch.reports, outcomes, blocked)
        batch.raise_defect()
        return done

    def _settle(
        self,
        reports: Sequence[OutgoingReport],
        outcomes: Sequence[DeliveryOutcome],
        blocked: dict[int, str],
    ) -> list[int]:
        settled = self._settlement.settle(reports, outcomes)
        for stream_id, problem in settled.waiting.items():
            blocked[stream_id] = problem or blocked.get(stream_id, "")
        for outcome in settled.too_large:
            if isinstance(outcome.error, VtnRejected):
                name = outcome.report.ven_name
                most_bytes = self._builder.make_smaller(name, outcome.error.body_bytes)
                logger.info("VEN %s: reports are made smaller, at most %d bytes", name, most_bytes)
        return settled.readings

    def _sendable_streams(
        self, blocked: Mapping[int, str], *batches: InFlightBatch | None
    ) -> list[AnyStream]:
        """The streams that owe something and can be sent now."""
        busy = {
            stream_id for batch in batches if batch is not None for stream_id in batch.stream_ids
        }
        held_vens = self._held_vens.problems()
        return [
            stream
            for stream in self._store.open_streams()
            if stream.stream_id not in blocked
            and stream.owes
            and stream.stream_id not in busy
            and stream.ven_name not in held_vens
        ]

    def _vtn_is_available(
        self, client_for: ClientFor, streams: Sequence[AnyStream], blocked: dict[int, str]
    ) -> bool:
        """Whether the VTN can be asked; else `blocked` gets these streams.

        One that counts as down is tried with a cheap request.
        """
        if self._circuit.is_open:
            with contextlib.suppress(VtnError):  # the circuit has counted it
                client_for(random.choice(streams).ven_name).ping()
        if self._circuit.is_open or (
            self._write_circuit.is_open and not self._write_circuit.probe_due
        ):
            blocked.update((stream.stream_id, DOWN) for stream in streams)
            return False
        return True

    def _resolve_abandoned_reports(self, client_for: ClientFor) -> None:
        """Look up in-doubt reports that no stream will send again.

        Until it is known whether the VTN has them, their spans cannot be handed over.
        """
        ended = [stream for stream in self._store.streams() if not stream.is_open and stream.owes]
        to_find = self._sender.sendable(
            OutgoingReport.to_look_up(stream, stream.in_flight)
            for stream in (*ended, *self._builder.lost(self._store.open_streams()))
            if stream.in_flight is not None
        )
        outcomes: list[DeliveryOutcome] = []
        try:
            self._sender.look_up(to_find, outcomes, client_for=client_for)
        finally:
            self._settlement.settle(to_find, outcomes)
        if any(outcome.fate is not Fate.STILL_IN_DOUBT for outcome in outcomes):
            self._reconciler.reassign_unsent()

    def _log_problems(self, blocked: Mapping[int, str]) -> None:
        """Log when deliveries begin to fail, fail for another reason, or have recovered."""
        self._held_vens.log_changes()
        of_vens = self._held_vens.problems()
        waiting = [stream for stream in self._store.open_streams() if stream.owes]
        own = [
            problem
            for stream in waiting
            if (problem := blocked.get(stream.stream_id)) and stream.ven_name not in of_vens
        ]
        self.blocked = tuple(
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
        self._log_once.problem(
            logger,
            "reports that are not delivered",
            problem,
            line=f"{len(own)} report streams are blocked; their readings remain owed: {problem}",
            recovered="reports are delivered again",
        )


def _planning(report: OutgoingReport) -> Transition:
    return lambda now: now.plan(report.in_flight, made_after=report.stream.cursor)
