"""A stream of reports: what one VEN owes to one report descriptor of one event.

Here is the state machine, and nowhere else. Every method that says what happened is a transition:
it returns the stream as it is afterwards. `StreamStore.apply` calls it on the stream as it is
stored, so that a delivery, a poll and the retention may all work on one stream:

    open ── plan ──▶ in flight ── acknowledge, reject ──▶ open, one report further
                      │    ▲
                      │    └── in_doubt: the same name and span, until the VTN was asked
                      └── withdraw ──▶ open, as before the report was planned

`end` closes a stream when its event no longer asks, `reopen` when the event asks again;
`hand_over` gives what ended streams still owe to another event's stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from app.reporting.requests import ReportRequest
from app.reporting.streams.spans import (
    FramePosition,
    Span,
    Spans,
    first_missing,
    with_span,
    without,
)


class ReportPosition(NamedTuple):
    """All reports with keys up to `key`, and `cell` values of the next one."""

    key: int
    cell: int = 0


@dataclass(frozen=True, kw_only=True)
class InFlight(ABC):
    """A report that is about to be sent: until its outcome is seen it may be at the VTN or not."""

    name: str
    planned_us: int
    """When it was last about to be sent, in microseconds since 1970."""
    again: bool = False
    """Whether it was sent a second time: the VTN may have it twice."""
    through: FramePosition | ReportPosition
    """Where the stream stands once it is acknowledged."""

    @property
    @abstractmethod
    def last_frame(self) -> int:
        """The report is made of frames up to this number."""


@dataclass(frozen=True, kw_only=True)
class FramesInFlight(InFlight):
    """A report of what a VEN reads."""

    through: FramePosition
    is_correction: bool = False
    """Whether it corrects what was told of measurements."""

    @property
    def last_frame(self) -> int:
        return self.through.seq + bool(self.through.column)


@dataclass(frozen=True, kw_only=True)
class IntervalsInFlight(InFlight):
    """A report that was due at a time of its own, or a part of one."""

    key: int
    """Which report of its schedule it is."""
    through: ReportPosition
    needed_after: int
    """Of no use from then on: the frames up to this number."""

    @property
    def last_frame(self) -> int:
        return self.needed_after


Flight = TypeVar("Flight", bound=InFlight)
Self = TypeVar("Self", bound="Stream[Any]")


@dataclass(frozen=True, kw_only=True)
class Stream(ABC, Generic[Flight]):
    """What is the same for both kinds."""

    stream_id: int
    """The store's number; 0: not stored."""
    ven_name: str
    request: ReportRequest
    reports_sent: int = 0
    last_report: str | None = None
    """The name of the newest report that was acknowledged."""
    in_flight: Flight | None = None
    """The report that may be at the VTN, while that is not known."""
    ended_at_us: int | None = None
    """Since when the event no longer asks for it; None: it does."""

    def _with(self: Self, **changed: Any) -> Self:
        """The same with other values. `dataclasses.replace` takes five times as long."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, **changed)
        if len(made.__dict__) != len(self.__dict__):
            raise TypeError(f"a stream has not all of {', '.join(changed)}")
        return made

    @property
    def asks(self) -> tuple[str, str]:
        """The event and the report descriptor that it serves."""
        return self.request.event_id, self.request.descriptor

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells the streams of one VEN apart."""
        return *self.asks, ""

    @property
    def is_open(self) -> bool:
        """Whether its event asks for reports."""
        return self.ended_at_us is None

    @property
    @abstractmethod
    def owes(self) -> bool:
        """Whether it may have something to report, now or later."""

    @property
    @abstractmethod
    def needs_frames_after(self) -> int:
        """It has no use for the frames up to this number."""

    def plan(self: Self, in_flight: Flight, *, made_after: tuple[int, int]) -> Self:
        """A report is about to be sent, which was made when the cursor stood there.

        Unchanged where it must not be sent: the event is gone, some of its span was given up
        meanwhile, or another report is in flight.
        """
        if not self.is_open or not self.owes or made_after != self.cursor:
            return self
        if self.in_flight is not None:  # it is this one, which is looked up and sent again
            return self
        return self._with(in_flight=in_flight)

    def acknowledge(self: Self, name: str, *, at_us: int) -> Self:
        """The VTN has the report; once, however often it is told. It may be the last one."""
        if name == self.last_report and not self.flies(name):
            return self  # reports of one span have one name: it may be in flight once more
        return self._passed(name, at_us=at_us, sent=True)

    def reject(self: Self, name: str, *, at_us: int) -> Self:
        """The VTN refuses the report, which is kept elsewhere: the stream continues without it.

        As with `acknowledge`, it counts as one of those that are asked for, also where its span
        was given up meanwhile.
        """
        return self._passed(name, at_us=at_us, sent=False)

    def in_doubt(self: Self, name: str, *, planned_us: int, again: bool | None = None) -> Self:
        """What the VTN did is not known; the report keeps its name and its span.

        `planned_us`: since when its outcome is awaited. `again`: whether the VTN may have it twice;
        None: as before.
        """
        flying = self.in_flight
        if flying is None or flying.name != name:
            return self
        again = flying.again if again is None else again
        then = replace(flying, planned_us=planned_us, again=again)
        return self if then == flying else self._with(in_flight=then)

    def withdraw(self: Self, name: str) -> Self:
        """The VTN does not have the report, and will not: its span is planned again."""
        return self._with(in_flight=None) if self.flies(name) else self

    @abstractmethod
    def end(self: Self, *, at_us: int, last_frame: int) -> Self:
        """The event asks for it no longer; what was read up to that frame stays owed."""

    def reopen(self: Self) -> Self:
        """The event asks for it again: it continues where it was."""
        return self._with(ended_at_us=None)

    def restate(self: Self, request: ReportRequest) -> Self:
        """The event asks for the same in other words."""
        return self._with(request=request)

    @abstractmethod
    def skip(self: Self, seq: int) -> Self:
        """Give up the frames up to this number."""

    @abstractmethod
    def give_up(self: Self, *, through: int, at_us: int) -> Self:
        """End, and owe nothing of the frames up to this number, nor of reports due until then."""

    def has_passed(self, flying: Flight) -> bool:
        """Whether a report is settled: only that was lost."""
        return flying.through <= self.cursor

    def flies(self, name: str) -> bool:
        """Whether the report of this name is in flight."""
        return self.in_flight is not None and self.in_flight.name == name

    @property
    @abstractmethod
    def cursor(self) -> tuple[int, int]:
        """What is acknowledged, or given up."""

    @abstractmethod
    def _passed(self: Self, name: str, *, at_us: int, sent: bool) -> Self:
        """Behind the report of this name: the VTN has it, or refuses it."""


@dataclass(frozen=True, kw_only=True)
class TelemetryStream(Stream[FramesInFlight]):
    """A VEN reports what it reads, frame by frame."""

    acked_frame: FramePosition
    """The cursor: what is acknowledged, or given up."""
    first_frame: int = 0
    """The frames above this number are this stream's to report."""
    has: Spans = ()
    """What its event has of the frames before: it told them, or took them over."""
    last_frame: int | None = None
    """The last frame of a stream that ended, or that took over a span; None: no end."""
    inherited_from: str = ""
    """Of a stream that took over the unsent span of another one: which."""
    reports_left: int | None = None
    """How many reports may follow; None: no end."""

    @property
    def key(self) -> tuple[str, str, str]:
        return *self.asks, self.inherited_from

    @property
    def owes(self) -> bool:
        return self.last_frame is None or self.acked_frame.seq < self.last_frame

    @property
    def needs_frames_after(self) -> int:
        return self.acked_frame.seq

    def advance(self, to: FramePosition) -> TelemetryStream:
        """Without a report: nothing of the VEN is in these frames."""
        return self._with(acked_frame=max(self.acked_frame, to))

    def end(self, *, at_us: int, last_frame: int) -> TelemetryStream:
        last = last_frame if self.last_frame is None else min(self.last_frame, last_frame)
        return self._with(ended_at_us=at_us, last_frame=max(last, self.acked_frame.seq))

    def reopen(self) -> TelemetryStream:
        if self.reports_left == 0:
            return self
        return self._with(
            ended_at_us=None, last_frame=self.last_frame if self.inherited_from else None
        )

    def end_if_all_sent(self, *, at_us: int) -> TelemetryStream:
        """End, where as many reports were sent as the event asks for."""
        if self.reports_left != 0 or not self.is_open:
            return self
        return self.end(at_us=at_us, last_frame=0)

    def skip(self, seq: int) -> TelemetryStream:
        """With a report in flight that holds some of them."""
        if self.acked_frame.seq >= seq:
            return self
        flying = FramePosition(0) if self.in_flight is None else self.in_flight.through
        return self._with(acked_frame=max(FramePosition(seq), flying), in_flight=None)

    def give_up(self, *, through: int, at_us: int) -> TelemetryStream:
        skipped = self._with(
            acked_frame=max(self.acked_frame, FramePosition(through)), in_flight=None
        )
        return skipped.end(at_us=at_us, last_frame=0)

    def hand_over(self, to: TelemetryStream) -> tuple[TelemetryStream, TelemetryStream | None]:
        """What it owes passes to the event of another stream: this one, and that event's stream
        over the first part that it has not; None: it has all of it. To be repeated while it owes.
        """
        if self.last_frame is None:
            raise ValueError(f"stream {self.stream_id} has not ended: it reports its own readings")
        last = min(self.last_frame, to.first_frame)
        missing = first_missing(to.has, self.acked_frame, last)
        start, end = missing or (FramePosition(self.last_frame), self.last_frame)
        if end == to.first_frame:
            end = self.last_frame  # it has what follows
        told = with_span(self.has, Span(self.first_frame, self.acked_frame))
        # What it gives away is no longer its own, should it be asked again.
        rest = replace(self.skip(end), first_frame=end, has=told)
        if missing is None:
            return rest, None
        successor = type(self)(
            stream_id=0,
            ven_name=self.ven_name,
            request=replace(to.request, since=None),
            # With its place: a stream that opens and ends again hands over several times.
            inherited_from=f"{self.stream_id}@{start.seq}",
            first_frame=start.seq,
            acked_frame=start,
            last_frame=missing[1],
        )
        return rest, successor

    def inherit(self, successor: TelemetryStream) -> TelemetryStream:
        """Its event has what this stream of it took over."""
        until = FramePosition(successor.last_frame or 0)
        return self._with(has=with_span(self.has, Span(successor.first_frame, until)))

    def give_away(self, successor: TelemetryStream) -> TelemetryStream:
        """What a stream of its event took over went on to another event."""
        left = without(self.has, successor.acked_frame, successor.last_frame or 0)
        return self._with(has=left)

    @property
    def cursor(self) -> tuple[int, int]:
        return self.acked_frame

    def _passed(self, name: str, *, at_us: int, sent: bool) -> TelemetryStream:
        flying, acked = self.in_flight, self.acked_frame
        if flying is not None and flying.name == name:  # else its span was given up meanwhile
            acked = max(acked, flying.through)
            flying = None
        passed = self._with(
            acked_frame=acked,
            in_flight=flying,
            reports_left=None if self.reports_left is None else max(self.reports_left - 1, 0),
            reports_sent=self.reports_sent + sent,
            last_report=name if sent else self.last_report,
        )
        return passed.end_if_all_sent(at_us=at_us)


@dataclass(frozen=True, kw_only=True)
class IntervalStream(Stream[IntervalsInFlight]):
    """A VEN reports what its event asks for, at the times that the event sets."""

    acked_report: ReportPosition
    """The cursor: what is acknowledged, or given up."""
    needed_after: int
    """The frames up to this number are of no use to reports that are still to come."""

    @property
    def owes(self) -> bool:
        return self.is_open

    @property
    def needs_frames_after(self) -> int:
        return self.needed_after

    def advance(
        self, *, to: ReportPosition | None = None, needed_after: int | None = None
    ) -> IntervalStream:
        """Without a report: there is nothing to tell, or nobody needs it any more."""
        return self._with(
            acked_report=max(self.acked_report, to or self.acked_report),
            needed_after=max(self.needed_after, needed_after or 0),
        )

    def end(self, *, at_us: int, last_frame: int) -> IntervalStream:
        """With all that it owes: the intervals of an event are nobody else's."""
        del last_frame
        return self._with(ended_at_us=at_us)

    def skip(self, seq: int) -> IntervalStream:
        """Its reports are made of what is left."""
        return self._with(needed_after=max(self.needed_after, seq))

    def give_up(self, *, through: int, at_us: int) -> IntervalStream:
        return self._with(
            acked_report=max(self.acked_report, ReportPosition(at_us)),
            needed_after=max(self.needed_after, through),
            in_flight=None,
            ended_at_us=at_us,
        )

    @property
    def cursor(self) -> tuple[int, int]:
        return self.acked_report

    def _passed(self, name: str, *, at_us: int, sent: bool) -> IntervalStream:
        del at_us
        flying, acked, needed_after = self.in_flight, self.acked_report, self.needed_after
        if flying is not None and flying.name == name:  # else it was given up meanwhile
            acked = max(acked, flying.through)
            needed_after = max(needed_after, flying.needed_after)
            flying = None
        return self._with(
            acked_report=acked,
            needed_after=needed_after,
            in_flight=flying,
            reports_sent=self.reports_sent + sent,
            last_report=name if sent else self.last_report,
        )
