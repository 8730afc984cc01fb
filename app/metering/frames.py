"""The durable store of readings: an append-only log of frames."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection, bindparam, text

from app.fleet import Database
from app.instants import from_us, to_us
from app.metering.source import Frame, Roster


class FrameStore:
    """One row per frame: its instant and its array of powers as float32, little-endian.

    Rosters have rows of their own, since they change seldom. Safe for several threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._rosters: dict[int, Roster] = {}

    def append(self, frame: Frame) -> Frame:
        """Store it, durably; returns it with its number. ValueError if it is not the latest."""
        with self._lock, self._database.write() as connection:
            roster_id = self._roster_id(connection, frame.roster)
            taken_at_us = to_us(frame.taken_at)
            newest = connection.execute(text("SELECT max(taken_at_us) FROM frame")).scalar()
            if newest is not None and taken_at_us <= newest:
                raise ValueError("a frame must be later than the one before it")
            seq = connection.execute(
                text(
                    "INSERT INTO frame (taken_at_us, profile_index, roster_id, power_kw)"
                    " VALUES (:taken_at_us, :profile_index, :roster_id, :power_kw) RETURNING seq"
                ),
                {
                    "taken_at_us": taken_at_us,
                    "profile_index": frame.profile_index,
                    "roster_id": roster_id,
                    "power_kw": frame.power_kw.astype("<f4").tobytes(),
                },
            ).scalar_one()
        self._rosters[int(roster_id)] = frame.roster
        return Frame(
            seq=int(seq),
            taken_at=frame.taken_at,
            profile_index=frame.profile_index,
            roster=frame.roster,
            power_kw=frame.power_kw,
        )

    def last(self) -> Frame | None:
        """The newest frame."""
        return next(self._frames("ORDER BY seq DESC LIMIT 1", {}), None)

    def last_before(self, instant: datetime) -> int:
        """The number of the last frame taken before the instant; 0 if there is none."""
        query = text("SELECT max(seq) FROM frame WHERE taken_at_us < :instant")
        with self._database.read() as connection:
            found = connection.execute(query, {"instant": to_us(instant)}).scalar()
        return int(found or 0)

    def oldest_seq(self) -> int:
        """The oldest frame's number; 0 when there is none."""
        with self._database.read() as connection:
            return int(connection.execute(text("SELECT min(seq) FROM frame")).scalar() or 0)

    def since(self, seq: int, *, most_bytes: int) -> list[Frame]:
        """Frames from this number on, oldest first; at least two, then up to so many bytes."""
        frames: list[Frame] = []
        for frame in self._frames("WHERE seq >= :seq ORDER BY seq", {"seq": seq}):
            frames.append(frame)
            most_bytes -= frame.power_kw.nbytes
            if most_bytes <= 0 and len(frames) >= 2:
                break
        return frames

    def rosters_since(self, seq: int) -> list[tuple[int, Roster]]:
        """(number, roster) of the frames from this number on: what is there, without the powers."""
        query = text("SELECT seq, roster_id FROM frame WHERE seq >= :seq ORDER BY seq")
        with self._lock, self._database.read() as connection:  # no pruning in between
            rows = connection.execute(query, {"seq": seq}).all()
            return [(row.seq, self._roster(connection, row.roster_id)) for row in rows]

    def prune(self, *, before_seq: int, before: datetime) -> int:
        """Remove the frames below this number that were taken before the instant; how many."""
        where = {"seq": before_seq, "instant": to_us(before)}
        condition = "FROM frame WHERE seq < :seq AND taken_at_us < :instant"
        with self._database.read() as connection:
            if not connection.execute(text(f"SELECT 1 {condition} LIMIT 1"), where).first():
                return 0
        with self._lock, self._database.write() as connection:
            removed = connection.execute(text(f"DELETE {condition}"), where).rowcount
            connection.execute(
                text(
                    "DELETE FROM roster WHERE roster_id NOT IN (SELECT roster_id FROM frame)"
                    " AND roster_id < (SELECT max(roster_id) FROM roster)"
                )
            )
            kept = set(connection.execute(text("SELECT roster_id FROM roster")).scalars())
            for roster_id in [key for key in list(self._rosters) if key not in kept]:
                del self._rosters[roster_id]
        return int(removed)

    def _frames(self, clauses: str, values: dict[str, Any]) -> Iterator[Frame]:
        query = text(
            f"SELECT seq, taken_at_us, profile_index, roster_id, power_kw FROM frame {clauses}"
        )
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=16).execute(query, values):
                yield Frame(
                    seq=row.seq,
                    taken_at=from_us(row.taken_at_us),
                    profile_index=row.profile_index,
                    roster=self._roster(connection, row.roster_id),
                    power_kw=np.frombuffer(row.power_kw, dtype="<f4"),
                )

    def _roster(self, connection: Connection, roster_id: int) -> Roster:
        known = self._rosters.get(roster_id)
        if known is None:
            query = text("SELECT body FROM roster WHERE roster_id = :id")
            body = connection.execute(query, {"id": roster_id}).scalar_one()
            known = Roster(orjson.loads(zlib.decompress(body)))
            self._rosters[roster_id] = known
        return known

    def _roster_id(self, connection: Connection, roster: Roster) -> int:
        """The roster's row; a restart finds the one it made before."""
        for roster_id, known in list(self._rosters.items()):
            if known is roster:
                return roster_id
        body = zlib.compress(orjson.dumps([[ven, list(names)] for ven, names in roster]), 1)
        newest = connection.execute(
            text("SELECT roster_id, body FROM roster ORDER BY roster_id DESC LIMIT 1")
        ).first()
        if newest is not None and newest.body == body:
            roster_id = newest.roster_id
        else:
            insert = text("INSERT INTO roster (body) VALUES (:body) RETURNING roster_id")
            roster_id = connection.execute(insert.bindparams(bindparam("body", body))).scalar_one()
        return int(roster_id)
