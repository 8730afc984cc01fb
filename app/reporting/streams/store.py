"""What is owed: a cursor per stream, never a state per reading."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from app.platform import Database, from_us, to_us
from app.reporting.requests import Quantity, ReportRequest
from app.reporting.streams.model import InFlight, Position, Stream

logger = logging.getLogger(__name__)
Key = tuple[str, str, str]


class StreamLedger:
    """The streams, in memory and in the database; changes go to both, many at a time.

    Safe for several threads: a cursor never goes back, and what a delivery learns (`advance`)
    does not touch what the events say (`begin`, `end`, `reopen`), but for the end of a stream whose
    reports are all sent.
    """

    def __init__(self, *, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: dict[str, dict[Key, Stream]] | None = None

    def streams(self) -> list[Stream]:
        """All streams, ended ones that are not forgotten included."""
        with self._lock:
            return [stream for of_ven in self._known().values() for stream in of_ven.values()]

    def open_streams(self) -> list[Stream]:
        """The streams that events ask for."""
        return [stream for stream in self.streams() if stream.ended_at_us is None]

    def of_ven(self, ven_name: str) -> list[Stream]:
        """The streams of one VEN, ended ones included."""
        with self._lock:
            return list(self._known().get(ven_name, {}).values())

    def begin(self, streams: Iterable[Stream]) -> None:
        """Open streams, in one transaction; one of a key that is there already stays as it is."""
        with self._lock:
            known = self._known()
            new = [each for each in streams if each.key not in known.get(each.ven_name, {})]
            if not new:
                return
            with self._database.write() as connection:
                begun = [replace(each, stream_id=_insert(connection, each)) for each in new]
            for stream in begun:
                _put(known, stream)

    def end(self, streams: Iterable[Stream], *, at_us: int, until: int) -> None:
        """The events ask for these no longer; what they owe up to frame `until` stays unsent."""
        self._change(streams, lambda now, _: _ended(now, at_us, until))

    def reopen(self, streams: Iterable[Stream]) -> None:
        """The events ask for these again: they go on where they were."""
        self._change(
            streams,
            lambda now, _: replace(now, ended_at_us=None, until=now.until if now.heir_of else None),
        )

    def advance(
        self,
        streams: Iterable[Stream],
        beside: Callable[[Connection], None] | None = None,
        *,
        durable: bool = True,
    ) -> None:
        """Remember how far these got; in one transaction, together with what `beside` writes.

        One that has no reports left ends with it.

        Not `durable`: after a loss of power it is as before, and what was in flight is looked for.
        """

        def advanced(now: Stream, then: Stream) -> Stream:
            cursor, done = max(now.cursor, then.cursor), max(now.done, then.done)
            in_flight = then.in_flight
            if in_flight and in_flight.through <= cursor and in_flight.done <= done:
                in_flight = None
            result = then  # as it nearly always is: copying it takes long
            if (cursor, done, in_flight) != (then.cursor, then.done, then.in_flight) or (
                now.request is not then.request
                or (now.until, now.ended_at_us) != (then.until, then.ended_at_us)
            ):
                result = replace(
                    now,
                    cursor=cursor,
                    done=done,
                    in_flight=in_flight,
                    reports_left=then.reports_left,
                    reports_sent=then.reports_sent,
                    last_report=then.last_report,
                )
            all_sent = result.reports_left == 0 and result.ended_at_us is None
            return _ended(result, to_us(self._clock()), 0) if all_sent else result

        self._change(streams, advanced, beside, of_progress=True, durable=durable)

    def skip(
        self,
        through: Mapping[Stream, int],
        beside: Callable[[Connection], None] | None = None,
    ) -> None:
        """Give up what each owes up to this frame, and a report in flight that holds some of it.

        In one transaction, together with what `beside` writes.
        """

        def skipped(now: Stream, given: Stream) -> Stream:
            seq = through[given]
            if now.cursor.seq >= seq:
                return now
            if now.request.is_planned:  # its report is made of what is left
                return replace(now, cursor=Position(seq))
            in_flight = now.in_flight.through if now.in_flight else Position(0)
            return replace(now, cursor=max(Position(seq), in_flight), in_flight=None)

        self._change(through, skipped, beside)

    def give_up(
        self, streams: Iterable[Stream], through: int, beside: Callable[[Connection], None]
    ) -> None:
        """End these, and what they owe with them, up to frame `through`; in one transaction with
        what `beside` writes. They stay: if somebody asks again, they go on behind it."""
        now_us = to_us(self._clock())

        def given_up(now: Stream, _: Stream) -> Stream:
            cursor = max(now.cursor, Position(through))
            done = max(now.done, Position(now_us)) if now.request.is_planned else now.done
            return _ended(replace(now, cursor=cursor, done=done, in_flight=None), now_us, 0)

        self._change(streams, given_up, beside)

    def restate(self, requests: Mapping[Stream, ReportRequest]) -> None:
        """The events ask for the same in other words."""
        self._change(requests, lambda now, given: replace(now, request=requests[given]))

    def forget(self, streams: Iterable[Stream]) -> None:
        """Remove streams that owe nothing and will not come back."""
        gone = list(streams)
        if not gone:
            return
        with self._lock:
            with self._database.write() as connection:
                connection.execute(
                    text("DELETE FROM stream WHERE stream_id = :stream_id"),
                    [{"stream_id": stream.stream_id} for stream in gone],
                )
            for stream in gone:
                self._known().get(stream.ven_name, {}).pop(stream.key, None)

    def _change(
        self,
        streams: Iterable[Stream],
        change: Callable[[Stream, Stream], Stream],
        beside: Callable[[Connection], None] | None = None,
        *,
        of_progress: bool = False,
        durable: bool = True,
    ) -> None:
        """Apply `change(now, given)` to each that is still there; to the database first.

        `of_progress`: what the events say of it stays, but for its end.
        """
        with self._lock:
            known = self._known()
            changed = []
            restated = []
            for given in streams:
                now = known.get(given.ven_name, {}).get(given.key)
                if now is not None and (then := change(now, given)) != now:
                    changed.append(then)
                    if not of_progress or then.ended_at_us != now.ended_at_us:
                        restated.append(then)
            if not changed and beside is None:
                return
            with self._database.write(durable=durable) as connection:
                if changed:
                    connection.execute(_ADVANCE, [_progress(each) for each in changed])
                if restated:
                    connection.execute(_RESTATE, [_state(each) for each in restated])
                if beside is not None:
                    beside(connection)
            for stream in changed:
                _put(known, stream)

    def _known(self) -> dict[str, dict[Key, Stream]]:
        if self._loaded is None:
            loaded: dict[str, dict[Key, Stream]] = {}
            with self._database.read() as connection:
                for row in connection.execute(text("SELECT * FROM stream ORDER BY stream_id")):
                    _put(loaded, _read(row))
            self._end_what_is_all_sent(loaded)
            self._loaded = loaded
        return self._loaded

    def _end_what_is_all_sent(self, loaded: dict[str, dict[Key, Stream]]) -> None:
        """Earlier versions could forget to end a stream, which then went on without end."""
        now_us = to_us(self._clock())
        ended = [
            _ended(stream, now_us, 0)
            for of_ven in loaded.values()
            for stream in of_ven.values()
            if stream.reports_left == 0 and stream.ended_at_us is None
        ]
        if not ended:
            return
        with self._database.write() as connection:
            connection.execute(_ADVANCE, [_progress(each) for each in ended])
            connection.execute(_RESTATE, [_state(each) for each in ended])
        for stream in ended:
            _put(loaded, stream)
        logger.warning(
            "%d streams of reports had sent all that was asked for, or more, and are ended",
            len(ended),
        )


_ADVANCE = text(
    "UPDATE stream SET cursor_seq = :cursor_seq, cursor_column = :cursor_column,"
    " done_us = :done_us, done_column = :done_column, reports_left = :reports_left,"
    " reports_sent = :reports_sent, last_report = :last_report, in_flight = :in_flight"
    " WHERE stream_id = :stream_id"
)
_RESTATE = text(
    "UPDATE stream SET request = :request, until_seq = :until_seq, ended_at_us = :ended_at_us"
    " WHERE stream_id = :stream_id"
)
_INSERT = text(
    "INSERT INTO stream (ven_name, event_id, descriptor, heir_of, request, start_seq, until_seq,"
    " cursor_seq, cursor_column, done_us, done_column, reports_left, reports_sent, last_report,"
    " in_flight, ended_at_us)"
    " VALUES (:ven_name, :event_id, :descriptor, :heir_of, :request, :start_seq, :until_seq,"
    " :cursor_seq, :cursor_column, :done_us, :done_column, :reports_left, :reports_sent,"
    " :last_report, :in_flight, :ended_at_us) ON CONFLICT DO NOTHING RETURNING stream_id"
)


def _insert(connection: Connection, stream: Stream) -> int:
    """Its id; also where it was stored before and only the answer was lost."""
    identity = _identity(stream)
    made = connection.execute(_INSERT, {**identity, **_progress(stream), **_state(stream)}).scalar()
    if made is None:
        found = text(
            "SELECT stream_id FROM stream WHERE ven_name = :ven_name AND event_id = :event_id"
            " AND descriptor = :descriptor AND heir_of = :heir_of"
        )
        made = connection.execute(found, identity).scalar_one()
    return int(made)


def _put(known: dict[str, dict[Key, Stream]], stream: Stream) -> None:
    known.setdefault(stream.ven_name, {})[stream.key] = stream


def _ended(stream: Stream, at_us: int, until: int) -> Stream:
    """The stream, when nobody asks for it any more: what it owes up to frame `until` stays."""
    last = until if stream.until is None else min(stream.until, until)
    return replace(stream, ended_at_us=at_us, until=max(last, stream.cursor.seq))


def _identity(stream: Stream) -> dict[str, Any]:
    return {
        "ven_name": stream.ven_name,
        "event_id": stream.request.event_id,
        "descriptor": stream.request.descriptor,
        "heir_of": stream.heir_of,
        "start_seq": stream.start,
    }


def _progress(stream: Stream) -> dict[str, Any]:
    in_flight = stream.in_flight
    return {
        "stream_id": stream.stream_id,
        "cursor_seq": stream.cursor.seq,
        "cursor_column": stream.cursor.column,
        "done_us": stream.done.seq,
        "done_column": stream.done.column,
        "reports_left": stream.reports_left,
        "reports_sent": stream.reports_sent,
        "last_report": stream.last_report,
        "in_flight": None if in_flight is None else _write_in_flight(in_flight),
    }


def _state(stream: Stream) -> dict[str, Any]:
    return {
        "stream_id": stream.stream_id,
        "request": _write_request(stream.request),
        "until_seq": stream.until,
        "ended_at_us": stream.ended_at_us,
    }


def _read(row: Row[Any]) -> Stream:
    in_flight = None
    if row.in_flight is not None:
        values = orjson.loads(row.in_flight)
        places = {name: Position(*values[name]) for name in ("through", "done") if name in values}
        in_flight = InFlight(**{**values, **places})
    return Stream(
        stream_id=row.stream_id,
        ven_name=row.ven_name,
        request=_read_request(row.request),
        cursor=Position(row.cursor_seq, row.cursor_column),
        done=Position(row.done_us, row.done_column),
        start=row.start_seq,
        until=row.until_seq,
        heir_of=row.heir_of,
        reports_left=None if row.reports_left is None else max(row.reports_left, 0),
        reports_sent=row.reports_sent,
        last_report=row.last_report,
        in_flight=in_flight,
        ended_at_us=row.ended_at_us,
    )


def _write_in_flight(in_flight: InFlight) -> str:
    # Not asdict, which copies deeply: this is written for every report.
    values = {
        **vars(in_flight),
        "through": list(in_flight.through),
        "done": list(in_flight.done),
    }
    return orjson.dumps(values).decode()


@functools.lru_cache(maxsize=4096)
def _write_request(request: ReportRequest) -> str:
    values = asdict(request)
    values["quantity"] = request.quantity.name
    for name in ("since", "until"):
        values[name] = None if values[name] is None else to_us(values[name])
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()


def _read_request(text_: str) -> ReportRequest:
    values = orjson.loads(text_)
    values["quantity"] = Quantity[values["quantity"]]
    for name in ("since", "until"):
        instant = values.get(name)
        values[name] = None if instant is None else from_us(instant)
    return ReportRequest(**values)
