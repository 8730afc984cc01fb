"""A stream of reports: what one VEN owes to one report descriptor of one event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from app.reporting.requests import ReportRequest


class Position(NamedTuple):
    """All frames up to number `seq` are acknowledged, and of the next one `column` resources."""

    seq: int
    column: int = 0


AT_THE_START = Position(0)


@dataclass(frozen=True, kw_only=True)
class InFlight:
    """A report that was about to be sent: until its outcome is seen it may be at the VTN or not."""

    name: str
    through: Position
    """Where the cursor stands once it is acknowledged."""
    planned_us: int
    """When it was last about to be sent, in microseconds since 1970."""
    again: bool = False
    """Whether it was sent a second time: the VTN may have it twice."""
    done: Position = AT_THE_START
    """What `Stream.done` is once it is acknowledged."""
    key: int = 0
    """Which report of its plan it is; 0 where the VEN reports what it reads."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The readings of one VEN that one report descriptor of one event asks for."""

    stream_id: int
    ven_name: str
    request: ReportRequest
    cursor: Position
    done: Position = AT_THE_START
    """Of a stream whose reports have their times: all with keys up to `seq` are done, and of the
    next one `column` resources."""
    start: int = 0
    """The frames above this number are this stream's to report."""
    until: int | None = None
    """The last frame of a stream that ended, or that took over a span; None: no end."""
    heir_of: str = ""
    """Of a stream that took over the unsent span of another one: which."""
    reports_left: int | None = None
    """How many reports may follow; None: no end."""
    reports_sent: int = 0
    last_report: str | None = None
    """The name of the newest report that was acknowledged."""
    in_flight: InFlight | None = None
    ended_at_us: int | None = None
    """Since when the event no longer asks for it; None: it does."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells the streams of one VEN apart."""
        return self.request.event_id, self.request.descriptor, self.heir_of

    @property
    def asks(self) -> tuple[str, str]:
        """The event and the descriptor that it serves."""
        return self.request.event_id, self.request.descriptor

    @property
    def unsent(self) -> bool:
        """Whether it may owe something still."""
        return self.until is None or self.cursor.seq < self.until


def passed(stream: Stream, report_name: str | None) -> Stream:
    """The stream after its report in flight was acknowledged (its name), or set aside (None)."""
    if stream.in_flight is None:
        return stream
    sent = report_name is not None
    return replace(
        stream,
        cursor=max(stream.cursor, stream.in_flight.through),
        done=max(stream.done, stream.in_flight.done),
        in_flight=None,
        reports_left=None if stream.reports_left is None else max(stream.reports_left - 1, 0),
        reports_sent=stream.reports_sent + sent,
        last_report=report_name if sent else stream.last_report,
    )
