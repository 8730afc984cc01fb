"""Streams are stored whole: what was applied is what a restart finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from app.platform import Database, DatabaseError, from_us, make_engine
from app.reporting.requests import Quantity, ReportRequest
from app.reporting.streams import (
    AnyStream,
    FramePosition,
    FramesInFlight,
    IntervalsInFlight,
    IntervalStream,
    MeasuredStream,
    ReportPosition,
    StreamStore,
    TelemetryStream,
)
from app.reporting.streams.spans import Span
from tests.support.fakes import FakeClock
from tests.support.flaky_database import LosesAnswers

NUMBERS = st.integers(0, 1 << 60)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
INSTANTS = st.integers(0, 1 << 52).map(from_us)
OF_TYPES: dict[Any, st.SearchStrategy[Any]] = {
    "int": NUMBERS,
    "int | None": st.none() | NUMBERS,
    "str": NAMES,
    "str | None": st.none() | NAMES,
    "bool": st.booleans(),
    "datetime | None": st.none() | INSTANTS,
    "Quantity": st.sampled_from(Quantity),
    "tuple[int, ...]": st.lists(NUMBERS, max_size=3).map(tuple),
    "FramePosition": st.builds(FramePosition, NUMBERS, NUMBERS),
    "ReportPosition": st.builds(ReportPosition, NUMBERS, NUMBERS),
    "Spans": st.lists(
        st.builds(Span, NUMBERS, st.builds(FramePosition, NUMBERS, NUMBERS)), max_size=3
    ).map(tuple),
}


class CountsNothing:
    """Nobody asks how much is owed."""

    def update(self, changed: Sequence[AnyStream], removed: Sequence[AnyStream]) -> None:
        del changed, removed

    def reset(self) -> None:
        """There is nothing to forget."""

    def total_owed(self) -> int:
        raise AssertionError("nobody asks")


def store_of(database: Database) -> StreamStore:
    return StreamStore(database=database, clock=FakeClock(), backlog=CountsNothing())


def any_of(kind: Any, **given_: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Every field with any value: a new field is tried without being named here."""
    return st.builds(
        kind,
        **{
            field.name: given_[field.name] if field.name in given_ else OF_TYPES[str(field.type)]
            for field in fields(kind)
        },
    )


def telemetry(kind: Any, *, is_measured: bool) -> st.SearchStrategy[Any]:
    return any_of(
        kind,
        stream_id=st.just(0),
        request=any_of(ReportRequest, is_planned=st.just(False), is_measured=st.just(is_measured)),
        in_flight=st.none() | any_of(FramesInFlight, through=OF_TYPES["FramePosition"]),
    )


TELEMETRY = telemetry(TelemetryStream, is_measured=False)
MEASURED = telemetry(MeasuredStream, is_measured=True)
INTERVALS = any_of(
    IntervalStream,
    stream_id=st.just(0),
    request=any_of(ReportRequest, is_planned=st.just(True)),
    in_flight=st.none() | any_of(IntervalsInFlight, through=OF_TYPES["ReportPosition"]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.tuples(TELEMETRY, TELEMETRY),
        st.tuples(MEASURED, MEASURED),
        st.tuples(INTERVALS, INTERVALS),
    )
)
def test_a_stream_is_read_as_it_was_written(pair: tuple[AnyStream, AnyStream]) -> None:
    first, other = pair
    with TemporaryDirectory() as folder:
        database = Database(make_engine(f"sqlite:///{folder}/fleet.db"))
        store = store_of(database)
        store.apply(begin=[first])
        (begun,) = store.streams()
        # What tells a stream apart stays; all else may change.
        same: dict[str, Any] = {"stream_id": begun.stream_id, "ven_name": begun.ven_name}
        if isinstance(begun, TelemetryStream):
            same["inherited_from"] = begun.inherited_from
        request = replace(
            other.request,
            **{
                name: getattr(begun.request, name)
                for name in ("event_id", "payload_type", "asked_reading_type", "units")
            },
            particulars=begun.request.particulars,
        )
        changed = replace(other, request=request, **same)
        store.apply([(begun, lambda _: changed)])

        (read,) = store_of(database).streams()
        database.close()

    flying: Any = changed.in_flight
    if flying is not None and changed.has_passed(flying):
        changed = replace(changed, in_flight=None)  # it was settled, and only that was lost
    if isinstance(changed, TelemetryStream) and changed.reports_left == 0:
        changed = changed.end_if_all_sent(at_us=read.ended_at_us or 0)
    assert read == changed


@pytest.fixture
def store(database: Database) -> StreamStore:
    return store_of(database)


def begun(store: StreamStore) -> TelemetryStream:
    request = ReportRequest(
        event_id="event",
        payload_type="READING",
        reading_type=None,
        units="KW",
        quantity=Quantity.INSTANT_POWER,
        asked_reading_type=None,
    )
    new = TelemetryStream(stream_id=0, ven_name="A", request=request, acked_frame=FramePosition(0))
    store.apply(begin=[new])
    (stream,) = store.of_ven("A")
    assert isinstance(stream, TelemetryStream)
    return stream


def advanced(seq: int) -> Callable[[TelemetryStream], TelemetryStream]:
    return lambda now: now.advance(FramePosition(seq))


def test_a_change_is_applied_to_what_is_stored_and_not_to_what_was_read(
    store: StreamStore,
) -> None:
    stale = begun(store)
    store.apply([(stale, advanced(5))])

    store.apply([(stale, lambda now: now.end(at_us=1, last_frame=9))])

    (now,) = store.streams()
    assert isinstance(now, TelemetryStream)
    assert (now.acked_frame.seq, now.last_frame) == (5, 9)


def test_what_is_written_with_it_fails_with_it(store: StreamStore, database: Database) -> None:
    stream = begun(store)

    def full(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM stream")
        raise DatabaseError("disk is full")

    with pytest.raises(DatabaseError):
        store.apply([(stream, advanced(5))], in_transaction=full)

    assert store.streams() == [stream]
    assert store_of(database).streams() == [stream]


def test_a_stream_that_begins_twice_stays_as_it_is(store: StreamStore) -> None:
    stream = begun(store)
    store.apply([(stream, advanced(5))])

    store.apply(begin=[stream])

    assert [each.needs_frames_after for each in store.streams()] == [5]


def test_what_is_forgotten_does_not_change(store: StreamStore) -> None:
    stream = begun(store)
    store.apply(forget=[stream])

    assert store.apply([(stream, advanced(5))]) == []
    assert store.streams() == []


def test_a_change_whose_answer_was_lost_is_known_as_stored(database_url: str) -> None:
    database = LosesAnswers(make_engine(database_url))
    store = store_of(database)
    stream = begun(store)
    database.loses = True
    with pytest.raises(DatabaseError):
        store.apply([(stream, advanced(5))], durable=False)
    database.loses = False

    assert [each.needs_frames_after for each in store.streams()] == [5]
    database.close()


def test_a_report_in_flight_is_written_with_its_cursor(database: Database) -> None:
    """A server that crashed may have undone a cursor that was not durable."""
    store = store_of(database)
    stream = begun(store)
    store.apply([(stream, advanced(5))])
    with database.write() as connection:
        connection.execute(text("UPDATE stream SET cursor_seq = 0"))
    flying = FramesInFlight(name="r", planned_us=1, through=FramePosition(6))
    store.apply([(stream, lambda now: now.plan(flying, made_after=(5, 0)))])

    (read,) = store_of(database).streams()

    assert read.flies("r")
    assert read.needs_frames_after == 5
