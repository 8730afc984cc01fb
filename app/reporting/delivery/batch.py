"""Reports of many VENs, several of them on their way at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from typing import Protocol

from app.fleet import HoldsVens
from app.observability import Tracing, log_context
from app.openadr import OutcomeUnknown, VtnClient, VtnError
from app.platform import FanOut
from app.reporting.delivery.divisions import RefusedResources
from app.reporting.delivery.outgoing import DeliveryOutcome, Fate, OutgoingReport
from app.reporting.delivery.rejected import RejectedReport
from app.reporting.delivery.sender import failed
from app.reporting.streams import FramesInFlight

ClientFor = Callable[[str], VtnClient]
"""The client of the VEN of this name. VtnError where it has no credentials."""


class SendsReports(Protocol):
    """Sends one report, or looks for it."""

    def send(self, report: OutgoingReport, client: VtnClient) -> DeliveryOutcome: ...

    def look_up(self, report: OutgoingReport, client: VtnClient) -> DeliveryOutcome: ...


class BatchSender:
    """Sends reports, several at a time; `held` is told of VENs whose reports the VTN fails."""

    def __init__(
        self,
        *,
        sender: SendsReports,
        refused: RefusedResources,
        held: HoldsVens,
        fan_out: FanOut,
        tracing: Tracing,
    ) -> None:
        self._sender = sender
        self._refused = refused
        self._held = held
        self._fan_out = fan_out
        self._tracing = tracing

    def send(
        self,
        reports: Sequence[OutgoingReport],
        outcomes: list[DeliveryOutcome],
        *,
        client_for: ClientFor,
    ) -> None:
        """Send these, in the given order; the outcome of each that was tried goes to `outcomes`.

        Of a VEN that comes to be held meanwhile, no other one is tried.
        """
        names = {report.ven_name for report in reports}
        held_before = {name for name in names if self._held.is_held(name)}

        def attempt(report: OutgoingReport) -> None:
            ven_name = report.ven_name
            if self._held.is_held(ven_name) and ven_name not in held_before:
                return
            if not isinstance(report.source, RejectedReport):
                parts = self._refused.without_refused(report)
                if parts:
                    outcomes.append(DeliveryOutcome(report=report, fate=Fate.DIVIDED, parts=parts))
                    return
            self._try(report, self._send, client_for, outcomes, Fate.IN_DOUBT)

        self._fan_out(reports, attempt, failure=VtnError)

    def look_up(
        self,
        reports: Sequence[OutgoingReport],
        outcomes: list[DeliveryOutcome],
        *,
        client_for: ClientFor,
    ) -> None:
        """Look for these, whose events are gone."""

        def attempt(report: OutgoingReport) -> None:
            self._try(report, self._sender.look_up, client_for, outcomes, Fate.STILL_IN_DOUBT)

        try:
            self._fan_out(reports, attempt, failure=VtnError)
        finally:
            self.give_back(reports)

    def sendable(self, reports: Iterable[OutgoingReport]) -> list[OutgoingReport]:
        """Those of VENs that are not held, and of each held one that may be tried now, the first.

        Each has to be tried, or given back.
        """
        reports = list(reports)
        free = set(self._held.free(report.ven_name for report in reports))
        return [
            report
            for report in reports
            if report.ven_name in free or self._held.claim(report.ven_name)
        ]

    def give_back(self, reports: Iterable[OutgoingReport]) -> None:
        """Of held VENs whose report was not tried: somebody else may."""
        for report in reports:
            self._held.give_back(report.ven_name)

    def _try(
        self,
        report: OutgoingReport,
        do: Callable[[OutgoingReport, VtnClient], DeliveryOutcome],
        client_for: ClientFor,
        outcomes: list[DeliveryOutcome],
        after_defect: Fate,
    ) -> None:
        """One report, and what it says about its VEN. VtnError: the VEN or the VTN has trouble."""
        try:
            client = client_for(report.ven_name)
        except VtnError as error:
            outcome = failed(report, error)
        else:
            try:
                outcome = do(report, client)
            except BaseException as defect:
                unknown = OutcomeUnknown(
                    f"report {report.name} may have been sent: {type(defect).__name__}"
                )
                outcomes.append(DeliveryOutcome(report=report, fate=after_defect, error=unknown))
                raise
        outcomes.append(outcome)
        if outcome.is_trouble and outcome.error is not None:
            self._held.failed(report.ven_name, outcome.error)
            raise outcome.error
        self._held.succeeded(report.ven_name)

    def _send(self, report: OutgoingReport, client: VtnClient) -> DeliveryOutcome:
        frames = None
        if isinstance(report.in_flight, FramesInFlight):
            frames = report.stream.needs_frames_after, report.in_flight.through.seq
        context = {"ven": report.ven_name, "report": report.name}
        with (
            log_context(**context),
            self._tracing.span(
                "send report", frames=frames, readings=report.report.readings, **context
            ) as span,
        ):
            outcome = self._sender.send(report, client)
            span.set("fate", outcome.fate.name)
            return outcome


class InFlightBatch:
    """Reports, one of each stream, that `send` sends on a thread of its own.

    `send` appends the outcome of each report to the list that it is given.
    """

    def __init__(
        self,
        reports: Sequence[OutgoingReport],
        send: Callable[[Sequence[OutgoingReport], list[DeliveryOutcome]], None],
    ) -> None:
        self.reports = reports
        self.stream_ids = {report.stream.stream_id for report in reports}
        self._send = send
        self._outcomes: list[DeliveryOutcome] = []
        self._defect: BaseException | None = None
        context = copy_context()  # what the log is about
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="delivery")
        self._thread.start()

    def is_done(self, wait_s: float) -> bool:
        """Whether all were tried, after at most so long."""
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def outcomes(self) -> list[DeliveryOutcome]:
        """What became of those that were tried, when all are."""
        self._thread.join()
        return self._outcomes

    def raise_defect(self) -> None:
        """Raise what `send` raised; the outcomes of the others are settled by then."""
        if self._defect is not None:
            raise self._defect

    def _run(self) -> None:
        try:
            self._send(self.reports, self._outcomes)
        except BaseException as defect:  # noqa: BLE001 - raised to who waits
            self._defect = defect
