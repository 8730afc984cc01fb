"""What is owed, as events come and go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from app.fleet import SeenEvent
from app.instants import from_us, to_us
from app.metering import Extent, FrameStore
from app.reporting.ledger import StreamLedger
from app.reporting.requests import ReportRequest, requests_of
from app.reporting.streams import Position, Stream
from app.reporting.tally import EXPIRED, Tally

logger = logging.getLogger(__name__)


class Obligations:
    """Opens a stream for each report descriptor that asks for readings, and ends it with its event.

    The unsent span of a stream that ended passes to another event of the VEN that asks for the
    same; if none comes within `keep_unasked`, it expires and is counted.
    """

    def __init__(
        self,
        *,
        frames: FrameStore,
        ledger: StreamLedger,
        tally: Tally,
        clock: Callable[[], datetime],
        keep_unasked: timedelta,
    ) -> None:
        self._frames = frames
        self._ledger = ledger
        self._tally = tally
        self._clock = clock
        self._keep_unasked = keep_unasked
        self._followed: dict[str, frozenset[str]] = {}
        self._said: set[str] = set()

    @property
    def followed(self) -> frozenset[str]:
        """The VENs whose events are known since the start."""
        return frozenset(self._followed)

    def follow(self, ven_name: str, events: Sequence[SeenEvent]) -> None:
        """From now on, owe what these events ask for, and nothing else."""
        wanted: dict[tuple[str, str], tuple[ReportRequest, datetime]] = {}
        for seen in events:
            for request in requests_of(seen.event):
                if isinstance(request, ReportRequest):
                    wanted[request.event_id, request.descriptor] = request, seen.first_seen
                else:
                    self._say_once(f"event {seen.event.event_id}: {request}")
        streams = self._ledger.of_ven(ven_name)
        self._end(ven_name, [each for each in streams if each.asks not in wanted])
        self._ledger.reopen(
            each
            for each in streams
            if each.ended_at_us is not None and each.asks in wanted and each.reports_left != 0
        )
        known = {each.asks for each in streams if not each.heir_of}
        now = self._clock()
        for asks, (request, first_seen) in wanted.items():
            if asks not in known and (request.since is None or request.since <= now):
                start = self._start(request, first_seen)
                self._ledger.begin(
                    Stream(
                        stream_id=0,
                        ven_name=ven_name,
                        request=request,
                        start=start,
                        cursor=Position(start),
                        reports_left=request.most_reports,
                    )
                )
        self._followed[ven_name] = frozenset(seen.event.event_id for seen in events)

    def waiting(self, streams: Sequence[Stream] | None = None, through: int | None = None) -> int:
        """How many readings these streams owe, or all of them, up to a frame's number."""
        streams = [
            stream
            for stream in (self._ledger.streams() if streams is None else streams)
            if stream.unsent
        ]
        if not streams:
            return 0
        oldest = min(stream.cursor.seq for stream in streams)
        sliced = self._frames.sliced_through()
        extent = self._frames.extent(
            min(max(stream.cursor.seq, sliced.get(stream.ven_name, 0)) for stream in streams),
            after_sliced=oldest,
        )
        return sum(
            max(self._owed(stream, extent, sliced.get(stream.ven_name, 0), through), 0)
            for stream in streams
        )

    def _owed(self, stream: Stream, extent: Extent, sliced: int, through: int | None) -> int:
        ends = [end for end in (stream.until, through) if end is not None]
        return (
            extent.readings(
                stream.ven_name, stream.cursor.seq, min(ends) if ends else None, sliced=sliced
            )
            - stream.cursor.column
        )

    def pass_on(self) -> None:
        """Find heirs for what ended streams did not send; forget what owes nothing more."""
        gone = []
        for stream in self._ledger.streams():
            if stream.ended_at_us is None:
                if not stream.unsent:
                    gone.append(stream)
            elif stream.unsent:
                self._pass_on(stream, from_us(stream.ended_at_us))
            elif self._is_history(stream):
                gone.append(stream)
        self._ledger.forget(gone)

    def _pass_on(self, stream: Stream, ended_at: datetime) -> None:
        until = stream.until or 0
        heir = self._heir(stream)
        if heir is not None:
            if heir.start > stream.cursor.seq:
                self._ledger.begin(
                    Stream(
                        stream_id=0,
                        ven_name=stream.ven_name,
                        request=heir.request,
                        heir_of=str(stream.stream_id),
                        start=stream.cursor.seq,
                        cursor=stream.cursor,
                        until=min(until, heir.start),
                    )
                )
            self._ledger.skip([stream], until)
            logger.info(
                "VEN %s: what event %s has not got passes to event %s",
                stream.ven_name,
                stream.request.event_id,
                heir.request.event_id,
            )
        elif self._clock() - ended_at >= self._keep_unasked:
            readings = self.waiting([stream])
            self._tally.add(EXPIRED, readings)
            self._ledger.skip([stream], until)
            logger.warning(
                "VEN %s: event %s is gone, and no other one asks for its %s: %d readings expire",
                stream.ven_name,
                stream.request.event_id,
                stream.request.payload_type,
                readings,
            )

    def _heir(self, ended: Stream) -> Stream | None:
        """The open stream that asks for the same and begins first."""
        heirs = [
            stream
            for stream in self._ledger.of_ven(ended.ven_name)
            if stream.ended_at_us is None
            and not stream.heir_of
            and stream.request.descriptor == ended.request.descriptor
            and stream.request.event_id != ended.request.event_id
        ]
        return min(heirs, key=lambda stream: stream.start, default=None)

    def _is_history(self, stream: Stream) -> bool:
        """Whether an ended stream need not be remembered: its event is gone for good."""
        followed = self._followed.get(stream.ven_name)
        return bool(stream.heir_of) or (
            followed is not None and stream.request.event_id not in followed
        )

    def _end(self, ven_name: str, streams: Sequence[Stream]) -> None:
        ended = [stream for stream in streams if stream.ended_at_us is None]
        if not ended:
            return
        for stream in ended:
            logger.info(
                "VEN %s: event %s no longer asks for %s; %d readings are not sent yet",
                ven_name,
                stream.request.event_id,
                stream.request.payload_type,
                self.waiting([stream]),
            )
        self._ledger.end(ended, at_us=to_us(self._clock()), until=self._frames.newest_seq())

    def _start(self, request: ReportRequest, first_seen: datetime) -> int:
        """The last frame before what is asked for: after the event's start and its first sight.

        With history: from the event's start, or from as far back as there is.
        """
        begins = request.since if request.history else max(request.since or first_seen, first_seen)
        if begins is None:
            return max(self._frames.oldest_seq() - 1, 0)
        return self._frames.last_before(begins)

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            logger.info("%s", line)
