"""The durable log of measurements: what comes is appended, and sorted into days behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, text

from app.intake.measurement import DAY_US
from app.intake.store.columns import Rows, Spans, last_of_each, pack
from app.intake.store.compaction import Compaction
from app.intake.store.days import BLOCK_BYTES, VISIBLE, read_span
from app.intake.store.judge import Judged, judge
from app.intake.store.series import SeriesName
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

    def newest(self) -> list[tuple[SeriesName, int]]:
        """Every series that has something, with its newest end, in microseconds since 1970."""
        with self._session.reading() as connection, self._session.up_to_date(connection) as memory:
            found = [
                (name, memory.series.newest_end_us(number)) for number, name in memory.series.all()
            ]
        return [(name, newest) for name, newest in found if newest > 0]

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

    def read(self, series: int, start_us: int, end_us: int) -> Rows:
        """What is known of one series that touches this time, in order."""
        numbers = np.array([series], dtype=np.int64)
        with self._session.reading() as connection:
            while True:
                with self._session.up_to_date(connection) as memory:
                    before = memory.compacted_seq, list(memory.imports)
                    first = start_us - int(memory.series.longest_us(numbers)[0])
                    spans = Spans(numbers, np.array([first]), np.array([end_us]))
                    recent = memory.recent_layers(spans)
                ids = [VISIBLE, *(each.import_id for each in before[1])]
                blocks = read_span(connection, series, first // DAY_US, end_us // DAY_US, ids)
                with self._session.up_to_date(connection) as memory:
                    if (memory.compacted_seq, memory.imports) == before:
                        break  # else something was sorted meanwhile, into these blocks
        layers = [*blocks.get(VISIBLE, []), *recent[0]]
        for number, each in enumerate(before[1], start=1):
            layers += [*blocks.get(each.import_id, []), *recent[number]]
        rows = last_of_each(layers)
        is_instant = rows["end"] == rows["start"]
        touches = (rows["end"] > start_us) | (is_instant & (rows["start"] >= start_us))
        return np.asarray(rows[touches & (rows["start"] < end_us)])

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
                    judged.append(self._judge(connection, handed.arrival, before))
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

    def _judge(self, connection: Connection, arrival: Arrival, before: Sequence[Rows]) -> Judged:
        """`before`: what the same transaction stores already."""
        memory = self._session.memory
        rows = memory.numbered(connection, arrival)
        known = memory.known(connection, rows)
        judged = judge(rows, last_of_each([known, *before]) if before else known)
        memory.series.follow(judged.rows)
        return judged
