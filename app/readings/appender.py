"""The one who writes to the log: it numbers and commits under one lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import Connection, text

from app.platform import Database, from_us, to_us
from app.readings.frame import Frame
from app.readings.index import Entry
from app.readings.rosters import RosterBook


@dataclass(frozen=True)
class _Handed:
    """A frame that a thread handed in, and its outcome."""

    frame: Frame
    stored: Future[Frame] = field(default_factory=Future)


class Appended(NamedTuple):
    """What a transaction stored of a frame."""

    frame: Frame
    entry: Entry


class LogAppender:
    """Appends frames, several at a time where several threads hand them in.

    A number that was given before its commit would let a reader pass it: on a server, a later one
    can be there first, and the earlier one is never read. So one transaction at a time gives
    numbers and commits, and what comes meanwhile waits for the next one, which takes all of it.
    `writing`: the lock that everybody holds who changes the log. `stored` is told of the frames of
    each transaction before anybody hears that they are stored.
    """

    def __init__(
        self,
        *,
        database: Database,
        rosters: RosterBook,
        writing: AbstractContextManager[object],
        stored: Callable[[Sequence[Appended]], None],
    ) -> None:
        self._database = database
        self._rosters = rosters
        self._writing = writing
        self._stored = stored
        self._queue: list[_Handed] = []
        self._guard = threading.Lock()

    def append(self, frame: Frame) -> Frame:
        """Store it, durably; returns it with its number, and with its instant.

        Where the clock was set back, that moves by as few microseconds as make it another one than
        those that were told before. After an error it may be stored all the same.
        """
        handed = _Handed(frame)
        with self._guard:
            self._queue.append(handed)
        with self._writing:
            if not handed.stored.done():  # else with those of another thread
                with self._guard:
                    batch, self._queue = self._queue, []
                self._write(batch)
        return handed.stored.result()

    @property
    def waiting(self) -> int:
        """How many were handed in and are in no transaction yet."""
        with self._guard:
            return len(self._queue)

    def _write(self, batch: Sequence[_Handed]) -> None:
        try:
            with self._database.write() as connection:
                rows = [self._insert(connection, handed.frame) for handed in batch]
            self._stored(rows)
        except BaseException as error:  # noqa: BLE001 - raised to who handed them in
            for handed in batch:
                handed.stored.set_exception(error)
            return
        for handed, (frame, _) in zip(batch, rows, strict=True):
            handed.stored.set_result(frame)

    def _insert(self, connection: Connection, frame: Frame) -> Appended:
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
        return Appended(
            replace(frame, seq=int(seq), taken_at=from_us(taken_at_us)),
            Entry(
                seq=int(seq),
                taken_at_us=taken_at_us,
                roster_id=roster_id,
                bytes=frame.stored_bytes,
            ),
        )


def _another_instant(connection: Connection, instant_us: int) -> int:
    """The instant, or one so little later that nothing was told of it."""
    newest = connection.execute(text("SELECT max(taken_at_us) FROM frame")).scalar()
    if newest is None or instant_us > newest:
        return instant_us
    taken = text("SELECT 1 FROM frame WHERE taken_at_us = :instant")
    instant_us += 1  # of frames that are gone, one may have had this instant
    while connection.execute(taken, {"instant": instant_us}).first():
        instant_us += 1
    return instant_us
