"""The durable log of measurements: what comes is appended, and sorted into days behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, text

from app.intake.measurement import DAY_US, END_US, Int64
from app.intake.store.columns import BEHIND, NO_ROWS, Rows, Spans, last_of_each, numbered, pack
from app.intake.store.compaction import Compaction
from app.intake.store.days import BLOCK_BYTES, read_spans
from app.intake.store.judge import Judged, judge
from app.intake.store.series import KnownSeries, SeriesName
from app.intake.store.session import Arrival, LogSession, grow
from app.intake.store.tables import batch_table
from app.platform import to_us

MAX_RECENT_ROWS = 1_000_000
"""Held in memory until they are sorted into days: who brings more waits for it."""


@dataclass(frozen=True)
class _Handed:
    """What a thread handed in, and what became of it."""

    arrival: Arrival
    judged: Future[Judged] = field(default_factory=Future)


class MeasurementLog:
    """Batches in the order in which they came, and behind them a block per series and day.

    A batch is one row of its table. Later it is sorted into the blocks of its days, where a value
    takes 8 to 10 bytes. What is not sorted yet is held in memory, too, so that what is there of a
    time is found without reading batches. Safe for several threads.
    """

    def __init__(
        self, *, session: LogSession, compaction: Compaction, clock: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._compaction = compaction
        self._clock = clock
        self._guard = threading.Lock()
        self._queue: list[_Handed] = []

    def take(self, arrival: Arrival) -> Judged:
        """Store what is new of it, durably, together with what other threads hand in meanwhile.

        IntakeFull: nothing is stored. DatabaseError: it may be stored all the same.
        """
        handed = _Handed(arrival)
        with self._guard:
            self._queue.append(handed)
        with self._session.writing:
            if not handed.judged.done():  # else with those of another thread
                with self._guard:
                    batch, self._queue = self._queue, []
                self._take(batch)
        return handed.judged.result()

    def series(self) -> list[tuple[int, SeriesName]]:
        """Every series with its number."""
        with self._session.reading() as connection, self._session.up_to_date(connection) as memory:
            return list(memory.series.all())

    def series_count(self) -> int:
        """How many series this process knows of."""
        return len(self._session.memory.series)

    def newest(self) -> list[tuple[SeriesName, int]]:
        """Every series that has something, with its newest end, in microseconds since 1970."""
        with self._session.reading() as connection, self._session.up_to_date(connection) as memory:
            found = [
                (name, memory.series.newest_end_us(number)) for number, name in memory.series.all()
            ]
        return [(name, newest) for name, newest in found if newest > 0]

    def newest_rows(self, series: Int64, since_us: int) -> tuple[Rows, Rows]:
        """The newest row of each series that is not BAD, and the one before it; zeros where there
        is none, or it ends before an instant."""
        with self._session.reading() as connection:
            with self._session.up_to_date(connection) as memory:
                last, _ = memory.series.newest(series)
                ends = np.array([memory.series.newest_end_us(n) for n in series.tolist()])
                unknown = series[(last["end"] == 0) & (ends >= since_us)]
            if len(unknown):  # after a restart, or when another process changed the log
                begins_us = since_us - (to_us(self._clock()) - since_us)
                first_us = np.full(len(unknown), begins_us)
                found = self.read_many(Spans(unknown, first_us, np.full(len(unknown), END_US)))
                with self._session.up_to_date(connection) as memory:
                    for rows in found.values():
                        memory.series.remember(rows)
            with self._session.up_to_date(connection) as memory:
                return memory.series.newest(series)

    def extent(self, series: int) -> tuple[int, int] | None:
        """(the first day that something of a series may be of, the newest end), in microseconds
        since 1970; None: there is nothing."""
        numbers = np.array([series], dtype=np.int64)
        with self._session.reading() as connection:
            with self._session.up_to_date(connection) as memory:
                newest_us = memory.series.newest_end_us(series)
                always = Spans(numbers, np.array([-1 << 62]), np.array([1 << 62]))
                recent = [rows for layer in memory.recent_layers(always) for rows in layer]
            query = text("SELECT min(day) FROM measurement_day WHERE series_id = :series")
            day = connection.execute(query, {"series": series}).scalar()
        firsts = [int(rows["start"].min()) for rows in recent if len(rows)]
        firsts += [] if day is None else [int(day) * DAY_US]
        return (min(firsts), newest_us) if firsts else None

    def series_of(self, resources: Iterable[tuple[str, str]]) -> list[KnownSeries]:
        """The series of each (VEN, resource)."""
        with self._session.reading() as connection, self._session.up_to_date(connection) as memory:
            return [
                known
                for ven_name, resource_name in resources
                for known in memory.series.of_resource(ven_name, resource_name)
            ]

    def read(self, series: int, start_us: int, end_us: int) -> Rows:
        """What is known of one series that touches this time, in order."""
        spans = Spans(np.array([series]), np.array([start_us]), np.array([end_us]))
        return self.read_many(spans).get(series, NO_ROWS)

    def read_many(self, spans: Spans) -> dict[int, Rows]:
        """The same of several series, each in a time of its own; one without anything is left
        out."""
        with self._session.reading() as connection:
            while True:
                with self._session.up_to_date(connection) as memory:
                    before = memory.compacted_seq, list(memory.imports)
                    longest_us = memory.series.longest_us(spans.series)
                    begun = spans._replace(first_us=spans.first_us - longest_us)
                    recent = memory.recent_layers(begun)
                blocks = read_spans(connection, begun)
                of_imports = [
                    numbered(read_spans(connection, begun, each.import_id), each.published_seq)
                    for each in before[1]
                ]
                with self._session.up_to_date(connection) as memory:
                    if (memory.compacted_seq, memory.imports) == before:
                        break  # else something was sorted meanwhile, into these blocks
        layers = [*blocks, *recent[0]]
        for number, of_import in enumerate(of_imports, start=1):
            layers += [*of_import, *recent[number]]
        rows = last_of_each(layers)
        found: dict[int, Rows] = {}
        series, begins = np.unique(rows["series"], return_index=True)
        cuts = [*begins.tolist(), len(rows)]
        first_us, last_us = spans.first_us.tolist(), spans.last_us.tolist()
        place = {number: at for at, number in enumerate(spans.series.tolist())}
        for number, begin, end in zip(series.tolist(), cuts, cuts[1:], strict=False):
            own, at = rows[begin:end], place[number]
            is_instant = own["end"] == own["start"]
            touches = (own["end"] > first_us[at]) | (is_instant & (own["start"] >= first_us[at]))
            own = own[touches & (own["start"] < last_us[at])]
            if len(own):
                found[number] = own
        return found

    def bytes_stored(self) -> int:
        """What batches and blocks take, about."""
        with self._session.reading() as connection:
            return int(connection.execute(text("SELECT bytes FROM measurement_state")).scalar_one())

    def _take(self, batch: Sequence[_Handed]) -> None:
        try:
            if self._session.memory.recent.count > MAX_RECENT_ROWS:
                self._compaction.compact()
            with self._session.changing(numbers=1, needs_room=True) as (connection, state):
                judged: list[Judged] = []
                for handed in batch:
                    before = [each.rows for each in judged]
                    seq = state.newest_seq
                    judged.append(self._judge(connection, handed.arrival, seq, before))
                rows = last_of_each([each.rows for each in judged])
                if len(rows):
                    body = pack(rows)
                    connection.execute(
                        batch_table.insert(),
                        {
                            "seq": state.newest_seq,
                            "taken_at_us": to_us(self._clock()),
                            "body": body,
                        },
                    )
                    grow(connection, len(body) + BLOCK_BYTES)
                    self._session.memory.recent.add(state.newest_seq, rows)
        except BaseException as error:  # noqa: BLE001 - raised to who handed them in
            for handed in batch:
                handed.judged.set_exception(error)
            return
        for handed, outcome in zip(batch, judged, strict=True):
            handed.judged.set_result(outcome)

    def _judge(
        self, connection: Connection, arrival: Arrival, seq: int, before: Sequence[Rows]
    ) -> Judged:
        """`before`: what the same transaction stores already."""
        memory = self._session.memory
        rows = memory.numbered(connection, arrival)
        rows["seq"] = seq
        rows["flags"] |= np.where(memory.series.is_behind(rows), BEHIND, 0).astype(np.uint8)
        known = memory.known(connection, rows)
        judged = judge(rows, last_of_each([known, *before]) if before else known)
        memory.series.follow(judged.rows)
        return judged
