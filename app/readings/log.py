"""The durable log of readings: frames in rising order, and what was moved out of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Row, text

from app.platform import Database, from_us, to_us
from app.readings.appender import Appended, LogAppender
from app.readings.detail import unpack
from app.readings.frame import ROW_BYTES, Frame, bounded
from app.readings.index import Entry, LogIndex, StoredSize
from app.readings.roster import Roster
from app.readings.rosters import RosterBook
from app.readings.slices import Spans, copy_out

Answer = TypeVar("Answer")
NO_NUMBER = 1 << 62
"""Above every frame's."""
PIECEWISE = {"yield_per": 16}
"""For results that need not be read to their end."""


class ReadingLog:
    """One row per frame: its instant and its array of powers as float32, little-endian.

    The part of a VEN that lags behind the others can be moved out into slices of its own, so that
    the frames need not wait for it. What is there is known without a query; only readings are read.
    Safe for several threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing = threading.RLock()
        """Held by everybody who changes the log."""
        self._lock = threading.RLock()
        """Guards what is in memory."""
        self._loading = threading.Lock()
        """Held by the one who reads what is there into memory."""
        self._rosters = RosterBook()
        self._known: LogIndex | None = None
        self._version = 0
        """Another one with each change."""
        self._newest: Frame | None = None
        self._appender = LogAppender(
            database=database, rosters=self._rosters, writing=self._writing, stored=self._appended
        )

    def append(self, frame: Frame) -> Frame:
        """Store it, durably; returns it with its number, and with its instant.

        Where the clock was set back, that moves by as few microseconds as make it another one than
        those that were told before. After an error it may be stored all the same.
        """
        with self._forgetting():
            return self._appender.append(frame)

    def last(self) -> Frame | None:
        """The newest frame."""
        newest = self._newest
        if newest is None:
            newest = next(self._frames("ORDER BY seq DESC LIMIT 1", {}), None)
            with self._lock:
                self._newest = newest = self._newest or newest
        return newest

    def last_before(self, instant: datetime) -> int:
        """The number of the last frame taken before the instant; 0 if there is none."""
        return self._ask(lambda index: index.frames.last_before(to_us(instant)))

    def dated_after(self, instant: datetime) -> tuple[int, datetime | None]:
        """How many frames are dated later, and the last of their dates."""
        later = self._ask(lambda index: index.frames.instants_after(to_us(instant)))
        return len(later), from_us(max(later)) if later else None

    def oldest_seq(self) -> int:
        """The oldest frame's number; 0 when there is none."""
        return self._ask(lambda index: index.oldest_seq)

    def newest_seq(self) -> int:
        """The newest frame's number; 0 when there is none."""
        return self._ask(lambda index: index.newest_seq)

    def oldest_us(self) -> int | None:
        """When the oldest frame or slice was taken; None when there is none."""
        return self._ask(lambda index: index.oldest_us)

    def bytes_stored(self) -> int:
        """What frames and slices take, about."""
        return self._ask(lambda index: index.bytes)

    def sizes(self) -> list[StoredSize]:
        """What is stored, by its number."""
        return self._ask(lambda index: index.sizes())

    def sliced_through(self) -> dict[str, int]:
        """For each VEN with slices: the number up to which its readings stand in them."""
        return self._ask(lambda index: index.sliced_through())

    def readings_of(
        self,
        ven_name: str,
        after: int,
        through: int | None = None,
        *,
        width: Callable[[Sequence[str]], int] = len,
    ) -> int:
        """How many readings of a VEN stand above a frame's number, up to another's.

        `width`: how many readings the resources of these names make at an instant.
        """
        counts = self._ask(lambda index: index.of_ven(ven_name, after, through))
        return sum(
            width(self._rosters.names(self._database, roster_id, ven_name)) * count
            for roster_id, count in counts.items()
        )

    def frames_after(self, seq: int) -> tuple[int, dict[Roster, int]]:
        """The newest frame's number, and by roster how many frames there are above a number."""
        newest, counts = self._ask(lambda index: (index.newest_seq, index.frames.by_roster(seq)))
        if not counts:
            return newest, {}
        with self._database.read() as connection:
            return newest, {
                self._rosters.read(connection, roster_id): count
                for roster_id, count in counts.items()
            }

    def instants(self, ven_name: str, start: datetime, end: datetime) -> list[datetime]:
        """When frames, or slices of this VEN, were taken in this span; its end is not in it."""
        query = text(
            "SELECT taken_at_us FROM frame WHERE taken_at_us >= :start AND taken_at_us < :end"
            " UNION SELECT taken_at_us FROM slice WHERE ven_name = :ven_name"
            " AND taken_at_us >= :start AND taken_at_us < :end ORDER BY taken_at_us"
        )
        where = {"ven_name": ven_name, "start": to_us(start), "end": to_us(end)}
        with self._database.read() as connection:
            return [from_us(us) for us in connection.execute(query, where).scalars()]

    def since(self, seq: int, *, most_bytes: int) -> list[Frame]:
        """Frames from this number on, oldest first; at least two, then up to so many bytes."""
        return bounded(
            self._frames("WHERE seq >= :seq ORDER BY seq", {"seq": seq}), most_bytes=most_bytes
        )

    def by_time(
        self, start: datetime, end: datetime, *, no_later_than: datetime, most_bytes: int
    ) -> Iterator[list[Frame]]:
        """The frames of a span in the order of their instants, whatever order they came in.

        With the last one before it and the first one after it. Of at least two frames each time,
        then up to so many bytes; each list begins with the last frame of the one before. What is
        dated after `no_later_than` is left out.
        """
        before = "SELECT max(taken_at_us) FROM frame WHERE taken_at_us < :start"
        after = (
            "SELECT min(taken_at_us) FROM frame"
            " WHERE taken_at_us >= :end AND taken_at_us <= :latest"
        )
        span = {"start": to_us(start), "end": to_us(end), "latest": to_us(no_later_than)}
        first = self._number(before, {"start": span["start"]}) or span["start"]
        last = self._number(after, {"end": span["end"], "latest": span["latest"]}) or span["end"]
        where = {"first": first, "last": min(last, span["latest"])}
        clauses = "WHERE taken_at_us BETWEEN :first AND :last ORDER BY taken_at_us"
        while len(window := bounded(self._frames(clauses, where), most_bytes=most_bytes)):
            yield window
            reached = to_us(window[-1].taken_at)
            if reached == where["first"]:
                return
            where["first"] = reached

    def slices_since(self, ven_name: str, seq: int, *, most_bytes: int) -> list[Frame]:
        """The same of what was moved out for one VEN: frames that hold only its part."""
        query = text(
            "SELECT seq, taken_at_us, roster_id, power_kw, detail FROM slice"
            " WHERE ven_name = :ven_name AND seq >= :seq ORDER BY seq"
        )

        def read() -> Iterator[Frame]:
            where = {"ven_name": ven_name, "seq": seq}
            with (
                self._database.read() as connection,
                connection.execute(query, where, execution_options=PIECEWISE) as rows,
            ):
                for row in rows:
                    yield Frame(
                        seq=row.seq,
                        taken_at=from_us(row.taken_at_us),
                        profile_index=-1,
                        roster=self._rosters.read_part(connection, row.roster_id, ven_name),
                        power_kw=np.frombuffer(row.power_kw, dtype="<f4"),
                        detail=unpack(row.detail),
                    )

        return bounded(read(), most_bytes=most_bytes)

    def move_out(self, spans: Spans) -> None:
        """Copy each VEN's part of these frames, first to last number, into slices.

        What was moved out before is left as it is, and what is too much for one transaction is
        left to the next call.
        """
        with self._writing:
            already = self.sliced_through()
            todo = {
                ven: (max(first, already.get(ven, 0) + 1), last)
                for ven, (first, last) in spans.items()
            }
            todo = {ven: (first, last) for ven, (first, last) in todo.items() if first <= last}
            if not todo:
                return
            with self._forgetting(), self._database.write() as connection:
                moved = copy_out(connection, todo, self._rosters)

            def append(index: LogIndex) -> None:
                for ven_name, entry in moved:
                    index.append_slice(ven_name, entry)

            self._change(append)

    def prune(self, *, before_seq: int, before: datetime) -> None:
        """Remove the frames below this number that were taken before the instant."""
        before_us = to_us(before)
        if self._ask(lambda index: index.frames.has(before_seq, before_us)):
            self._remove(
                "FROM frame WHERE seq < :seq AND taken_at_us < :instant",
                [{"seq": before_seq, "instant": before_us}],
                lambda index: index.frames.remove(before_seq, before_us),
            )

    def prune_slices(self, floors: Mapping[str, int]) -> None:
        """Remove the slices below each VEN's number, and all of VENs not named."""

        def floor(ven_name: str) -> int:
            return floors.get(ven_name, NO_NUMBER)

        passed = self._ask(lambda index: index.vens_with_slices_below(floor))
        if passed:
            self._remove(
                "FROM slice WHERE ven_name = :ven_name AND seq < :seq",
                [{"ven_name": name, "seq": floor(name)} for name in passed],
                lambda index: index.remove_slices(floor),
                durable=True,
            )

    def drop_below(self, seq: int) -> None:
        """Remove frames and slices below this number, whoever needs them."""
        where = [{"seq": seq}]
        self._remove("FROM frame WHERE seq < :seq", where, lambda index: index.frames.remove(seq))
        self._remove(
            "FROM slice WHERE seq < :seq", where, lambda index: index.remove_slices(lambda _: seq)
        )

    def _remove(
        self,
        condition: str,
        where: Sequence[dict[str, Any]],
        change: Callable[[LogIndex], None],
        *,
        durable: bool = False,
    ) -> None:
        with self._writing:
            with self._forgetting(), self._database.write(durable=durable) as connection:
                connection.execute(text(f"DELETE {condition}"), where)  # nosec B608
                self._rosters.remove_unused(connection)
            self._change(change)

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """After an error the log may have changed all the same: what is there is read again."""
        try:
            yield
        except BaseException:
            with self._lock:
                self._version += 1
                self._known = self._newest = None
            raise

    def _appended(self, appended: Sequence[Appended]) -> None:
        """These are durable."""
        with self._lock:
            self._version += 1
            for frame, entry in appended:
                self._rosters.keep(entry.roster_id, frame.roster)
                if self._known is not None and entry.seq > self._known.newest_seq:
                    self._known.frames.append(entry)
                self._newest = frame

    def _change(self, change: Callable[[LogIndex], None]) -> None:
        with self._lock:
            self._version += 1
            if self._known is not None:
                change(self._known)

    def _ask(self, question: Callable[[LogIndex], Answer]) -> Answer:
        while True:
            with self._lock:
                if self._known is not None:
                    return question(self._known)
            with self._loading:
                self._load()

    def _load(self) -> None:
        with self._lock:
            if self._known is not None:
                return
            version = self._version
        index = LogIndex()
        with self._database.read() as connection:
            for row in connection.execute(text(_ALL_FRAMES), execution_options=PIECEWISE):
                index.frames.append(_entry(row))
            for row in connection.execute(text(_ALL_SLICES), execution_options=PIECEWISE):
                index.append_slice(row.ven_name, _entry(row))
        with self._lock:
            if version == self._version:  # else the log changed while it was read
                self._known = index

    def _number(self, query: str, values: dict[str, Any] | None = None) -> int:
        with self._database.read() as connection:
            return int(connection.execute(text(query), values or {}).scalar() or 0)

    def _frames(self, clauses: str, values: dict[str, Any]) -> Iterator[Frame]:
        query = text(f"SELECT * FROM frame {clauses}")  # nosec B608
        with (
            self._database.read() as connection,
            connection.execute(query, values, execution_options=PIECEWISE) as rows,
        ):
            for row in rows:
                yield Frame(
                    seq=row.seq,
                    taken_at=from_us(row.taken_at_us),
                    profile_index=row.profile_index,
                    roster=self._rosters.read(connection, row.roster_id),
                    power_kw=np.frombuffer(row.power_kw, dtype="<f4"),
                    detail=unpack(row.detail),
                )


_ALL_FRAMES = (
    "SELECT seq, taken_at_us, roster_id, length(power_kw) + coalesce(length(detail), 0) AS bytes"
    " FROM frame ORDER BY seq"
)
_ALL_SLICES = (
    "SELECT seq, taken_at_us, roster_id, length(power_kw) + coalesce(length(detail), 0) AS bytes,"
    " ven_name FROM slice ORDER BY seq"
)


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        seq=row.seq,
        taken_at_us=row.taken_at_us,
        roster_id=row.roster_id,
        bytes=row.bytes + ROW_BYTES,
    )
