"""Sends one report, and returns its outcome (openadr.md, 'Reports')."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from app.openadr import (
    OutcomeUnknown,
    VtnClient,
    VtnError,
    VtnRejected,
    VtnReport,
    VtnUnauthorised,
    VtnUnavailable,
    WireError,
)
from app.platform import LogOnce, from_us
from app.reporting.delivery.locator import find
from app.reporting.delivery.outgoing import DeliveryOutcome, Fate, OutgoingReport

logger = logging.getLogger(__name__)

LARGE_BYTES = 256 << 10
"""A 400 on a larger body may be about its size."""
MIN_BYTES = 1 << 10
"""Smaller than this no body is made because a VTN found one too large."""


class ReportSender:
    """Sends reports, each once: after any outcome that was not seen it looks before it sends.

    No VtnError leaves it: the outcome of a report is a DeliveryOutcome. `settle_s`: how long a VTN
    may still be at work on a report whose answer was not seen. `when_unreadable`: what to do where
    the VEN may not read its own reports. Safe for threads.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        settle_s: float,
        when_unreadable: Literal["hold", "send_again"],
        log_once: LogOnce,
    ) -> None:
        self._clock = clock
        self._settle = timedelta(seconds=settle_s)
        self._sends_unread = when_unreadable == "send_again"
        self._log_once = log_once

    def send(self, report: OutgoingReport, client: VtnClient) -> DeliveryOutcome:
        """Send it; one that was sent before is looked up first."""
        if report.was_sent:
            before = self._look_up(report, client)
            if before is not None:
                return before
        if report.report.is_empty:
            return DeliveryOutcome(report=report, fate=Fate.DELIVERED)
        try:
            report_id = client.post_report(report.report.body, report.program_id)
        except OutcomeUnknown as error:
            return self._unseen(report, client, error)
        except VtnRejected as error:
            if error.status == 409:
                return self._unseen(report, client, error)
            return failed(report, error)
        except VtnError as error:
            return failed(report, error)
        return _delivered(report, again=report.was_sent, report_id=report_id)

    def look_up(self, report: OutgoingReport, client: VtnClient) -> DeliveryOutcome:
        """Only look for it, as its event is gone, and 404 says that its reports are, too.

        NOT_SENT: the VTN does not have it.
        """
        outcome = self._look_up(report, client, event_is_gone=True)
        return DeliveryOutcome(report=report, fate=Fate.NOT_SENT) if outcome is None else outcome

    def _look_up(
        self, report: OutgoingReport, client: VtnClient, *, event_is_gone: bool = False
    ) -> DeliveryOutcome | None:
        """What is known of a report that may be at the VTN; None: it is not, and will not come."""
        has_settled = self._clock() - from_us(report.in_doubt_us or 0) >= self._settle
        is_there = self._is_there(report, client, event_is_gone=event_is_gone)
        if isinstance(is_there, VtnError):
            return DeliveryOutcome(
                report=report, fate=Fate.STILL_IN_DOUBT, error=is_there, is_trouble=True
            )
        if is_there:
            # A crash may have hidden that it was sent again after it had settled.
            again = report.again or has_settled
            return _delivered(report, again=again, report_id=is_there)
        if has_settled:
            return None
        not_yet = OutcomeUnknown(
            f"report {report.name} is not at the VTN yet; it is looked for again"
        )
        return DeliveryOutcome(report=report, fate=Fate.STILL_IN_DOUBT, error=not_yet)

    def _unseen(
        self, report: OutgoingReport, client: VtnClient, error: OutcomeUnknown | VtnRejected
    ) -> DeliveryOutcome:
        """After a POST whose outcome was not seen, or a 409: perhaps the VTN took it all the same.

        What cannot be looked up is in doubt.
        """
        is_there = self._is_there(report, client)
        if isinstance(is_there, VtnError):
            return _in_doubt(report, error, answered=is_there.answered)
        if is_there:
            return _delivered(report, again=report.was_sent, report_id=is_there)
        if isinstance(error, VtnRejected):
            try:
                gone = client.event(report.locator.event_id) is None
            except (VtnError, WireError) as failure:
                return _in_doubt(report, error, answered=getattr(failure, "answered", True))
            if gone:
                words = VtnError(f"event {report.locator.event_id} is gone ({error})")
                return DeliveryOutcome(report=report, fate=Fate.EVENT_GONE, error=words)
            if report.was_sent:  # the name is taken, and no report of that name is shown
                return DeliveryOutcome(report=report, fate=Fate.REFUSED, error=error)
        return _in_doubt(report, error, answered=error.answered)

    def _is_there(
        self, report: OutgoingReport, client: VtnClient, *, event_is_gone: bool = False
    ) -> str | VtnError:
        """The VTN's id of it, blank where it has none, or why that is not known; several of one
        name become one."""
        try:
            copies = find(client, report.locator)
        except VtnUnauthorised as error:
            if error.status == 403 and self._sends_unread_of(report, error):
                return ""
            return _not_looked_up(report, error)
        except VtnRejected as error:
            if error.status == 404 and event_is_gone:
                return ""
            return _not_looked_up(report, error)
        except WireError as error:
            return _not_looked_up(report, error)
        except VtnError as error:
            return error
        if len(copies) > 1:
            try:
                reduce_to_one(copies, client)
            except VtnError as error:
                logger.warning(
                    "report %s of VEN %s is at the VTN %d times, and cannot be removed: %s",
                    report.name,
                    report.ven_name,
                    len(copies),
                    error,
                )
        return copies[0].report_id if copies else ""

    def _sends_unread_of(self, report: OutgoingReport, error: VtnError) -> bool:
        """Whether one is sent again unseen, as the VEN may not read its reports: said once."""
        self._log_once(
            logger,
            logging.WARNING,
            f"VEN {report.ven_name} may not read its own reports ({error}): one whose outcome was"
            f" not seen is {'sent again' if self._sends_unread else 'held'}"
            " (DELIVERY__WHEN_UNREADABLE)",
            about=f"reports that VEN {report.ven_name} may not read",
        )
        return self._sends_unread


def reduce_to_one(found: list[VtnReport], client: VtnClient) -> int:
    """Keep the oldest of several reports of one name; how many were removed."""
    for double in found[1:]:
        client.delete_report(double.report_id)
    logger.info(
        "report %s of VEN %s was at the VTN %d times and is there once",
        found[0].report_name,
        client.ven_name,
        len(found),
    )
    return len(found) - 1


def failed(report: OutgoingReport, error: VtnError) -> DeliveryOutcome:
    """What an error means for a report of which no POST was left without an answer."""
    fate = Fate.STILL_IN_DOUBT
    if isinstance(error, VtnRejected):
        fate = _refusal(error, report)
    elif isinstance(error, VtnUnauthorised | VtnUnavailable):
        fate = Fate.NOT_SENT
    if fate is Fate.NOT_SENT and report.was_sent:
        fate = Fate.STILL_IN_DOUBT  # what was sent first may still come
    trouble = fate in (Fate.NOT_SENT, Fate.STILL_IN_DOUBT)
    return DeliveryOutcome(report=report, fate=fate, error=error, is_trouble=trouble)


def _refusal(error: VtnRejected, report: OutgoingReport) -> Fate:
    too_large = error.status == 413 or (error.status == 400 and error.body_bytes > LARGE_BYTES)
    can_shrink = report.report.readings > 1 and len(report.report.body) > MIN_BYTES
    # In doubt: cut in pieces it would be there twice if what was sent first still came.
    if too_large and can_shrink and not report.was_sent and not report.is_smallest:
        return Fate.TOO_LARGE
    return Fate.REFUSED if error.status in (400, 413, 422) else Fate.NOT_SENT


def _delivered(report: OutgoingReport, *, again: bool, report_id: str | None) -> DeliveryOutcome:
    fate = Fate.DELIVERED_AGAIN if again else Fate.DELIVERED
    return DeliveryOutcome(report=report, fate=fate, report_id=report_id)


def _in_doubt(report: OutgoingReport, error: VtnError, *, answered: bool) -> DeliveryOutcome:
    return DeliveryOutcome(
        report=report,
        fate=Fate.IN_DOUBT,
        error=_unknown(str(error), answered=answered),
        is_trouble=True,
    )


def _not_looked_up(report: OutgoingReport, error: Exception) -> OutcomeUnknown:
    return _unknown(f"report {report.name} cannot be looked up: {error}", answered=True)


def _unknown(words: str, *, answered: bool) -> OutcomeUnknown:
    unknown = OutcomeUnknown(words)
    unknown.answered = answered
    return unknown
