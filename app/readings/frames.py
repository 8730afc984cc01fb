"""The durable store of readings: an append-only log of frames, and what was moved out of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from app.platform import Database, from_us, to_us
from app.readings.detail import unpack
from app.readings.extent import Extent
from app.readings.frame import ROW_BYTES, Frame, bounded
from app.readings.rosters import RosterBook

ROW_SIZE = f"length(power_kw) + coalesce(length(detail), 0) + {ROW_BYTES}"
MOST_MOVED = 50_000
"""Slices in one transaction, about."""
NO_NUMBER = 1 << 62
"""Above every frame's."""
MOST_INSTANTS = 1_000
PIECEWISE = {"yield_per": 16}
"""For results that need not be read to their end."""


class FrameStore:
    """One row per frame: its instant and its array of powers as float32, little-endian.

    The part of a VEN that lags behind the others can be moved out into slices of its own, so that
    the frames need not wait for it. Safe for several threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._rosters = RosterBook()
        self._sliced: dict[str, int] | None = None
        self._newest: Frame | None = None
        self._newest_seq: int | None = None
        """Asked for often: known from what is appended, since nobody else does."""
        self._before: dict[int, int] = {}
        """By instant: the number of the last frame before it, as long as it stays so."""

    def append(self, frame: Frame) -> Frame:
        """Store it, durably; returns it with its number, and with its instant.

        Where the clock was set back, that moves by as few microseconds as make it another one than
        those that were told before. After an error it may be stored all the same.
        """
        try:
            return self._append(frame)
        except BaseException:
            with self._lock:
                self._newest = self._newest_seq = None
                self._before.clear()
            raise

    def _append(self, frame: Frame) -> Frame:
        with self._lock, self._database.write() as connection:
            roster_id = self._rosters.row_of(connection, frame.roster)
            taken_at_us = _another_instant(connection, to_us(frame.taken_at))
            seq = connection.execute(
                text(
                    "INSERT INTO frame (taken_at_us, profile_index, roster_id, power_kw, detail)"
                    " VALUES (:taken_at_us, :profile_index, :roster_id, :power_kw, :detail)"
                    " RETURNING seq"
                ),
                {
                    "taken_at_us": taken_at_us,
                    "profile_index": frame.profile_index,
                    "roster_id": roster_id,
                    "power_kw": frame.power_kw.astype("<f4").tobytes(),
                    "detail": frame.packed_detail,
                },
            ).scalar_one()
        self._rosters.keep(int(roster_id), frame.roster)
        stored = replace(frame, seq=int(seq), taken_at=from_us(taken_at_us))
        with self._lock:
            self._newest, self._newest_seq = stored, stored.seq
            self._before = {at: seq for at, seq in self._before.items() if at <= taken_at_us}
        return stored

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
        instant_us = to_us(instant)
        known = self._before.get(instant_us)
        if known is not None:
            return known
        newest = self.newest_seq()
        query = "SELECT max(seq) FROM frame WHERE taken_at_us < :instant"
        found = self._number(query, {"instant": instant_us})
        with self._lock:
            if newest == self._newest_seq:
                if len(self._before) >= MOST_INSTANTS:
                    self._before.clear()
                self._before[instant_us] = found
        return found

    def dated_after(self, instant: datetime) -> tuple[int, datetime | None]:
        """How many frames are dated later, and the last of their dates."""
        query = text("SELECT count(*), max(taken_at_us) FROM frame WHERE taken_at_us > :instant")
        with self._database.read() as connection:
            count, last_us = connection.execute(query, {"instant": to_us(instant)}).one()
        return int(count), None if last_us is None else from_us(last_us)

    def oldest_seq(self) -> int:
        """The oldest frame's number; 0 when there is none."""
        return self._number("SELECT min(seq) FROM frame")

    def newest_seq(self) -> int:
        """The newest frame's number; 0 when there is none."""
        newest = self._newest_seq
        if newest is None:
            newest = self._number("SELECT max(seq) FROM frame")
            with self._lock:
                self._newest_seq = newest = max(self._newest_seq or 0, newest)
        return newest

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

    def sliced_through(self) -> dict[str, int]:
        """For each VEN with slices: the number up to which its readings stand in them."""
        with self._lock:
            if self._sliced is None:
                query = text("SELECT ven_name, max(seq) AS seq FROM slice GROUP BY ven_name")
                with self._database.read() as connection:
                    self._sliced = {row.ven_name: row.seq for row in connection.execute(query)}
            return dict(self._sliced)

    def move_out(self, spans: Mapping[str, tuple[int, int]]) -> int:
        """Copy each VEN's part of these frames, first to last number, into slices; how many rows.

        What was moved out before is left as it is, and what is too much for one transaction is
        left to the next call.
        """
        already = self.sliced_through()
        todo = {
            ven: (max(first, already.get(ven, 0) + 1), last) for ven, (first, last) in spans.items()
        }
        todo = {ven: (first, last) for ven, (first, last) in todo.items() if first <= last}
        if not todo:
            return 0
        first = min(first for first, _ in todo.values())
        last = max(last for _, last in todo.values())
        moved = 0
        with self._lock, self._database.write() as connection:
            # One frame at a time: a result that is read while rows are written must not grow.
            seqs = connection.execute(
                text(
                    "SELECT seq FROM frame WHERE seq BETWEEN :first AND :last"
                    " ORDER BY seq LIMIT :most"
                ),
                {"first": first, "last": last, "most": max(MOST_MOVED // len(todo), 1)},
            ).scalars()
            for seq in list(seqs):
                row = connection.execute(
                    text("SELECT * FROM frame WHERE seq = :seq"),
                    {"seq": seq},
                ).one()
                roster = self._rosters.read(connection, row.roster_id)
                powers = np.frombuffer(row.power_kw, dtype="<f4")
                detail = unpack(row.detail)
                slices = [
                    {
                        "ven_name": ven,
                        "seq": seq,
                        "taken_at_us": row.taken_at_us,
                        "roster_id": row.roster_id,
                        "power_kw": powers[roster.columns(ven)].tobytes(),
                        "detail": detail.part(roster.columns(ven)).pack(),
                    }
                    for ven, (low, high) in todo.items()
                    if low <= seq <= high
                ]
                if slices:
                    connection.execute(text(_INSERT_SLICE), slices)
                    moved += len(slices)
        with self._lock:
            self._sliced = None
        return moved

    def extent(self, after: int, *, after_sliced: int = 0) -> Extent:
        """What is there above these numbers, in frames and in slices."""
        by_roster: dict[int, list[int]] = {}
        parts: dict[str, dict[int, list[int]]] = {}
        with self._database.read() as connection:
            frames = text("SELECT seq, roster_id FROM frame WHERE seq > :seq ORDER BY seq")
            for row in connection.execute(frames, {"seq": after}):
                by_roster.setdefault(row.roster_id, []).append(row.seq)
            slices = text(
                "SELECT ven_name, seq, roster_id FROM slice WHERE seq > :seq ORDER BY seq"
            )
            for row in connection.execute(slices, {"seq": after_sliced}):
                parts.setdefault(row.ven_name, {}).setdefault(row.roster_id, []).append(row.seq)
            return Extent(
                frames=[
                    (self._rosters.read(connection, roster_id), seqs)
                    for roster_id, seqs in by_roster.items()
                ],
                slices={
                    ven: [
                        (self._rosters.read_part(connection, roster_id, ven), seqs)
                        for roster_id, seqs in part.items()
                    ]
                    for ven, part in parts.items()
                },
            )

    def prune(self, *, before_seq: int, before: datetime) -> int:
        """Remove the frames below this number that were taken before the instant; their bytes."""
        where = {"seq": before_seq, "instant": to_us(before)}
        return self._remove("frame", "seq < :seq AND taken_at_us < :instant", where)

    def prune_slices(self, floors: Mapping[str, int]) -> int:
        """Remove the slices below each VEN's number, and all of VENs not named; their bytes."""
        if not self.sliced_through():
            return 0
        oldest = text("SELECT ven_name, min(seq) AS seq FROM slice GROUP BY ven_name")
        condition = "FROM slice WHERE ven_name = :ven_name AND seq < :seq"
        bytes_ = 0
        with self._database.read() as connection:
            passed = [
                {"ven_name": row.ven_name, "seq": floors.get(row.ven_name, NO_NUMBER)}
                for row in connection.execute(oldest)
                if row.seq < floors.get(row.ven_name, NO_NUMBER)
            ]
        if not passed:
            return 0
        with self._lock, self._database.write() as connection:
            size = text(f"SELECT sum({ROW_SIZE}) {condition}")
            for where in passed:
                bytes_ += connection.execute(size, where).scalar() or 0
            connection.execute(text(f"DELETE {condition}"), passed)
            self._rosters.remove_unused(connection)
            self._sliced = None
        return int(bytes_)

    def drop_below(self, seq: int) -> int:
        """Remove frames and slices below this number, whoever needs them; their bytes."""
        return sum(self._remove(table, "seq < :seq", {"seq": seq}) for table in ("frame", "slice"))

    def oldest_us(self) -> int | None:
        """When the oldest frame or slice was taken; None when there is none."""
        query = "SELECT taken_at_us FROM {} ORDER BY seq LIMIT 1"
        found = [self._number(query.format(table)) for table in ("frame", "slice")]
        return min((instant for instant in found if instant), default=None)

    def ages(self, limit: int) -> list[tuple[int, int, int]]:
        """(seq, taken_at_us, bytes) of the oldest frames and slices, at most so many of each."""
        query = "SELECT seq, taken_at_us, {} AS bytes FROM {} ORDER BY seq LIMIT :limit"
        where = {"limit": limit}
        with self._database.read() as connection:
            return [
                (row.seq, row.taken_at_us, row.bytes)
                for table in ("frame", "slice")
                for row in connection.execute(text(query.format(ROW_SIZE, table)), where)
            ]

    def bytes_stored(self) -> int:
        """What frames and slices take, about; reads every row's length."""
        count = f"SELECT coalesce(sum({ROW_SIZE}), 0) FROM"
        return self._number(f"{count} frame") + self._number(f"{count} slice")

    def _remove(self, table: str, condition: str, where: dict[str, Any]) -> int:
        query = f"FROM {table} WHERE {condition}"
        with self._database.read() as connection:
            if not connection.execute(text(f"SELECT 1 {query} LIMIT 1"), where).first():
                return 0
        with self._lock, self._database.write(durable=False) as connection:
            bytes_ = connection.execute(
                text(f"SELECT sum({ROW_SIZE}) {query}"),
                where,
            ).scalar()
            connection.execute(text(f"DELETE {query}"), where)
            self._rosters.remove_unused(connection)
            if table == "slice":
                self._sliced = None
        return int(bytes_ or 0)

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


_INSERT_SLICE = (
    "INSERT INTO slice (ven_name, seq, taken_at_us, roster_id, power_kw, detail)"
    " VALUES (:ven_name, :seq, :taken_at_us, :roster_id, :power_kw, :detail)"
)


def _another_instant(connection: Connection, instant_us: int) -> int:
    """The instant, or one so little later that nothing was told of it."""
    newest = connection.execute(text("SELECT max(taken_at_us) FROM frame")).scalar()
    if newest is None or instant_us > newest:
        return instant_us
    taken = text("SELECT 1 FROM frame WHERE taken_at_us = :instant")
    instant_us += 1  # of frames that are there no more, one may have had this instant
    while connection.execute(taken, {"instant": instant_us}).first():
        instant_us += 1
    return instant_us
