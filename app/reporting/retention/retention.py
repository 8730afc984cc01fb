"""Keeps the store of readings small: what nobody needs goes, what lags is moved aside."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, runtime_checkable

from app.platform import LogOnce, from_us, to_us
from app.readings import KeepsFrames, Roster, StoreFull
from app.reporting.delivery import MeteredReports, RejectedReports
from app.reporting.streams import (
    DROPPED,
    Backlog,
    FrameNeeds,
    LossCounters,
    StreamStore,
    TelemetryStream,
)

logger = logging.getLogger(__name__)

LEFT_AFTER_DROPPING = 0.95
"""Of the bound in bytes, so that not every tick has to drop something."""
LATE_SIGHT = timedelta(minutes=2)
"""How long frames are kept that nobody needs: an event may be seen a poll after its start."""
MAX_DROPPED = 10_000
"""Rejected reports that one dropping looks at."""


@dataclass(frozen=True, kw_only=True)
class StoreBounds:
    """How much of readings may be kept, and what happens when it is too much."""

    max_lag: timedelta
    keep_unasked: timedelta
    max_bytes: int
    max_age: timedelta | None
    when_full: Literal["stop_metering", "drop_oldest"]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> StoreBounds:
        """The bounds of these values, by name."""
        return cls(**values)


@runtime_checkable
class KeepsArrivals(Protocol):
    """Keeps measurements in the order in which they came."""

    def newest_seq(self) -> int: ...

    def told_through(self, seq: int) -> None: ...

    def owed_from(self, instant: datetime | None) -> None: ...


class Retention:
    """Prunes after each delivery, and makes room before each frame. Safe for several threads."""

    def __init__(
        self,
        *,
        frames: KeepsFrames,
        arrivals: KeepsArrivals,
        store: StreamStore,
        backlog: Backlog,
        rejected: RejectedReports,
        metered: MeteredReports,
        losses: LossCounters,
        clock: Callable[[], datetime],
        bounds: StoreBounds,
        log_once: LogOnce,
    ) -> None:
        self._frames = frames
        self._arrivals = arrivals
        self._newest_arrival = 0
        """When it was looked at last: a stream that begins meanwhile needs what comes after it."""
        self._store = store
        self._backlog = backlog
        self._rejected = rejected
        self._metered = metered
        self._losses = losses
        self._clock = clock
        self._bounds = bounds
        self._lock = threading.Lock()
        self._log_once = log_once

    def reserve(self, frame_bytes: int) -> None:
        """Before a frame of this size is stored. StoreFull when metering is to stop."""
        with self._lock:
            if self._is_full(frame_bytes):
                self._prune(self._store.needs())
                if self._is_full(frame_bytes):
                    if self._bounds.when_full == "stop_metering":
                        raise StoreFull(
                            f"the store of readings is full ({self._full_words()}): nothing is"
                            " metered until reports are delivered or there is more room"
                        )
                    self._drop_oldest(frame_bytes)

    def prune(self) -> None:
        """Remove what every cursor has passed; move out what lags behind the fleet."""
        with self._lock:
            needs = self._store.needs()
            self._prune(needs)
            self._let_arrivals_go(needs)
            # What was just rejected takes room, too.
            if self._bounds.when_full == "drop_oldest" and self._is_full(0):
                self._drop_oldest(0)

    def share_used(self) -> float:
        """How much of STORE__MAX_BYTES is used, from 0 to 1 and, for a moment, above."""
        with self._lock:
            return self._bytes() / self._bounds.max_bytes

    def _bytes(self) -> int:
        return self._frames.bytes_stored() + self._rejected.bytes_stored()

    def _is_full(self, frame_bytes: int) -> bool:
        if self._bytes() + frame_bytes > self._bounds.max_bytes:
            return True
        if self._bounds.max_age is None:
            return False
        oldest_us = self._frames.oldest_us()
        return oldest_us is not None and oldest_us < self._oldest_allowed_us()

    def _oldest_allowed_us(self) -> int:
        age = self._bounds.max_age
        return 0 if age is None else to_us(self._clock() - age)

    def _full_words(self) -> str:
        if self._bounds.max_age is not None:
            return "STORE__MAX_BYTES or STORE__MAX_AGE"
        return "STORE__MAX_BYTES"

    def _drop_oldest(self, frame_bytes: int) -> None:
        target = int(self._bounds.max_bytes * LEFT_AFTER_DROPPING) - frame_bytes
        excess = self._bytes() - target
        cut_us = 0
        cut_seq = 0
        asides = [(at_us, 0, bytes_) for at_us, bytes_ in self._rejected.ages(MAX_DROPPED)]
        for taken_at_us, seq, bytes_ in sorted((*self._frames_by_age(), *asides)):
            if excess <= 0 and taken_at_us >= self._oldest_allowed_us():
                break
            excess -= bytes_
            cut_us, cut_seq = taken_at_us, max(cut_seq, seq)
        behind = [stream for stream in self._store.streams() if stream.needs_frames_after < cut_seq]
        cuts = {
            each: max(cut_seq, each.in_flight.through.seq if each.in_flight else 0)
            for each in behind
            if isinstance(each, TelemetryStream)
        }
        dropped = self._backlog.owed(cuts)
        self._store.apply(
            [(stream, lambda now: now.skip(cut_seq)) for stream in behind],
            in_transaction=functools.partial(self._losses.add, DROPPED, dropped),
        )
        dropped += self._rejected.drop_through(
            cut_us, lambda connection, readings: self._losses.add(DROPPED, readings, connection)
        )
        # The frame that was cut at stays: what lies between two readings needs it.
        self._frames.drop_below(cut_seq)
        logger.warning(
            "the store of readings is full (%s): %d readings that were owed are dropped",
            self._full_words(),
            dropped,
        )

    def _frames_by_age(self) -> Iterator[tuple[int, int, int]]:
        """(as old as this, in microseconds since 1970; seq; bytes), oldest first.

        By their numbers: one that a wrong clock dated earlier than one before it is no older.
        """
        newest_us = 0
        for seq, taken_at_us, bytes_ in self._frames.sizes():
            newest_us = max(newest_us, taken_at_us)
            yield newest_us, seq, bytes_

    def _prune(self, needs: FrameNeeds) -> None:
        newest = self._frames.last()
        if newest is None:
            return
        unasked = [name for name in newest.roster.ven_names if name not in needs.asked]
        self._log_once.problem(
            logger,
            "readings that no event asks for",
            "some" if unasked else None,
            line=f"no event requests the readings of {len(unasked)} VENs ({unasked[0]}, …);"
            f" they are kept for {self._bounds.keep_unasked}"
            if unasked
            else "",
            level=logging.INFO,
        )
        self._move_out(needs, newest.roster)
        kept = self._bounds.keep_unasked if unasked else LATE_SIGHT
        before = min(self._clock() - kept, newest.taken_at)
        sliced = self._frames.sliced_through()
        whole = (max(after, sliced.get(name, 0)) for name, after in needs.after.items())
        self._frames.prune(before_seq=min(whole, default=newest.seq), before=before)
        self._frames.prune_slices(needs.after)

    def _let_arrivals_go(self, needs: FrameNeeds) -> None:
        """What came up to where every stream stands is needed in its order no more."""
        newest = self._arrivals.newest_seq()
        if not newest:
            return  # nothing was ever measured, and nothing of it is kept
        needed_after = needs.arrivals_after
        passed = self._newest_arrival
        self._arrivals.told_through(passed if needed_after is None else min(passed, needed_after))
        self._newest_arrival = newest
        opens_us = self._metered.oldest_open_us()
        begins = [self._backlog.owed_since(self._store.streams())]
        begins += [] if opens_us is None else [from_us(opens_us)]
        self._arrivals.owed_from(min((each for each in begins if each), default=None))

    def _move_out(self, needs: FrameNeeds, fleet: Roster) -> None:
        """What a few VENs have not got for long, so that it does not hold the frames of all."""
        horizon = self._frames.last_before(self._clock() - self._bounds.max_lag)
        sliced = self._frames.sliced_through()
        spans: dict[str, tuple[int, int]] = {}
        for name, after in needs.after.items():
            moved, in_flight = sliced.get(name, 0), needs.in_flight.get(name, [])
            # A report that may be at the VTN is made again of one kind of rows.
            is_begun = any(first < moved < last for first, last in in_flight)
            if is_begun or max(after, moved) < horizon:
                spans[name] = after, max([horizon, *(last for _, last in in_flight)])
        lagging = sum(len(fleet.names(name)) for name in spans)
        if spans and 2 * lagging <= fleet.size:
            self._frames.move_out(spans)  # else most lag: whole frames are the smaller form
