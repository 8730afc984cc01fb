"""The streams, in memory and in the database: what is owed is a cursor for each, never a state
per reading."""

from __future__ import annotations

import functools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Update, bindparam, delete, func, select, text, update

from app.platform import Database, to_us
from app.reporting.streams.needs import FrameNeeds
from app.reporting.streams.rows import AnyStream, changed_columns, new_row, read_row
from app.reporting.streams.stream import TelemetryStream
from app.reporting.streams.tables import KEY_COLUMNS, stream_table

logger = logging.getLogger(__name__)
Key = tuple[str, str, str]
Transition = Callable[[Any], AnyStream | tuple[AnyStream, AnyStream | None]]
"""From a stream as it is stored to the same stream as it is afterwards, and perhaps one more that
begins with that."""


class BacklogCounter(Protocol):
    """Counts the readings that streams owe."""

    def update(self, changed: Sequence[AnyStream], removed: Sequence[AnyStream]) -> None: ...

    def reset(self) -> None: ...

    def total_owed(self) -> int: ...


class StreamStore:
    """The only one who writes streams. Safe for several threads.

    A transition is applied to the latest stored stream, so that a change that another thread made
    meanwhile is never overwritten. The copy in memory is updated after the commit.
    """

    def __init__(
        self, *, database: Database, clock: Callable[[], datetime], backlog: BacklogCounter
    ) -> None:
        self._database = database
        self._backlog = backlog
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: dict[int, AnyStream] | None = None
        self._ids: dict[str, dict[Key, int]] = {}

    def streams(self) -> list[AnyStream]:
        """All streams, ended ones that are not forgotten included."""
        with self._lock:
            return list(self._streams().values())

    def open_streams(self) -> list[AnyStream]:
        """The streams that events ask for."""
        return [stream for stream in self.streams() if stream.is_open]

    def of_ven(self, ven_name: str) -> list[AnyStream]:
        """The streams of one VEN, ended ones included."""
        with self._lock:
            streams = self._streams()
            return [streams[stream_id] for stream_id in self._ids.get(ven_name, {}).values()]

    def waiting(self) -> int:
        """How many readings are owed and not acknowledged, over all streams; costs no query."""
        with self._lock:
            self._streams()
        return self._backlog.total_owed()

    def needs(self) -> FrameNeeds:
        """Which frames are still needed."""
        return FrameNeeds.of(self.streams())

    def apply(
        self,
        changes: Iterable[tuple[AnyStream, Transition]] = (),
        *,
        begin: Iterable[AnyStream] = (),
        forget: Iterable[AnyStream] = (),
        in_transaction: Callable[[Connection], None] | None = None,
        durable: bool = True,
    ) -> list[AnyStream]:
        """Change, begin and forget streams in one transaction, with what `in_transaction` writes.

        Returns the stream that each change led to, in their order, without those that are gone. A
        stream to begin whose key is there already stays as it is. Not `durable`: after a loss of
        power it is as before, and what was in flight is looked for.
        """
        with self._lock:
            streams = self._streams()
            after: dict[int, AnyStream] = {}
            order: list[int] = []
            begun_by: list[AnyStream] = []
            for given, transition in changes:
                stream_id = given.stream_id
                current = after.get(stream_id) or streams.get(stream_id)
                if current is None:
                    continue
                updated = transition(current)
                if isinstance(updated, tuple):
                    updated, other = updated
                    begun_by += [] if other is None else [other]
                after[stream_id] = updated
                order.append(stream_id)
            written = [
                (streams[stream_id], updated)
                for stream_id, updated in after.items()
                if updated is not streams[stream_id]
            ]
            new = [
                stream
                for stream in (*begin, *begun_by)
                if stream.key not in self._ids.get(stream.ven_name, {})
            ]
            gone = [stream for stream in forget if stream.stream_id in streams]
            if written or new or gone or in_transaction is not None:
                try:
                    with self._database.write(durable=durable) as connection:
                        _update(connection, written)
                        begun = _insert(connection, new)
                        _delete(connection, gone)
                        if in_transaction is not None:
                            in_transaction(connection)
                except BaseException:
                    # The commit may have succeeded although the call failed: all is read again.
                    self._loaded, self._ids = None, {}
                    self._backlog.reset()
                    raise
                for _, updated in written:
                    streams[updated.stream_id] = updated
                for stream in begun:
                    self._add(streams, stream)
                for stream in gone:
                    del streams[stream.stream_id]
                    self._ids[stream.ven_name].pop(stream.key, None)
                self._backlog.update([*(updated for _, updated in written), *begun], gone)
            return [after[stream_id] for stream_id in order]

    def _streams(self) -> dict[int, AnyStream]:
        if self._loaded is None:
            with self._database.read() as connection:
                rows = connection.execute(stream_table.select().order_by("stream_id"))
                loaded = [read_row(row) for row in rows]
            loaded = self._end_completed_streams(loaded)
            streams: dict[int, AnyStream] = {}
            for stream in loaded:
                self._add(streams, stream)
            self._loaded = streams
            self._backlog.update(loaded, ())
        return self._loaded

    def _add(self, streams: dict[int, AnyStream], stream: AnyStream) -> None:
        streams[stream.stream_id] = stream
        self._ids.setdefault(stream.ven_name, {})[stream.key] = stream.stream_id

    def _end_completed_streams(self, loaded: list[AnyStream]) -> list[AnyStream]:
        """Earlier versions could forget to end a stream, which then went on without end."""
        now_us = to_us(self._clock())
        mended = [
            stream.end_if_all_sent(at_us=now_us) if isinstance(stream, TelemetryStream) else stream
            for stream in loaded
        ]
        ended = [
            (before, after)
            for before, after in zip(loaded, mended, strict=True)
            if before is not after
        ]
        if ended:
            with self._database.write() as connection:
                _update(connection, ended)
            logger.warning(
                "ended %d report streams that had already sent all requested reports",
                len(ended),
            )
        return mended


def _update(connection: Connection, changed: Iterable[tuple[AnyStream, AnyStream]]) -> None:
    """Write what is different of each; those that differ in the same columns at once."""
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for before, after in changed:
        values = changed_columns(before, after)
        if values:
            rows[tuple(values)].append({**values, "of_stream": after.stream_id})
    for columns, values_ in rows.items():
        connection.execute(_update_of(columns), values_)


@functools.cache
def _update_of(columns: tuple[str, ...]) -> Update:
    chosen = stream_table.c.stream_id == bindparam("of_stream")
    return update(stream_table).where(chosen).values({name: bindparam(name) for name in columns})


_COLUMNS = [column.name for column in stream_table.columns if column.name != "stream_id"]
_PLACEHOLDERS = ", ".join(f":{name}" for name in _COLUMNS)
_VALUES = f"({', '.join(_COLUMNS)}) VALUES ({_PLACEHOLDERS})"
_INSERT = text(f"INSERT INTO stream {_VALUES} ON CONFLICT DO NOTHING")  # nosec B608
_LAST_ID = select(func.coalesce(func.max(stream_table.c.stream_id), 0))
_KEYS = select(stream_table.c.stream_id, *(stream_table.c[name] for name in KEY_COLUMNS))
_SELECT_ID = _KEYS.where(*(stream_table.c[name] == bindparam(name) for name in KEY_COLUMNS))


def _insert(connection: Connection, streams: Sequence[AnyStream]) -> list[AnyStream]:
    """The same with their ids; also where an earlier commit succeeded although its call failed."""
    if not streams:
        return []
    last_id = connection.execute(_LAST_ID).scalar_one()
    connection.execute(_INSERT, [new_row(stream) for stream in streams])
    inserted = connection.execute(_KEYS.where(stream_table.c.stream_id > last_id))
    ids = {tuple(key): stream_id for stream_id, *key in inserted}
    begun: list[AnyStream] = []
    for stream in streams:
        key = stream.ven_name, *stream.key
        if key not in ids:
            values = dict(zip(KEY_COLUMNS, key, strict=True))
            ids[key] = connection.execute(_SELECT_ID, values).one().stream_id
        begun.append(replace(stream, stream_id=ids[key]))
    return begun


def _delete(connection: Connection, streams: Iterable[AnyStream]) -> None:
    rows = [{"of_stream": stream.stream_id} for stream in streams]
    if rows:
        chosen = stream_table.c.stream_id == bindparam("of_stream")
        connection.execute(delete(stream_table).where(chosen), rows)
