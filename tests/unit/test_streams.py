"""The state machine of a stream: nothing is lost, and nothing is reported twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reporting.requests import Quantity, ReportRequest
from app.reporting.streams import (
    FramePosition,
    FramesInFlight,
    IntervalsInFlight,
    IntervalStream,
    ReportPosition,
    TelemetryStream,
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


def telemetry(**fields: object) -> TelemetryStream:
    stream = TelemetryStream(
        stream_id=1, ven_name="A", request=REQUEST, acked_frame=FramePosition(0)
    )
    return replace(stream, **fields)  # type: ignore[arg-type]


def intervals(**fields: object) -> IntervalStream:
    stream = IntervalStream(
        stream_id=2,
        ven_name="A",
        request=replace(REQUEST, is_planned=True),
        acked_report=ReportPosition(0),
        needed_after=0,
    )
    return replace(stream, **fields)  # type: ignore[arg-type]


def cells(after: FramePosition, through: FramePosition) -> Iterator[Cell]:
    """The values between two positions."""
    for seq in range(after.seq + 1, through.seq + 2):
        for column in range(COLUMNS):
            is_after = (seq - 1, column) >= after
            is_through = seq <= through.seq or (seq == through.seq + 1 and column < through.column)
            if is_after and is_through:
                yield seq, column


class Ledger:
    """One event after the other asks a VEN for its readings; what became of every value."""

    def __init__(self, repeat: int | None) -> None:
        self.newest = 0
        self.streams: dict[str, TelemetryStream] = {"first": telemetry(reports_left=repeat)}
        self.asks = 1
        self.names = 0
        self.told: Counter[Cell] = Counter()
        self.refused: Counter[Cell] = Counter()
        self.dropped: Counter[Cell] = Counter()
        self.counted = 0
        """Reports that the VTN has, or refused."""
        self.spans: dict[str, list[Cell]] = {}

    def each(self, change: Callable[[TelemetryStream], TelemetryStream]) -> None:
        self.streams = {key: change(stream) for key, stream in self.streams.items()}

    def meter(self) -> None:
        self.newest += 1

    def plan(self, values: int) -> None:
        """Each stream that can reports its next so many values."""

        def planned(stream: TelemetryStream) -> TelemetryStream:
            last = self.newest if stream.last_frame is None else stream.last_frame
            owed = list(cells(stream.acked_frame, FramePosition(last)))
            if not owed or stream.in_flight is not None:
                return stream
            seq, column = owed[min(values, len(owed)) - 1]
            through = (
                FramePosition(seq) if column == COLUMNS - 1 else FramePosition(seq - 1, column + 1)
            )
            self.names += 1
            name = f"report-{self.names}"
            flying = FramesInFlight(name=name, planned_us=NOW_US, through=through)
            then = stream.plan(flying)
            if then.flies(name):
                self.spans[name] = list(cells(stream.acked_frame, through))
            return then

        self.each(planned)

    def acknowledge(self) -> None:
        def done(stream: TelemetryStream) -> TelemetryStream:
            if stream.in_flight is None:
                return stream
            name = stream.in_flight.name
            self.told.update(self.spans[name])
            self.counted += 1
            then = stream.acknowledge(name, at_us=NOW_US)
            assert then.acknowledge(name, at_us=NOW_US) == then, "twice is once"
            return then

        self.each(done)

    def reject(self) -> None:
        def done(stream: TelemetryStream) -> TelemetryStream:
            if stream.in_flight is None:
                return stream
            self.refused.update(self.spans[stream.in_flight.name])
            self.counted += 1
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
            then = stream.skip(cut)
            last = self.newest if stream.last_frame is None else stream.last_frame
            through = min(then.acked_frame, FramePosition(last))
            self.dropped.update(cells(stream.acked_frame, through))
            return then

        self.each(skipped)

    def end(self) -> None:
        """The event is gone, and the next one asks for the same from now on."""
        self.each(
            lambda stream: (
                stream.end(at_us=NOW_US, last_frame=self.newest) if stream.is_open else stream
            )
        )
        self.asks += 1
        request = replace(REQUEST, event_id=f"event {self.asks}")
        self.streams[f"event {self.asks}"] = telemetry(
            stream_id=self.asks,
            request=request,
            acked_frame=FramePosition(self.newest),
            first_frame=self.newest,
        )

    def hand_over(self) -> None:
        """What ended streams owe passes to the stream that is asked for now."""
        asking = [
            stream
            for stream in self.streams.values()
            if stream.last_frame is None and not stream.inherited_from and stream.is_open
        ]
        for key, stream in list(self.streams.items()):
            if stream.is_open or not stream.owes or stream.in_flight or not asking:
                continue
            self.streams[key], successor = stream.hand_over(asking[0])
            if successor is not None:
                new = f"{successor.request.event_id} {successor.inherited_from}"
                assert new not in self.streams
                self.streams[new] = replace(successor, stream_id=100 + len(self.streams))

    def owed(self) -> Counter[Cell]:
        found: Counter[Cell] = Counter()
        for stream in self.streams.values():
            last = self.newest if stream.last_frame is None else stream.last_frame
            if stream.is_open or stream.owes:
                found.update(cells(stream.acked_frame, FramePosition(last)))
        return found


STEPS = st.one_of(
    st.sampled_from(
        ["meter", "acknowledge", "reject", "in_doubt", "withdraw", "end", "hand_over"]
    ).map(lambda name: (name, ())),
    st.tuples(st.just("plan"), st.tuples(st.integers(1, 3 * COLUMNS))),
    st.tuples(st.just("drop"), st.tuples(st.integers(1, 5))),
)


@given(st.lists(STEPS, max_size=40))
def test_every_value_is_told_refused_dropped_or_owed_and_only_one_of_them(
    steps: list[tuple[str, tuple[int, ...]]],
) -> None:
    ledger = Ledger(repeat=None)
    for name, arguments in steps:
        getattr(ledger, name)(*arguments)

        all_of_them = ledger.told + ledger.refused + ledger.dropped + ledger.owed()
        read = {(seq, column) for seq in range(1, ledger.newest + 1) for column in range(COLUMNS)}
        assert all_of_them == Counter(read), name


@given(st.integers(1, 4), st.lists(STEPS, max_size=40))
def test_no_more_reports_come_than_are_asked_for(
    repeat: int, steps: list[tuple[str, tuple[int, ...]]]
) -> None:
    ledger = Ledger(repeat)
    for name, arguments in steps:
        if name not in ("end", "hand_over"):
            getattr(ledger, name)(*arguments)
        stream = ledger.streams["first"]
        assert stream.reports_left == repeat - ledger.counted >= 0
        assert stream.is_open == (stream.reports_left > 0)
        assert stream.is_open or not stream.owes, "what ended with its last report owes nothing"


def test_an_event_that_asks_again_goes_on_where_it_was() -> None:
    ended = telemetry(acked_frame=FramePosition(3)).end(at_us=NOW_US, last_frame=5)

    again = ended.reopen()

    assert again.is_open
    assert again.last_frame is None
    assert again.acked_frame == FramePosition(3)


def test_an_event_that_has_all_its_reports_does_not_ask_again() -> None:
    flying = FramesInFlight(name="r", planned_us=NOW_US, through=FramePosition(1))
    ended = telemetry(reports_left=1).plan(flying).acknowledge("r", at_us=NOW_US)

    assert ended.reopen() == ended


def test_a_report_that_came_after_its_span_was_given_up_counts_as_one_of_those_asked_for() -> None:
    flying = FramesInFlight(name="r", planned_us=NOW_US, through=FramePosition(2))
    given_up = telemetry(reports_left=2).plan(flying).skip(2)

    late = given_up.acknowledge("r", at_us=NOW_US)

    assert late.reports_left == 1
    assert late.acked_frame == given_up.acked_frame


@pytest.mark.parametrize(
    "stream",
    [
        telemetry(acked_frame=FramePosition(2)),
        telemetry().end(at_us=NOW_US, last_frame=2),
        telemetry(
            in_flight=FramesInFlight(name="other", planned_us=1, through=FramePosition(1, 1))
        ),
    ],
    ids=["its span was given up", "its event is gone", "another one is in flight"],
)
def test_a_report_is_not_sent(stream: TelemetryStream) -> None:
    flying = FramesInFlight(name="r", planned_us=NOW_US, through=FramePosition(2))

    assert not stream.plan(flying).flies("r")


def test_only_what_ended_is_handed_over() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        telemetry().hand_over(telemetry(stream_id=2))


@given(
    st.lists(
        st.sampled_from(["plan", "acknowledge", "reject", "in_doubt", "withdraw", "end", "reopen"]),
        max_size=30,
    )
)
def test_the_reports_of_an_event_are_told_or_refused_once_and_in_order(steps: list[str]) -> None:
    """Reports with the keys 1, 2, …, each of two parts."""
    stream, passed, names = intervals(), list[tuple[int, int]](), 0
    for step in steps:
        flying = stream.in_flight
        if step == "plan" and flying is None:
            half = stream.acked_report.cell == 0
            key = stream.acked_report.key + 1
            through = ReportPosition(key - 1, 1) if half else ReportPosition(key)
            names += 1
            stream = stream.plan(
                IntervalsInFlight(
                    name=f"r{names}",
                    planned_us=NOW_US,
                    key=key,
                    through=through,
                    needed_after=stream.needed_after if half else key,
                )
            )
        elif step == "end":
            stream = stream.end(at_us=NOW_US, last_frame=99)
            assert not stream.owes
        elif step == "reopen":
            stream = stream.reopen()
        elif step in ("acknowledge", "reject") and flying is not None:
            before = stream
            change = stream.acknowledge if step == "acknowledge" else stream.reject
            stream = change(flying.name, at_us=NOW_US)
            assert (stream.acked_report, stream.needed_after) == (
                flying.through,
                flying.needed_after,
            )
            assert stream.reports_sent == before.reports_sent + (step == "acknowledge")
            passed.append((flying.key, flying.through.cell))
        elif step == "in_doubt" and flying is not None:
            stream = stream.in_doubt(flying.name, planned_us=7, again=True)
            assert stream.in_flight == replace(flying, planned_us=7, again=True)
        elif step == "withdraw" and flying is not None:
            stream = stream.withdraw(flying.name)
    assert passed == [(key, cell) for key in range(1, 99) for cell in (1, 0)][: len(passed)]
