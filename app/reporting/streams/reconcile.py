"""What is owed, as events come and go."""

from __future__ import annotations

import functools
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from app.platform import LogOnce, to_us
from app.readings import ReadsFrames
from app.reporting.requests import ActiveRequest, ReportRequest
from app.reporting.streams.backlog import Backlog
from app.reporting.streams.hand_over import hand_overs
from app.reporting.streams.losses import EXPIRED, LossCounters
from app.reporting.streams.measured import MeasuredStream
from app.reporting.streams.ports import FleetNames, NumbersArrivals
from app.reporting.streams.request_index import Descriptors, RequestIndex
from app.reporting.streams.rows import AnyStream
from app.reporting.streams.spans import FramePosition
from app.reporting.streams.store import StreamStore, Transition
from app.reporting.streams.stream import IntervalStream, ReportPosition, TelemetryStream

logger = logging.getLogger(__name__)
LastBefore = Callable[[datetime], int]
"""The number of the last frame before an instant."""
Changes = list[tuple[AnyStream, Transition]]
Asks = tuple[str, str]
"""A VEN, and a report descriptor."""


class StreamReconciler:
    """Opens a stream for each report descriptor that asks for readings, and ends it with its event.

    The unsent span of a stream that ended passes to another event of the VEN that asks for the
    same; if none comes within `keep_unasked`, it expires and is counted.
    """

    def __init__(
        self,
        *,
        frames: ReadsFrames,
        store: StreamStore,
        backlog: Backlog,
        losses: LossCounters,
        requests: RequestIndex,
        fleet: FleetNames,
        arrivals: NumbersArrivals,
        clock: Callable[[], datetime],
        keep_unasked: timedelta,
        log_once: LogOnce,
    ) -> None:
        self._frames = frames
        self._store = store
        self._backlog = backlog
        self._losses = losses
        self._requests = requests
        self._fleet = fleet
        self._arrivals = arrivals
        self._clock = clock
        self._keep_unasked = keep_unasked
        self._log_once = log_once
        self._following = threading.Lock()
        self._followed: dict[str, frozenset[str]] = {}
        self._wanted: dict[str, Descriptors] = {}

    def reconcile(self, ven_names: Iterable[str]) -> None:
        """From now on, owe what the events of these VENs ask for, and nothing else."""
        self._requests.refresh()
        with self._following:
            begun: list[AnyStream] = []
            ended: list[AnyStream] = []
            changes: Changes = []
            asked_anew: list[str] = []
            last_before = functools.cache(self._frames.last_before)
            for ven_name in ven_names:
                wanted, unserved = self._requests.of_ven(ven_name)
                for line in unserved:
                    self._log_once(logger, logging.INFO, line)
                if self._wanted.get(ven_name) is not wanted:
                    self._wanted[ven_name] = wanted
                    asked_anew.append(ven_name)
                known = set()
                for stream in self._store.of_ven(ven_name):
                    active = wanted.get(stream.asks)
                    is_heir = isinstance(stream, TelemetryStream) and stream.inherited_from
                    if not is_heir:
                        known.add(stream.asks)
                    if active is None:
                        if stream.is_open:
                            ended.append(stream)
                        continue
                    if not stream.is_open:
                        changes.append((stream, lambda now: now.reopen()))
                    if not is_heir and stream.request != active.request:
                        changes.append((stream, _restating(active.request)))
                begun += [
                    self._begun(ven_name, active, last_before)
                    for asks, active in wanted.items()
                    if asks not in known
                ]
                self._followed[ven_name] = self._requests.event_ids(ven_name)
            changes += [(stream, self._ending(stream)) for stream in ended]
            self._store.apply(changes, begin=begun)
            for ven_name in asked_anew:
                self._backlog.recount(self._store.of_ven(ven_name))
        self._say_ended(ended)

    def unfollow(self, ven_name: str) -> None:
        """A VEN that is no longer in the fleet."""
        with self._following:
            self._followed.pop(ven_name, None)
            self._wanted.pop(ven_name, None)

    def reassign_unsent(self) -> None:
        """Hand over what ended streams did not send; forget what owes nothing more.

        While a report of one of them is in doubt, all that asked the VEN for the same wait until it
        is known whether the VTN has that.
        """
        self._requests.refresh()
        with self._following:  # no event comes or goes meanwhile
            self._reassign_unsent()

    def _reassign_unsent(self) -> None:
        asking = defaultdict[Asks, list[TelemetryStream]](list)
        ended = defaultdict[Asks, list[TelemetryStream]](list)
        latest_us = to_us(self._clock() - self._keep_unasked)
        waiting: set[Asks] = set()
        for stream in self._store.streams():
            if not isinstance(stream, TelemetryStream):
                continue  # the intervals of an event are nobody else's
            asks = stream.ven_name, stream.request.descriptor
            if stream.ended_at_us is None:
                if not stream.inherited_from:
                    asking[asks].append(stream)
            elif stream.owes:
                ended[asks].append(stream)
                if stream.in_flight is not None and stream.ended_at_us > latest_us:
                    waiting.add(asks)
        changes: Changes = []
        own = {
            (stream.ven_name, stream.asks): stream
            for stream in self._store.streams()
            if isinstance(stream, TelemetryStream) and not stream.inherited_from
        }
        handed_over: list[AnyStream] = []
        expired: dict[TelemetryStream, int] = {}
        for asks, streams in ended.items():
            if asks in waiting:
                continue
            heir = _heir(streams, asking[asks])
            if heir is None:
                expired |= {
                    stream: stream.last_frame or 0
                    for stream in streams
                    if (stream.ended_at_us or 0) <= latest_us
                }
                continue
            shares, taken = hand_overs(streams, heir)
            changes += [
                (own[stream.ven_name, stream.asks], _giving_away(stream))
                for stream in streams
                if stream.inherited_from and (stream.ven_name, stream.asks) in own
            ]
            changes += [(stream, _handing_over(to)) for stream, to in shares]
            changes += [(heir, _inheriting(successor)) for successor in taken]
            handed_over += streams
        self._store.apply(changes)
        self._expire(expired)
        self._say(
            handed_over,
            "event %s is gone; what %d VENs had not sent of its %s passes to an event that asks"
            " for the same",
        )
        self._forget()

    def _expire(self, expired: dict[TelemetryStream, int]) -> None:
        if not expired:
            return
        readings = self._backlog.owed(expired)
        self._store.apply(
            [(stream, _skipping(last)) for stream, last in expired.items()],
            in_transaction=functools.partial(self._losses.add, EXPIRED, readings),
        )
        self._say(
            expired,
            "event %s is gone; what %d VENs had not sent of its %s expires: no other event asks"
            " for it",
        )
        logger.warning("%d readings expired, since no event requests them any more", readings)

    def _ending(self, stream: AnyStream) -> Transition:
        is_measured = isinstance(stream, MeasuredStream)
        newest = self._arrivals.newest_seq() if is_measured else self._frames.newest_seq()
        now_us = to_us(self._clock())
        return lambda now: now.end(at_us=now_us, last_frame=newest)

    def _say_ended(self, ended: Sequence[AnyStream]) -> None:
        if len(ended) == 1:
            (one,) = ended
            asks = one.request.event_id, one.request.payload_type
            logger.info("VEN %s: event %s no longer asks for %s", one.ven_name, *asks)
        else:
            self._say(ended, "event %s no longer asks %d VENs for %s")

    def _say(self, streams: Iterable[AnyStream], words: str) -> None:
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
        for stream in self._store.streams():
            if stream.owes:
                continue
            if stream.is_open or (isinstance(stream, TelemetryStream) and stream.inherited_from):
                gone.append(stream)
                continue
            followed = self._followed.get(stream.ven_name)
            if followed is None:  # not yet, or it is no longer in the fleet
                fleet = frozenset(self._fleet.ven_names()) if fleet is None else fleet
                followed = None if stream.ven_name in fleet else frozenset()
            if followed is not None and stream.request.event_id not in followed:
                oldest = self._frames.oldest_seq() if oldest is None else oldest
                # A measured one that comes back begins with what comes then.
                if isinstance(stream, MeasuredStream) or stream.needs_frames_after < oldest:
                    gone.append(stream)
        self._store.apply(forget=gone)

    def _begun(self, ven_name: str, active: ActiveRequest, last_before: LastBefore) -> AnyStream:
        request = active.request
        if request.is_measured:
            newest = self._arrivals.newest_seq()
            return MeasuredStream(
                stream_id=0,
                ven_name=ven_name,
                request=request,
                first_frame=newest,
                acked_frame=FramePosition(newest),
                reports_left=request.most_reports,
            )
        if active.schedule is None:
            first = self._first_frame(request, active.first_seen, last_before)
            return TelemetryStream(
                stream_id=0,
                ven_name=ven_name,
                request=request,
                first_frame=first,
                acked_frame=FramePosition(first),
                reports_left=request.most_reports,
            )
        # Of what was due before the event was seen, the latest is sent (User Guide 7.5).
        latest = active.schedule.latest(active.first_seen)
        passed = to_us(active.first_seen) if latest is None else latest.key - 1
        upcoming = active.schedule.next_after(passed)
        first = self._frames.newest_seq()
        if upcoming is not None and not request.is_forecast:
            first = min(first, max(last_before(upcoming.begins) - 1, 0))
        return IntervalStream(
            stream_id=0,
            ven_name=ven_name,
            request=request,
            needed_after=first,
            acked_report=ReportPosition(passed),
        )

    def _first_frame(
        self, request: ReportRequest, first_seen: datetime, last_before: LastBefore
    ) -> int:
        """The last frame before what is asked for: after the event's start and its first sight.

        With history: from the event's start, or from as far back as there is.
        """
        begins = request.since if request.history else max(request.since or first_seen, first_seen)
        if begins is None:
            return max(self._frames.oldest_seq() - 1, 0)
        return last_before(begins)


def _heir(
    ended: Sequence[TelemetryStream], asking: Iterable[TelemetryStream]
) -> TelemetryStream | None:
    """The open stream of another event that asks for the same and begins first."""
    gone = {stream.request.event_id for stream in ended}
    others = (stream for stream in asking if stream.request.event_id not in gone)
    return min(others, key=lambda each: each.first_frame, default=None)


def _restating(request: ReportRequest) -> Transition:
    return lambda now: now.restate(request)


def _skipping(seq: int) -> Transition:
    return lambda now: now.skip(seq)


def _handing_over(heir: TelemetryStream) -> Transition:
    return lambda now: now.hand_over(heir)


def _inheriting(successor: TelemetryStream) -> Transition:
    return lambda now: now.inherit(successor)


def _giving_away(successor: TelemetryStream) -> Transition:
    return lambda now: now.give_away(successor)
