"""A VEN whose readings events ask for, and what becomes of every value: the model of streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from app.reporting.requests import Quantity, ReportRequest
from app.reporting.streams import (
    FramePosition,
    FramesInFlight,
    IntervalStream,
    ReportPosition,
    TelemetryStream,
    hand_overs,
)

COLUMNS = 4
"""Resources, each with one value in every frame."""
NOW_US = 1_000_000
REQUEST = ReportRequest(
    event_id="event",
    payload_type="READING",
    reading_type=None,
    units="KW",
    quantity=Quantity.INSTANT_POWER,
    asked_reading_type=None,
)
Cell = tuple[int, int]
"""A value: number of its frame, column."""


def telemetry(**fields: Any) -> TelemetryStream:
    stream = TelemetryStream(
        stream_id=1, ven_name="A", request=REQUEST, acked_frame=FramePosition(0)
    )
    return replace(stream, **fields)


def intervals(**fields: Any) -> IntervalStream:
    stream = IntervalStream(
        stream_id=2,
        ven_name="A",
        request=replace(REQUEST, is_planned=True),
        acked_report=ReportPosition(0),
        needed_after=0,
    )
    return replace(stream, **fields)


def cells(after: FramePosition, through: FramePosition) -> Iterator[Cell]:
    """The values between two positions."""
    for seq in range(after.seq + 1, through.seq + 2):
        for column in range(COLUMNS):
            is_after = (seq - 1, column) >= after
            is_through = seq <= through.seq or (seq == through.seq + 1 and column < through.column)
            if is_after and is_through:
                yield seq, column


class Ven:
    """Events ask a VEN for its readings, one after the other or at once; what became of them."""

    def __init__(self, repeat: int | None = None) -> None:
        self.newest = 0
        self.streams: dict[str, TelemetryStream] = {}
        self.events = 0
        self.reports = 0
        self.became: Counter[tuple[str, Cell]] = Counter()
        """By event and value: how often it was told, refused or dropped."""
        self.asked_by: Counter[Cell] = Counter()
        """How many events ask for a value that was read."""
        self.passed = 0
        """Reports that the VTN has, or refused."""
        self.reopened = 0
        self.spans: dict[str, list[Cell]] = {}
        self.ask(repeat)

    def ask(self, repeat: int | None = None) -> None:
        """One more event asks for what is read from now on."""
        self.events += 1
        event_id = f"event-{self.events}"
        self.streams[event_id] = telemetry(
            stream_id=self.events,
            request=replace(REQUEST, event_id=event_id),
            acked_frame=FramePosition(self.newest),
            first_frame=self.newest,
            reports_left=repeat,
        )

    @property
    def asking(self) -> list[TelemetryStream]:
        """The streams of events that ask, the oldest first."""
        open_ = (stream for stream in self.streams.values() if stream.is_open)
        return sorted(
            (stream for stream in open_ if not stream.inherited_from),
            key=lambda stream: stream.first_frame,
        )

    def each(self, change: Callable[[TelemetryStream], TelemetryStream]) -> None:
        self.streams = {key: change(stream) for key, stream in self.streams.items()}

    def counted(self, stream: TelemetryStream, values: Iterable[Cell]) -> None:
        self.became.update((stream.request.event_id, value) for value in values)

    def meter(self) -> None:
        self.newest += 1
        for column in range(COLUMNS):
            self.asked_by[self.newest, column] = len(self.asking)

    def plan(self, values: int) -> None:
        """Each stream that can reports its next so many values."""

        def planned(stream: TelemetryStream) -> TelemetryStream:
            owed = self.owed_by(stream)
            if not owed or stream.in_flight is not None:
                return stream
            seq, column = owed[min(values, len(owed)) - 1]
            through = (
                FramePosition(seq) if column == COLUMNS - 1 else FramePosition(seq - 1, column + 1)
            )
            self.reports += 1
            name = f"report-{self.reports}"
            flying = FramesInFlight(name=name, planned_us=NOW_US, through=through)
            then = stream.plan(flying, made_after=stream.cursor)
            if then.flies(name):
                self.spans[name] = list(cells(stream.acked_frame, through))
            return then

        self.each(planned)

    def acknowledge(self) -> None:
        def done(stream: TelemetryStream) -> TelemetryStream:
            if stream.in_flight is None:
                return stream
            name = stream.in_flight.name
            self.counted(stream, self.spans[name])
            self.passed += 1
            then = stream.acknowledge(name, at_us=NOW_US)
            assert then.acknowledge(name, at_us=NOW_US) == then, "twice is once"
            return then

        self.each(done)

    def reject(self) -> None:
        def done(stream: TelemetryStream) -> TelemetryStream:
            if stream.in_flight is None:
                return stream
            self.counted(stream, self.spans[stream.in_flight.name])
            self.passed += 1
            return stream.reject(stream.in_flight.name, at_us=NOW_US)

        self.each(done)

    def in_doubt(self) -> None:
        def unseen(stream: TelemetryStream) -> TelemetryStream:
            flying = stream.in_flight
            if flying is None:
                return stream
            then = stream.in_doubt(flying.name, planned_us=NOW_US, again=True)
            assert then.in_flight is not None
            assert (then.in_flight.name, then.in_flight.through) == (flying.name, flying.through)
            assert then.acked_frame == stream.acked_frame
            return then

        self.each(unseen)

    def withdraw(self) -> None:
        self.each(
            lambda stream: (
                stream if stream.in_flight is None else stream.withdraw(stream.in_flight.name)
            )
        )

    def drop(self, frames: int) -> None:
        """The store is full: the oldest frames go, whoever needs them."""
        cut = min(frames, self.newest)

        def skipped(stream: TelemetryStream) -> TelemetryStream:
            before = self.owed_by(stream)
            then = stream.skip(cut)
            self.counted(stream, set(before) - set(self.owed_by(then)))
            return then

        self.each(skipped)

    def end(self) -> None:
        """The oldest event is gone; another one asks for the same."""
        if len(self.asking) < 2:
            self.ask()
        gone = self.asking[0].request.event_id
        self.each(
            lambda stream: (
                stream.end(at_us=NOW_US, last_frame=self.newest)
                if stream.is_open and stream.request.event_id == gone
                else stream
            )
        )

    def reopen(self) -> None:
        """The event that is gone longest asks again; it continues where it was."""
        gone = [stream for stream in self.streams.values() if not stream.is_open]
        if gone:
            event_id = gone[0].request.event_id
            self.reopened += 1
            self.each(
                lambda stream: stream.reopen() if stream.request.event_id == event_id else stream
            )

    def hand_over(self) -> None:
        """What ended streams owe passes to the event that asks longest."""
        ended = {
            key: stream
            for key, stream in self.streams.items()
            if not stream.is_open and stream.owes
        }
        if any(stream.in_flight is not None for stream in ended.values()):
            return
        heir = self.asking[0]
        shares, taken = hand_overs(ended.values(), heir)
        keys = {stream.stream_id: key for key, stream in ended.items()}
        for stream in ended.values():
            own = stream.request.event_id
            if stream.inherited_from and own in self.streams:
                self.streams[own] = self.streams[own].give_away(stream)
        for stream, to in shares:
            key = keys[stream.stream_id]
            self.streams[key], successor = self.streams[key].hand_over(to)
            if successor is not None:
                new = f"{successor.request.event_id} {successor.inherited_from}"
                assert new not in self.streams
                self.streams[new] = replace(successor, stream_id=100 + len(self.streams))
        for successor in taken:
            self.streams[heir.request.event_id] = self.streams[heir.request.event_id].inherit(
                successor
            )

    def owed_by(self, stream: TelemetryStream) -> list[Cell]:
        if not stream.owes:
            return []
        last = self.newest if stream.last_frame is None else stream.last_frame
        return list(cells(stream.acked_frame, FramePosition(last)))

    def all_of_it(self) -> Counter[tuple[str, Cell]]:
        """What became of each value, and what is still owed, by event."""
        owed = Counter(
            (stream.request.event_id, value)
            for stream in self.streams.values()
            for value in self.owed_by(stream)
        )
        return self.became + owed
