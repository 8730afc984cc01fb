"""The state machine of a stream: nothing is lost, and nothing is reported twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.reporting.streams import (
    FramePosition,
    FramesInFlight,
    IntervalsInFlight,
    ReportPosition,
    TelemetryStream,
)
from tests.support.ven_streams import COLUMNS, NOW_US, Ven, intervals, telemetry

STEPS: list[tuple[str, tuple[int, ...]]] = [
    *[("meter", ())] * 6,
    *[("plan", (values,)) for values in (1, 3, COLUMNS, COLUMNS + 1, 3 * COLUMNS)],
    *[("acknowledge", ())] * 3,
    *[("hand_over", ())] * 3,
    *[("end", ())] * 2,
    *[("ask", ())] * 2,
    *[(name, ()) for name in ("reject", "in_doubt", "withdraw", "reopen")],
    *[("drop", (frames,)) for frames in (1, 4)],
]
"""Those that often matter stand several times."""
DAYS = st.lists(st.sampled_from(STEPS), min_size=15, max_size=40)


@settings(max_examples=300, deadline=None)
@given(DAYS)
def test_every_value_is_told_refused_dropped_or_owed_and_only_one_of_them(
    steps: list[tuple[str, tuple[int, ...]]],
) -> None:
    ven = Ven()
    for name, arguments in steps:
        getattr(ven, name)(*arguments)

        became = ven.all_of_it()
        assert set(became.values()) <= {1}, f"{name}: an event gets a value twice"
        times = Counter(value for _, value in became.elements())
        for value, events in ven.asked_by.items():
            most = events + ven.reopened  # which go on with what was read meanwhile
            assert 1 <= times[value] <= most, f"{name}: {value} of {events} events"


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4), DAYS)
def test_no_more_reports_come_than_are_asked_for(
    repeat: int, steps: list[tuple[str, tuple[int, ...]]]
) -> None:
    ven = Ven(repeat)
    for name, arguments in steps:
        if name not in ("ask", "end", "hand_over", "reopen"):
            getattr(ven, name)(*arguments)
        (stream,) = ven.streams.values()
        assert stream.reports_left == repeat - ven.passed >= 0
        assert stream.is_open == (stream.reports_left > 0)
        assert stream.is_open or not stream.owes, "what ended with its last report owes nothing"


def test_an_event_that_asks_again_goes_on_where_it_was() -> None:
    ended = telemetry(acked_frame=FramePosition(3)).end(at_us=NOW_US, last_frame=5)

    again = ended.reopen()

    assert again.is_open
    assert again.last_frame is None
    assert again.acked_frame == FramePosition(3)


def test_an_event_that_asks_again_gets_back_what_it_handed_over() -> None:
    """The event that took it over is gone, too, and had not sent it."""
    ven = Ven()
    for step in ("meter", "end", "hand_over", "end", "reopen", "hand_over"):
        getattr(ven, step)()

    assert set(ven.all_of_it()) == {("event-1", (1, column)) for column in range(COLUMNS)}


def test_an_event_that_has_all_its_reports_does_not_ask_again() -> None:
    flying = FramesInFlight(name="r", planned_us=NOW_US, through=FramePosition(1))
    ended = telemetry(reports_left=1).plan(flying, made_after=(0, 0)).acknowledge("r", at_us=NOW_US)

    assert ended.reopen() == ended


def test_a_report_that_came_after_its_span_was_given_up_counts_as_one_of_those_asked_for() -> None:
    flying = FramesInFlight(name="r", planned_us=NOW_US, through=FramePosition(2))
    given_up = telemetry(reports_left=2).plan(flying, made_after=(0, 0)).skip(2)

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

    assert not stream.plan(flying, made_after=(0, 0)).flies("r")


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
                ),
                made_after=stream.cursor,
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


def test_a_value_that_no_stream_has_is_a_defect() -> None:
    with pytest.raises(TypeError, match="acked_frames"):
        telemetry()._with(acked_frames=FramePosition(3))
