"""A report on its way to the VTN, and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from app.openadr import VtnError
from app.reporting.content import RenderedReport
from app.reporting.delivery.locator import ReportLocator
from app.reporting.delivery.metered_reports import MeteredReport
from app.reporting.delivery.rejected import RejectedReport
from app.reporting.streams import AnyStream, InFlight

TYPICAL_BYTES = 64 << 10
"""What a report takes whose body is not at hand."""


@dataclass(frozen=True, kw_only=True)
class OutgoingReport:
    """A report that is about to be sent, or looked for."""

    source: AnyStream | RejectedReport
    """Where it comes from: what is owed, or what was refused before."""
    ven_name: str
    program_id: str
    report: RenderedReport
    locator: ReportLocator
    in_doubt_us: int | None
    """Since when it may be at the VTN already; None: it was never sent."""
    again: bool = False
    """Whether it was sent a second time already."""
    is_smallest: bool = False
    """Whether it cannot be cut into smaller ones."""
    in_flight: InFlight | None = None
    """What its stream has in flight from now on; None: it comes from no stream."""
    metered: MeteredReport | None = None
    """What it says of real meters; None: nothing."""

    @property
    def name(self) -> str:
        """By which it is known at the VTN."""
        return self.report.name

    @property
    def was_sent(self) -> bool:
        """Whether it may be at the VTN already."""
        return self.in_doubt_us is not None

    @property
    def stream(self) -> AnyStream:
        """Whose report it is. TypeError for one that was refused before."""
        if isinstance(self.source, RejectedReport):
            raise TypeError(f"report {self.name} is of no stream")
        return self.source

    @classmethod
    def of_rejected(cls, rejected: RejectedReport) -> OutgoingReport:
        """A report that was refused, to be sent again."""
        return cls(
            source=rejected,
            ven_name=rejected.ven_name,
            program_id=rejected.program_id,
            report=RenderedReport(
                name=rejected.report_name, body=rejected.body, readings=rejected.readings
            ),
            locator=ReportLocator(
                ven_name=rejected.ven_name,
                event_id=rejected.event_id,
                name=rejected.report_name,
                body_bytes=len(rejected.body),
                reports_before=0,
            ),
            in_doubt_us=rejected.in_doubt_us,
        )

    @classmethod
    def to_look_up(cls, stream: AnyStream, in_flight: InFlight) -> OutgoingReport:
        """The report in flight of a stream that will not send it: only to be looked for."""
        return cls(
            source=stream,
            ven_name=stream.ven_name,
            program_id=stream.request.program_id,
            report=RenderedReport(name=in_flight.name, body=b"", readings=0),
            locator=ReportLocator(
                ven_name=stream.ven_name,
                event_id=stream.request.event_id,
                name=in_flight.name,
                body_bytes=TYPICAL_BYTES,
                reports_before=stream.reports_sent,
                earlier=stream.last_report,
            ),
            in_doubt_us=in_flight.planned_us,
            again=in_flight.again,
            in_flight=in_flight,
        )

    def rejected(self, problem: str, *, at: datetime) -> RejectedReport:
        """The report as it is kept when the VTN refuses it, in the VTN's words."""
        return RejectedReport(
            set_aside_id=0,
            ven_name=self.ven_name,
            program_id=self.program_id,
            event_id=self.locator.event_id,
            report_name=self.name,
            readings=self.report.readings,
            problem=problem,
            refused_at=at,
            to_send=False,
            in_doubt_us=self.in_doubt_us,
            body=self.report.body,
        )


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
class DeliveryOutcome:
    """What became of one report: all that is known, in one value."""

    report: OutgoingReport
    fate: Fate
    error: VtnError | None = None
    """What the VTN answered, or why it could not be asked; None: the VTN has the report."""
    is_trouble: bool = False
    """Whether the next report of the VEN would fare alike: it says nothing about this report."""
    report_id: str | None = None
    """The VTN's, where the VTN has it and said so."""
    parts: Sequence[RejectedReport] = ()
    """Of a report that was divided: what takes its place."""

    @property
    def is_delivered(self) -> bool:
        """Whether the VTN has it."""
        return self.fate in (Fate.DELIVERED, Fate.DELIVERED_AGAIN)
