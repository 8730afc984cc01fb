"""A batch of reports as it is made, and how large its reports may be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from app.reporting.content import RenderedReport
from app.reporting.delivery.locator import ReportLocator
from app.reporting.delivery.metered_reports import MeteredReport
from app.reporting.delivery.outgoing import OutgoingReport
from app.reporting.delivery.sender import MIN_BYTES
from app.reporting.streams import AnyStream, InFlight, Transition

MAX_BYTES = 1 << 20
"""Of one report's body."""
BATCH_BYTES = 16 << 20
"""Of the bodies of one batch; at most three are held: made, in flight, and just sent."""
WORTH_MOVING = 20
"""Frames, before a stream that waits for its time tells that it does not need them."""


@dataclass(kw_only=True)
class Batch:
    """One report of each stream that has something to report."""

    reports: list[OutgoingReport] = field(default_factory=list)
    moved: list[tuple[AnyStream, Transition]] = field(default_factory=list)
    """Streams that advance without a report: there is nothing to tell."""
    bytes: int = 0
    acknowledged: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By VEN and event: how many reports the VTN has."""

    @property
    def is_full(self) -> bool:
        return self.bytes >= BATCH_BYTES

    def put(
        self,
        stream: AnyStream,
        in_flight: InFlight,
        report: RenderedReport,
        *,
        is_smallest: bool = False,
        metered: MeteredReport | None = None,
    ) -> None:
        """A report of a stream; that of `stream.in_flight` is made again, and was sent before."""
        self.bytes += len(report.body)
        self.reports.append(
            OutgoingReport(
                source=stream,
                ven_name=stream.ven_name,
                program_id=stream.request.program_id,
                report=report,
                locator=ReportLocator(
                    ven_name=stream.ven_name,
                    event_id=stream.request.event_id,
                    name=report.name,
                    body_bytes=len(report.body),
                    reports_before=self.acknowledged[stream.ven_name, stream.request.event_id],
                    earlier=stream.last_report,
                ),
                in_doubt_us=None if stream.in_flight is None else in_flight.planned_us,
                again=in_flight.again,
                is_smallest=is_smallest,
                in_flight=in_flight,
                metered=metered,
            )
        )


class SizeLimits:
    """How large a report may be: what the settings say, and what a VTN was seen to take."""

    def __init__(self, *, most_readings: int, most_bytes: int = MAX_BYTES) -> None:
        self.most_readings = most_readings
        self._most_bytes = most_bytes
        self._of_ven: dict[str, int] = {}

    def most_bytes(self, ven_name: str) -> int:
        """Of the body of a VEN's report."""
        return self._of_ven.get(ven_name, self._most_bytes)

    def make_smaller(self, ven_name: str, refused_bytes: int) -> int:
        """The VTN found a body of this VEN too large; the bound for its next ones, in bytes."""
        most = min(self.most_bytes(ven_name), refused_bytes // 2)
        self._of_ven[ven_name] = max(most, MIN_BYTES)
        return self._of_ven[ven_name]
