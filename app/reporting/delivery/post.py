"""Sends one report, and says what became of it (rules.md, 'Reports')."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Literal

from app.openadr import (
    OutcomeUnknown,
    VtnClient,
    VtnError,
    VtnRejected,
    VtnReport,
    VtnUnauthorised,
    VtnUnavailable,
)
from app.platform import from_us
from app.reporting.content import RenderedReport
from app.reporting.delivery.lookup import Sought, find
from app.reporting.delivery.rejected import SetAside
from app.reporting.streams import Stream

logger = logging.getLogger(__name__)

LARGE_BYTES = 256 << 10
"""A 400 on a larger body may be about its size."""
LEAST_BYTES = 1 << 10
"""Smaller than this no body is made because a VTN found one too large."""


class Fate(Enum):
    """What became of a report."""

    DELIVERED = "the VTN has it"
    DELIVERED_AGAIN = "the VTN has it, perhaps twice"
    IN_DOUBT = "it was sent, and what the VTN did is not known"
    STILL_IN_DOUBT = "as before: it could not be looked up, or may yet come"
    NOT_SENT = "the VTN does not have it"
    TOO_LARGE = "the VTN does not have it, and takes only smaller ones"
    REFUSED = "the VTN refuses its content"
    EVENT_GONE = "its event is gone"
    DIVIDED = "it was not sent: the VTN is known to refuse a part of it"


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A report that is about to be sent."""

    source: Stream | SetAside
    """Where it comes from: what is owed, or what was refused before."""
    ven_name: str
    program_id: str
    report: RenderedReport
    sought: Sought
    in_doubt_us: int | None
    """Since when it may be at the VTN already; None: it was never sent."""
    again: bool = False
    """Whether it was sent a second time already."""
    is_smallest: bool = False
    """Whether it cannot be cut into smaller ones."""


class _StillInDoubt(OutcomeUnknown):
    """Nothing was learned about a report that may be at the VTN."""

    answered = True


class _NotThereYet(_StillInDoubt):
    """It is not at the VTN, which may still be at work on it."""


class _NoSuchReports(_StillInDoubt):
    """The VTN knows no reports to this event."""


class _EventGone(VtnError):
    """The event that asked for it was deleted."""


class _NameTaken(VtnError):
    """The VTN refuses the name, and shows no report of that name."""


class ReportPost:
    """Sends reports, each once: after any outcome that was not seen it looks before it sends.

    `settle_s`: how long a VTN may still be at work on a report whose answer was not seen.
    `when_unreadable`: what to do where the VEN may not read its own reports. Safe for threads.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        settle_s: float,
        when_unreadable: Literal["hold", "send_again"],
    ) -> None:
        self._clock = clock
        self._settle = timedelta(seconds=settle_s)
        self._sends_unread = when_unreadable == "send_again"
        self._guard = threading.Lock()
        self._warned: set[str] = set()

    def send(self, parcel: Parcel, client: VtnClient) -> Fate:
        """DELIVERED or DELIVERED_AGAIN; else raises the VtnError that `fate_of` explains."""
        if parcel.in_doubt_us is not None and self.find(parcel, client):
            # A crash may have hidden that it was sent again after it had settled.
            again = parcel.again or self._has_settled(parcel)
            return Fate.DELIVERED_AGAIN if again else Fate.DELIVERED
        if parcel.report.is_empty:
            return Fate.DELIVERED
        try:
            client.post_report(parcel.report.body, parcel.program_id)
        except (OutcomeUnknown, VtnRejected) as error:
            if isinstance(error, VtnRejected) and error.status != 409:
                raise
            if not self._was_taken(parcel, client, error):
                raise
        return Fate.DELIVERED if parcel.in_doubt_us is None else Fate.DELIVERED_AGAIN

    def find_of_gone_event(self, parcel: Parcel, client: VtnClient) -> bool:
        """`find`, where the event was deleted: 404 says that its reports are gone with it."""
        try:
            return self.find(parcel, client)
        except _NoSuchReports:
            return False

    def find(self, parcel: Parcel, client: VtnClient) -> bool:
        """Whether a report in doubt is at the VTN; VtnError while that cannot be known yet."""
        if self._is_there(parcel, client):
            return True
        if not self._has_settled(parcel):
            raise _NotThereYet(
                f"report {parcel.sought.name} is not at the VTN yet; it is looked for again"
            )
        return False

    def _has_settled(self, parcel: Parcel) -> bool:
        return self._clock() - from_us(parcel.in_doubt_us or 0) >= self._settle

    def _was_taken(self, parcel: Parcel, client: VtnClient, error: VtnError) -> bool:
        """Whether the VTN has it after all; what cannot be looked up stays in doubt."""
        try:
            if self._is_there(parcel, client):
                return True
            gone = isinstance(error, VtnRejected) and client.event(parcel.sought.event_id) is None
        except (VtnError, ValueError) as failure:
            raise _in_doubt(error, answered=getattr(failure, "answered", True)) from None
        if gone:
            raise _EventGone(f"event {parcel.sought.event_id} is gone ({error})")
        if isinstance(error, VtnRejected) and parcel.in_doubt_us is not None:
            raise _NameTaken(str(error))
        raise _in_doubt(error, answered=error.answered)

    def _is_there(self, parcel: Parcel, client: VtnClient) -> bool:
        """Look it up by its name, and reduce several of one name to one."""
        try:
            found = find(client, parcel.sought)
        except VtnUnauthorised as error:
            if error.status == 403:
                return self._unread(parcel, error)
            raise _not_looked_up(parcel, error) from None
        except VtnRejected as error:
            kind = _NoSuchReports if error.status == 404 else _StillInDoubt
            raise kind(f"report {parcel.sought.name} cannot be looked up: {error}") from None
        if len(found) > 1:
            try:
                reduce_to_one(found, client)
            except VtnError as error:
                logger.warning(
                    "report %s of VEN %s is at the VTN %d times, and cannot be removed: %s",
                    parcel.sought.name,
                    parcel.ven_name,
                    len(found),
                    error,
                )
        return bool(found)

    def _unread(self, parcel: Parcel, error: VtnError) -> bool:
        """The VEN may not read its reports: one warning, and what the setting says."""
        with self._guard:
            new = parcel.ven_name not in self._warned
            self._warned.add(parcel.ven_name)
        if new:
            logger.warning(
                "VEN %s may not read its own reports (%s): one whose outcome was not seen is %s"
                " (DELIVERY__WHEN_UNREADABLE)",
                parcel.ven_name,
                error,
                "sent again" if self._sends_unread else "held",
            )
        if not self._sends_unread:
            raise _not_looked_up(parcel, error)
        return False


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


def fate_of(outcome: Fate | VtnError, parcel: Parcel) -> Fate:
    """What an outcome of `send` means for the report."""
    if isinstance(outcome, Fate):
        return outcome
    if isinstance(outcome, _EventGone):
        return Fate.EVENT_GONE
    if isinstance(outcome, _NameTaken):
        return Fate.REFUSED
    if isinstance(outcome, _StillInDoubt):
        return Fate.STILL_IN_DOUBT
    if isinstance(outcome, OutcomeUnknown):
        return Fate.IN_DOUBT
    fate = Fate.STILL_IN_DOUBT
    if isinstance(outcome, VtnRejected):
        fate = _refusal(outcome, parcel.report)
        in_doubt = parcel.in_doubt_us is not None
        if fate is Fate.TOO_LARGE and (in_doubt or parcel.is_smallest):
            # Cut in pieces it would be there twice if what was sent first still came.
            fate = Fate.REFUSED
    elif isinstance(outcome, VtnUnauthorised | VtnUnavailable):
        fate = Fate.NOT_SENT
    # One that was in doubt keeps its name and span: what was sent first may still come.
    in_doubt = parcel.in_doubt_us is not None and fate is Fate.NOT_SENT
    return Fate.STILL_IN_DOUBT if in_doubt else fate


def _refusal(error: VtnRejected, report: RenderedReport) -> Fate:
    too_large = error.status == 413 or (error.status == 400 and error.body_bytes > LARGE_BYTES)
    if too_large and report.readings > 1 and len(report.body) > LEAST_BYTES:
        return Fate.TOO_LARGE
    return Fate.REFUSED if error.status in (400, 413, 422) else Fate.NOT_SENT


def is_trouble(error: VtnError, fate: Fate) -> bool:
    """Whether the next report of this VEN would fare alike: it says nothing about this report."""
    if isinstance(error, _NotThereYet):
        return False
    return fate in (Fate.NOT_SENT, Fate.IN_DOUBT, Fate.STILL_IN_DOUBT)


def _in_doubt(error: VtnError, *, answered: bool) -> OutcomeUnknown:
    unknown = OutcomeUnknown(str(error))
    unknown.answered = answered
    return unknown


def _not_looked_up(parcel: Parcel, error: VtnError) -> _StillInDoubt:
    return _StillInDoubt(f"report {parcel.sought.name} cannot be looked up: {error}")
