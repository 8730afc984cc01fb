"""What is owed, as events come and go."""

from __future__ import annotations

import functools
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from app.platform import to_us
from app.readings import Extent, ReadsFrames
from app.reporting.requests import Asked, DueReport, ReportRequest
from app.reporting.streams.losses import EXPIRED, Tally
from app.reporting.streams.model import Position, Stream
from app.reporting.streams.request_index import Agenda
from app.reporting.streams.store import StreamLedger

logger = logging.getLogger(__name__)
LastBefore = Callable[[datetime], int]
"""The number of the last frame before an instant."""
MAX_OVERLAPPING = 20
"""Reports that are due one after the other, and begin in another order."""
MOST_SAID = 10_000
"""Lines that are remembered, so as to be said once."""


@runtime_checkable
class FleetNames(Protocol):
    """Who is of the fleet."""

    def ven_names(self) -> list[str]: ...

    def names_of_removed(self, ven_name: str) -> list[str]: ...


class Obligations:
    """Opens a stream for each report descriptor that asks for readings, and ends it with its event.

    The unsent span of a stream that ended passes to another event of the VEN that asks for the
    same; if none comes within `keep_unasked`, it expires and is counted.
    """

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        ledger: StreamLedger,
        tally: Tally,
        clock: Callable[[], datetime],
        keep_unasked: timedelta,
        agenda: Agenda,
        fleet: FleetNames,
    ) -> None:
        self._fleet = fleet
        self._agenda = agenda
        self._frames = frames
        self._ledger = ledger
        self._tally = tally
        self._clock = clock
        self._keep_unasked = keep_unasked
        self._following = threading.Lock()
        self._followed: dict[str, frozenset[str]] = {}
        self._said: set[str] = set()

    def follow(self, ven_names: Iterable[str]) -> None:
        """From now on, owe what the events of these VENs ask for, and nothing else."""
        with self._following:
            ended: list[Stream] = []
            reopened: list[Stream] = []
            restated: dict[Stream, ReportRequest] = {}
            begun: list[Stream] = []
            last_before = functools.cache(self._frames.last_before)
            for ven_name in ven_names:
                wanted, lines = self._agenda.of_ven(ven_name)
                for line in lines:
                    self._say_once(line)
                known = set()
                for each in self._ledger.of_ven(ven_name):
                    asked = wanted.get(each.asks)
                    if not each.heir_of:
                        known.add(each.asks)
                    if asked is None:
                        ended.append(each)
                        continue
                    if each.ended_at_us is not None and each.reports_left != 0:
                        reopened.append(each)
                    if not each.heir_of and each.request != asked.request:
                        restated[each] = asked.request
                begun += [
                    self._begun(ven_name, asked, last_before)
                    for asks, asked in wanted.items()
                    if asks not in known
                ]
                self._followed[ven_name] = self._agenda.event_ids(ven_name)
            self._end(ended)
            self._ledger.reopen(reopened)
            self._ledger.restate(restated)
            self._ledger.begin(begun)

    def unfollow(self, ven_name: str) -> None:
        """A VEN that is not of the fleet any more."""
        with self._following:
            self._followed.pop(ven_name, None)

    def waiting(self) -> int:
        """How many readings are owed and not acknowledged, over all streams.

        Where reports have their times, the values of those that are due.
        """
        return self.waiting_of(self._ledger.streams())

    def waiting_of(
        self,
        streams: Iterable[Stream],
        *,
        through: int | None = None,
        begun_before: datetime | None = None,
    ) -> int:
        """The same of these streams; `through`: of readings up to the frame of this number.

        `begun_before`: with reports at times of their own that are not due yet, if they are about
        a time before this instant.
        """
        read: dict[Stream, int | None] = {}
        due = 0
        for each in streams:
            if each.request.is_planned:
                due += self._due(each, begun_before)
            else:
                read[each] = through
        return self.owed(read) + due

    def _due(self, stream: Stream, begun_before: datetime | None) -> int:
        asked = self._agenda.of(stream)
        newest = self._frames.last()
        if asked is None or asked.plan is None or newest is None or stream.ended_at_us is not None:
            return 0
        names = list(newest.roster.names(stream.ven_name))
        if stream.request.is_forecast:
            latest = asked.plan.latest(self._clock())
            due = latest is not None and latest.key > stream.done.seq and begun_before is None
            intervals = len(latest.intervals) if latest is not None and due else 0
        else:
            until = min(newest.taken_at, self._clock())
            before = None if begun_before is None else min(begun_before, self._clock())
            intervals = _intervals(asked.plan.after(stream.done.seq), until, before)
        if begun_before is not None and intervals:  # they are metered no more
            names += self._fleet.names_of_removed(stream.ven_name)
        width = _width(names, asked.scope, aggregate=stream.request.aggregate)
        return max(intervals * width - stream.done.column, 0)

    def owed(self, through: Mapping[Stream, int | None]) -> int:
        """How many readings these streams owe, each up to a frame's number or all of them."""
        through = {stream: end for stream, end in through.items() if stream.unsent}
        if not through:
            return 0
        sliced = self._frames.sliced_through()
        extent = self._frames.extent(
            min(max(each.cursor.seq, sliced.get(each.ven_name, 0)) for each in through),
            after_sliced=min(each.cursor.seq for each in through),
        )
        return sum(
            max(self._owed(stream, extent, sliced.get(stream.ven_name, 0), end), 0)
            for stream, end in through.items()
            if not stream.request.is_planned
        )

    def _owed(self, stream: Stream, extent: Extent, sliced: int, through: int | None) -> int:
        ends = [end for end in (stream.until, through) if end is not None]
        scope = self._agenda.scope_of(stream)
        aggregate = stream.request.aggregate
        readings = extent.readings(
            stream.ven_name,
            stream.cursor.seq,
            min(ends) if ends else None,
            sliced=sliced,
            width=lambda names: _width(names, scope, aggregate=aggregate),
        )
        return readings - stream.cursor.column

    def pass_on(self) -> None:
        """Find heirs for what ended streams did not send; forget what owes nothing more.

        A stream with a report in doubt waits until it is known whether the VTN has that.
        """
        streams = self._ledger.streams()
        asking = defaultdict[tuple[str, str], list[Stream]](list)
        for stream in streams:
            if stream.ended_at_us is None and not stream.heir_of:
                asking[stream.ven_name, stream.request.descriptor].append(stream)
        heirs: list[Stream] = []
        passed: dict[Stream, int] = {}
        expired: dict[Stream, int] = {}
        latest_us = to_us(self._clock() - self._keep_unasked)
        for stream in streams:
            if stream.ended_at_us is None or stream.until is None or not stream.unsent:
                continue
            if stream.request.is_planned:
                continue
            in_time = stream.ended_at_us > latest_us
            if stream.in_flight is not None and in_time:
                continue
            heir = _heir(stream, asking[stream.ven_name, stream.request.descriptor])
            if heir is not None:
                passed[stream] = stream.until
                if heir.start > stream.cursor.seq:
                    heirs.append(_inheriting(heir, stream))
            elif not in_time:
                expired[stream] = stream.until
        self._ledger.begin(heirs)
        self._ledger.skip(passed)
        self._expire(expired)
        self._say(
            passed,
            "event %s is gone; what %d VENs had not sent of its %s passes to an event that asks"
            " for the same",
        )
        self._forget()

    def _expire(self, expired: Mapping[Stream, int]) -> None:
        if not expired:
            return
        readings = self.owed(expired)
        self._ledger.skip(expired, functools.partial(self._tally.add, EXPIRED, readings))
        self._say(
            expired,
            "event %s is gone; what %d VENs had not sent of its %s expires: no other event asks"
            " for it",
        )
        logger.warning("%d readings expired, since no event asks for them any more", readings)

    def _say(self, streams: Iterable[Stream], words: str) -> None:
        """One line per event, however many VENs it has."""
        for (event_id, kind), count in Counter(
            (stream.request.event_id, stream.request.payload_type) for stream in streams
        ).items():
            logger.info(words, event_id, count, kind)

    def _forget(self) -> None:
        """What owes nothing, and will not come back with frames that it has reported."""
        gone = []
        oldest: int | None = None
        fleet: frozenset[str] | None = None
        for stream in self._ledger.streams():
            if stream.unsent:
                continue
            if stream.ended_at_us is None or stream.heir_of:
                gone.append(stream)
                continue
            followed = self._followed.get(stream.ven_name)
            if followed is None:  # not yet, or it is not of the fleet any more
                fleet = frozenset(self._fleet.ven_names()) if fleet is None else fleet
                followed = None if stream.ven_name in fleet else frozenset()
            if followed is not None and stream.request.event_id not in followed:
                oldest = self._frames.oldest_seq() if oldest is None else oldest
                if stream.cursor.seq < oldest:
                    gone.append(stream)
        self._ledger.forget(gone)

    def _end(self, streams: Sequence[Stream]) -> None:
        ended = [stream for stream in streams if stream.ended_at_us is None]
        if not ended:
            return
        if len(ended) == 1:
            (one,) = ended
            asks = one.request.event_id, one.request.payload_type
            logger.info("VEN %s: event %s no longer asks for %s", one.ven_name, *asks)
        else:
            self._say(ended, "event %s no longer asks %d VENs for %s")
        now_us = to_us(self._clock())
        read = [stream for stream in ended if not stream.request.is_planned]
        self._ledger.end(read, at_us=now_us, until=self._frames.newest_seq())
        # The intervals of an event are nobody else's.
        planned = [stream for stream in ended if stream.request.is_planned]
        self._ledger.end(planned, at_us=now_us, until=0)

    def _begun(self, ven_name: str, asked: Asked, last_before: LastBefore) -> Stream:
        request = asked.request
        done = Position(0)
        if asked.plan is None:
            start = self._start(request, asked.first_seen, last_before)
        else:
            # Of what was due before the event was seen, the latest is sent (User Guide 7.5).
            latest = asked.plan.latest(asked.first_seen)
            done = Position(to_us(asked.first_seen) if latest is None else latest.key - 1)
            upcoming = asked.plan.next_after(done.seq)
            start = self._frames.newest_seq()
            if upcoming is not None and not request.is_forecast:
                start = min(start, max(last_before(upcoming.begins) - 1, 0))
        return Stream(
            stream_id=0,
            ven_name=ven_name,
            request=request,
            start=start,
            cursor=Position(start),
            done=done,
            reports_left=None if asked.plan is not None else request.most_reports,
        )

    def _start(self, request: ReportRequest, first_seen: datetime, last_before: LastBefore) -> int:
        """The last frame before what is asked for: after the event's start and its first sight.

        With history: from the event's start, or from as far back as there is.
        """
        begins = request.since if request.history else max(request.since or first_seen, first_seen)
        if begins is None:
            return max(self._frames.oldest_seq() - 1, 0)
        return last_before(begins)

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            if len(self._said) >= MOST_SAID:
                self._said.clear()
            self._said.add(line)
            logger.info("%s", line)


def _width(names: Sequence[str], scope: frozenset[str] | None, *, aggregate: bool) -> int:
    """How many values an instant makes."""
    meant = len(names) if scope is None else sum(name in scope for name in names)
    return min(meant, 1) if aggregate else meant


def _intervals(upcoming: Iterable[DueReport], until: datetime, before: datetime | None) -> int:
    """Of the reports that are due until then, or are about a time before the other instant."""
    found = others = 0
    for each in upcoming:
        if each.due <= until or (before is not None and each.begins < before):
            found, others = found + len(each.intervals), 0
            continue
        others += 1  # one that is due later may have begun earlier
        if before is None or others > MAX_OVERLAPPING:
            break
    return found


def _heir(ended: Stream, asking: Iterable[Stream]) -> Stream | None:
    """The open stream of another event that asks for the same and begins first."""
    others = (each for each in asking if each.request.event_id != ended.request.event_id)
    return min(others, key=lambda each: each.start, default=None)


def _inheriting(heir: Stream, ended: Stream) -> Stream:
    """A stream of the heir's event over the span that the ended one leaves."""
    return Stream(
        stream_id=0,
        ven_name=ended.ven_name,
        request=replace(heir.request, since=None),
        # With its place: a stream that opens and ends again has several heirs.
        heir_of=f"{ended.stream_id}@{ended.cursor.seq}",
        start=ended.cursor.seq,
        cursor=ended.cursor,
        until=min(ended.until or 0, heir.start),
    )
