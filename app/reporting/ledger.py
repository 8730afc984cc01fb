"""What is owed: a cursor per stream, never a state per reading."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Row, text

from app.fleet import Database
from app.instants import from_us, to_us
from app.reporting.requests import Quantity, ReportRequest


class Position(NamedTuple):
    """All frames up to number `seq` are acknowledged, and of the next one `column` resources."""

    seq: int
    column: int = 0


@dataclass(frozen=True, kw_only=True)
class InFlight:
    """A report that was about to be sent: until its outcome is seen it may be at the VTN or not."""

    name: str
    through: Position
    """Where the cursor stands once it is acknowledged."""
    planned_us: int
    """When it was last about to be sent, in microseconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The readings of one VEN that one report descriptor of one event asks for."""

    stream_id: int
    ven_name: str
    request: ReportRequest
    cursor: Position
    reports_left: int | None
    """How many reports may follow; None: no end."""
    in_flight: InFlight | None = None


class StreamLedger:
    """The open streams, in memory and in the database; changes go to both, many at a time.

    Safe for several threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._loaded: dict[str, dict[tuple[str, str], Stream]] | None = None

    def streams(self) -> list[Stream]:
        """All open streams."""
        with self._lock:
            return [stream for of_ven in self._open().values() for stream in of_ven.values()]

    def of_ven(self, ven_name: str) -> list[Stream]:
        """The open streams of one VEN."""
        with self._lock:
            return list(self._open().get(ven_name, {}).values())

    def begin(self, ven_name: str, request: ReportRequest, cursor: Position) -> None:
        """Open a stream at this cursor; one that was open before goes on where it was.

        One that has sent all the reports that it was asked for is not opened again.
        """
        key = {
            "ven_name": ven_name,
            "event_id": request.event_id,
            "descriptor": request.descriptor,
        }
        with self._lock:
            known = self._open()
            with self._database.write() as connection:
                connection.execute(
                    text(
                        "INSERT INTO stream (ven_name, event_id, descriptor, request, state,"
                        " cursor_seq, cursor_column, reports_left) VALUES (:ven_name, :event_id,"
                        " :descriptor, :request, 'OPEN', :seq, :column, :left)"
                        " ON CONFLICT (ven_name, event_id, descriptor) DO UPDATE SET"
                        " state = 'OPEN' WHERE stream.state = 'ENDED'"
                        " AND (stream.reports_left IS NULL OR stream.reports_left > 0)"
                    ),
                    {
                        **key,
                        "request": _write_request(request),
                        "seq": cursor.seq,
                        "column": cursor.column,
                        "left": request.most_reports,
                    },
                )
                row = connection.execute(
                    text(
                        f"SELECT {_COLUMNS} FROM stream WHERE ven_name = :ven_name"
                        " AND event_id = :event_id AND descriptor = :descriptor AND state = 'OPEN'"
                    ),
                    key,
                ).first()
            if row is not None:
                _put(known, _read(row))

    def change(self, streams: Iterable[Stream]) -> None:
        """Remember where these streams now stand; in one transaction."""
        changed = list(streams)
        if not changed:
            return
        with self._lock:
            with self._database.write() as connection:
                connection.execute(
                    text(
                        "UPDATE stream SET cursor_seq = :seq, cursor_column = :column,"
                        " reports_left = :left, in_flight = :in_flight"
                        " WHERE stream_id = :stream_id"
                    ),
                    [_row(stream) for stream in changed],
                )
            known = self._open()
            for stream in changed:
                if _key(stream) in known.get(stream.ven_name, {}):  # it may have ended meanwhile
                    _put(known, stream)

    def end(self, streams: Sequence[Stream]) -> None:
        """Close streams that owe nothing more, or whose event is gone."""
        if not streams:
            return
        with self._lock:
            with self._database.write() as connection:
                connection.execute(
                    text("UPDATE stream SET state = 'ENDED' WHERE stream_id = :stream_id"),
                    [{"stream_id": stream.stream_id} for stream in streams],
                )
            known = self._open()
            for stream in streams:
                known.get(stream.ven_name, {}).pop(_key(stream), None)

    def _open(self) -> dict[str, dict[tuple[str, str], Stream]]:
        if self._loaded is None:
            loaded: dict[str, dict[tuple[str, str], Stream]] = {}
            with self._database.read() as connection:
                query = text(f"SELECT {_COLUMNS} FROM stream WHERE state = 'OPEN'")
                for row in connection.execute(query):
                    _put(loaded, _read(row))
            self._loaded = loaded
        return self._loaded


_COLUMNS = "stream_id, ven_name, request, cursor_seq, cursor_column, reports_left, in_flight"


def acknowledged(stream: Stream) -> Stream:
    """The stream after its report in flight was acknowledged."""
    if stream.in_flight is None:
        return stream
    left = None if stream.reports_left is None else stream.reports_left - 1
    return replace(stream, cursor=stream.in_flight.through, reports_left=left, in_flight=None)


def _put(known: dict[str, dict[tuple[str, str], Stream]], stream: Stream) -> None:
    known.setdefault(stream.ven_name, {})[_key(stream)] = stream


def _key(stream: Stream) -> tuple[str, str]:
    return stream.request.event_id, stream.request.descriptor


def _row(stream: Stream) -> dict[str, Any]:
    in_flight = stream.in_flight
    return {
        "stream_id": stream.stream_id,
        "seq": stream.cursor.seq,
        "column": stream.cursor.column,
        "left": stream.reports_left,
        "in_flight": None if in_flight is None else _write_in_flight(in_flight),
    }


def _read(row: Row[Any]) -> Stream:
    in_flight = None
    if row.in_flight is not None:
        values = orjson.loads(row.in_flight)
        in_flight = InFlight(**{**values, "through": Position(*values["through"])})
    return Stream(
        stream_id=row.stream_id,
        ven_name=row.ven_name,
        request=_read_request(row.request),
        cursor=Position(row.cursor_seq, row.cursor_column),
        reports_left=row.reports_left,
        in_flight=in_flight,
    )


def _write_in_flight(in_flight: InFlight) -> str:
    values = {**asdict(in_flight), "through": list(in_flight.through)}
    return orjson.dumps(values).decode()


def _write_request(request: ReportRequest) -> str:
    values = asdict(request)
    values["quantity"] = request.quantity.name
    values["since"] = None if request.since is None else to_us(request.since)
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()


def _read_request(text_: str) -> ReportRequest:
    values = orjson.loads(text_)
    values["quantity"] = Quantity[values["quantity"]]
    values["since"] = None if values["since"] is None else from_us(values["since"])
    return ReportRequest(**values)
