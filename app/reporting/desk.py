"""ReportDesk: which readings are owed, and their delivery."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.fleet import for_each
from app.instants import from_us, to_us
from app.metering import Frame, FrameStore
from app.openadr import (
    Event,
    OutcomeUnknown,
    VtnClient,
    VtnError,
    VtnRejected,
    VtnUnauthorised,
    VtnUnavailable,
)
from app.reporting.ledger import InFlight, Position, Stream, StreamLedger, acknowledged
from app.reporting.render import RenderedReport, render
from app.reporting.requests import ReportRequest, requests_of
from app.reporting.values import Values, values_of
from app.stopping import Stopping

logger = logging.getLogger(__name__)

MOST_READINGS = 10_000
MOST_BYTES = 1 << 20
"""Of one report's body."""
LEAST_BYTES = 16 << 10
"""Smaller than this no body is made because a VTN found one too large."""
WINDOW_BYTES = 32 << 20
"""Of the frames that are held in memory at a time."""
SETTLE = timedelta(seconds=30)
"""How long a VTN may still be at work on a report after its answer was not seen."""
KEEP_UNASKED = timedelta(hours=1)


class _NotThereYet(OutcomeUnknown):
    """The report was not found in a way that would say that it is not at the VTN."""


@dataclass(frozen=True, kw_only=True)
class _Parcel:
    """A report that is about to be sent, with its stream as it stands meanwhile."""

    stream: Stream
    report: RenderedReport
    look_first: bool
    """Whether it may be at the VTN already."""


class ReportDesk:
    """Owes and delivers: per stream one report at a time, oldest readings first.

    Before reports are sent, their names and spans are stored; after any outcome that was not seen,
    a crash included, a report is looked up by its name before it is sent again (rules.md,
    'Reports'). A report that is refused for its content (400, 422) holds its stream and is sent
    again by the next delivery; it is not set aside yet. Safe for several threads; one delivery
    runs at a time.
    """

    def __init__(
        self,
        *,
        frames: FrameStore,
        ledger: StreamLedger,
        clock: Callable[[], datetime],
        stopping: Stopping,
        max_workers: int,
        settle: timedelta = SETTLE,
        most_readings: int = MOST_READINGS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._frames = frames
        self._ledger = ledger
        self._clock = clock
        self._stopping = stopping
        self._max_workers = max_workers
        self._settle = settle
        self._most_readings = most_readings
        self._most_bytes = most_bytes
        self._delivering = threading.Lock()
        self._followed: set[str] = set()
        self._said: Counter[str] = Counter()
        self._problem: str | None = None

    def follow(self, ven_name: str, events: Sequence[Event]) -> None:
        """From now on, owe what these events ask for, and nothing else."""
        wanted: dict[tuple[str, str], ReportRequest] = {}
        for event in events:
            for request in requests_of(event):
                if isinstance(request, ReportRequest):
                    wanted[request.event_id, request.descriptor] = request
                else:
                    self._say_once(f"event {event.event_id}: {request}")
        open_streams = self._ledger.of_ven(ven_name)
        ended = [
            stream
            for stream in open_streams
            if (stream.request.event_id, stream.request.descriptor) not in wanted
        ]
        for stream in ended:
            logger.info(
                "VEN %s: event %s no longer asks for %s; %d readings are not owed any more",
                ven_name,
                stream.request.event_id,
                stream.request.payload_type,
                self._owed([stream]),
            )
        self._ledger.end(ended)
        self._followed.add(ven_name)
        known = {(stream.request.event_id, stream.request.descriptor) for stream in open_streams}
        now = self._clock()
        for key, request in wanted.items():
            if key not in known and (request.since is None or request.since <= now):
                self._ledger.begin(ven_name, request, self._first_position(request))

    def waiting(self) -> int:
        """How many readings are owed and not acknowledged, over all streams."""
        return self._owed(self._ledger.streams())

    def _owed(self, streams: Sequence[Stream]) -> int:
        if not streams:
            return 0
        oldest = min(stream.cursor.seq for stream in streams)
        rosters = self._frames.rosters_since(oldest + 1)
        return sum(
            len(roster.names(stream.ven_name))
            for seq, roster in rosters
            for stream in streams
            if seq > stream.cursor.seq
        ) - sum(stream.cursor.column for stream in streams)

    def deliver(self, client_for: Callable[[str], VtnClient]) -> int:
        """Send what is due until nothing is left that can be sent; returns readings acknowledged.

        Returns when every report that it sent was answered or failed.
        """
        with self._delivering:
            began_s = time.perf_counter()
            held: dict[int, str] = {}
            readings = reports = 0
            while not self._stopping.is_set():
                parcels = self._next_parcels(held)
                if not parcels:
                    break
                done = self._send_all(parcels, client_for, held)
                readings += sum(parcel.report.readings for parcel in done)
                reports += sum(parcel.report.readings > 0 for parcel in done)
            if reports:
                logger.info(
                    "delivered %d readings in %d reports, %.2f s",
                    readings,
                    reports,
                    time.perf_counter() - began_s,
                )
            if not self._stopping.is_set():
                self._say_problem([problem for problem in held.values() if problem])
            self._forget_old_frames()
            return readings

    def _first_position(self, request: ReportRequest) -> Position:
        """Before the first frame that the event covers and the store still has."""
        if request.since is not None:
            return Position(self._frames.last_before(request.since))
        return Position(max(self._frames.oldest_seq() - 1, 0))

    def _next_parcels(self, held: dict[int, str]) -> list[_Parcel]:
        """The next report of each stream that is not held, stored as in flight."""
        streams = [stream for stream in self._ledger.streams() if stream.stream_id not in held]
        if not streams:
            return []
        first = min(stream.cursor.seq for stream in streams)
        frames = self._frames.since(first, most_bytes=WINDOW_BYTES)
        if not frames or frames[-1].seq <= first:
            return []
        parcels, changed = [], []
        for stream in streams:
            parcel = self._parcel(stream, frames)
            if parcel is None:
                # Nothing of this VEN in the window: on to the frames behind it.
                if stream.cursor.seq < frames[-1].seq and stream.in_flight is None:
                    changed.append(replace(stream, cursor=Position(frames[-1].seq)))
            else:
                parcels.append(parcel)
                changed.append(parcel.stream)
        self._ledger.change(changed)
        if not parcels and changed:
            return self._next_parcels(held)
        return parcels

    def _parcel(self, stream: Stream, frames: Sequence[Frame]) -> _Parcel | None:
        values = list(
            values_of(stream.request.quantity, stream.ven_name, frames, stream.cursor.seq)
        )
        values = [due for due in values if len(due.numbers)]
        if not values:
            return None
        if stream.in_flight is not None:
            return self._resumed(stream, stream.in_flight, values)
        most = self._most_readings
        through = self._through(stream, values, most)
        report = self._render(stream, values, through)
        while len(report.body) > self._most_bytes and most > 1:
            most = max(min(most, report.readings) // 2, 1)
            through = self._through(stream, values, most)
            report = self._render(stream, values, through)
        planned = InFlight(name=report.name, through=through, planned_us=to_us(self._clock()))
        return _Parcel(stream=replace(stream, in_flight=planned), report=report, look_first=False)

    def _resumed(
        self, stream: Stream, in_flight: InFlight, values: Sequence[Values]
    ) -> _Parcel | None:
        """The report that may be at the VTN, as it was; None while its frames are not at hand."""
        through = in_flight.through
        if values[-1].seq < through.seq:
            return None
        report = self._render(stream, values, through, name=in_flight.name)
        return _Parcel(stream=stream, report=report, look_first=True)

    def _through(self, stream: Stream, values: Sequence[Values], most: int) -> Position:
        """How far the next report of at most so many readings goes."""
        first = values[0]
        column = stream.cursor.column
        if column or len(first.numbers) > most:
            stop = column + most
            return (
                Position(first.seq)
                if stop >= len(first.numbers)
                else Position(stream.cursor.seq, stop)
            )
        through = first.seq
        for due in values:
            most -= len(due.numbers)
            if most < 0:
                break
            through = due.seq
        return Position(through)

    def _render(
        self,
        stream: Stream,
        values: Sequence[Values],
        through: Position,
        name: str | None = None,
    ) -> RenderedReport:
        """The report from the stream's cursor to there."""
        start = stream.cursor.column
        if start or through.column:
            # A part of one frame; the last part ends with the frame.
            due, columns = values[:1], slice(start, through.column or len(values[0].numbers))
        else:
            due = [each for each in values if each.seq <= through.seq]
            columns = slice(0, max(len(each.numbers) for each in due))
        return render(
            ven_name=stream.ven_name, request=stream.request, values=due, columns=columns, name=name
        )

    def _send_all(
        self,
        parcels: Sequence[_Parcel],
        client_for: Callable[[str], VtnClient],
        held: dict[int, str],
    ) -> list[_Parcel]:
        """Send them, remember each outcome, and hold the streams that cannot go on now."""
        outcomes = for_each(
            parcels,
            lambda parcel: self._send(parcel, client_for(parcel.stream.ven_name)),
            max_workers=self._max_workers,
            stopping=self._stopping,
        )
        tried = {parcel.stream.stream_id for parcel, _ in outcomes}
        done, changed = [], []
        for parcel, error in outcomes:
            if error is None:
                done.append(parcel)
                changed.append(acknowledged(parcel.stream))
                continue
            stream = self._after(parcel, error)
            changed.append(stream)
            if stream.in_flight is None and self._made_smaller(error):
                continue
            held[stream.stream_id] = f"VEN {stream.ven_name}: {error}"
        for parcel in parcels:
            if parcel.stream.stream_id not in tried:
                held[parcel.stream.stream_id] = ""
                if not parcel.look_first:
                    changed.append(replace(parcel.stream, in_flight=None))
        self._ledger.change(changed)
        self._ledger.end([stream for stream in changed if stream.reports_left == 0])
        return done

    def _after(self, parcel: _Parcel, error: VtnError) -> Stream:
        """The stream after this error: in flight while its report may be at the VTN."""
        stream = parcel.stream
        if stream.in_flight is not None and isinstance(error, OutcomeUnknown):
            if isinstance(error, _NotThereYet):
                return stream
            since_us = to_us(self._clock())
            return replace(stream, in_flight=replace(stream.in_flight, planned_us=since_us))
        refused = isinstance(error, VtnRejected | VtnUnauthorised) and not _conflict(error)
        not_sent = isinstance(error, VtnUnavailable) and not parcel.look_first
        # It is not at the VTN, and may be made anew; of anything else that is not known.
        return replace(stream, in_flight=None) if refused or not_sent else stream

    def _made_smaller(self, error: VtnError) -> bool:
        """Whether the body was too large, and the next ones are smaller (rules.md, 'Reports')."""
        if not isinstance(error, VtnRejected) or error.body_bytes <= LEAST_BYTES:
            return False
        if error.status == 413 or (error.status == 400 and error.body_bytes > 256 << 10):
            self._most_bytes = max(min(self._most_bytes, error.body_bytes) // 2, LEAST_BYTES)
            logger.info("reports are made smaller: at most %d bytes", self._most_bytes)
            return True
        return False

    def _send(self, parcel: _Parcel, client: VtnClient) -> None:
        """Return once the VTN has it; VtnError otherwise."""
        in_flight = parcel.stream.in_flight
        if in_flight is None or parcel.report.readings == 0:
            return
        if parcel.look_first:
            if self._is_there(parcel, client):
                return
            age = self._clock() - from_us(in_flight.planned_us)
            if timedelta(0) <= age < self._settle:
                raise _NotThereYet(
                    f"report {in_flight.name} is not at the VTN yet; it is looked for again"
                )
        try:
            client.post_report(parcel.report.body)
        except (OutcomeUnknown, VtnRejected) as error:
            if isinstance(error, VtnRejected) and error.status != 409:
                raise
            try:
                there = self._is_there(parcel, client)
            except VtnError:
                there = False  # what is not known stays in flight
            if not there:
                raise

    def _is_there(self, parcel: _Parcel, client: VtnClient) -> bool:
        """Look the report up by its name; a refusal of that tells nothing about the report."""
        try:
            reports = client.reports(parcel.stream.request.event_id)
            return any(report.report_name == parcel.report.name for report in reports)
        except (VtnRejected, VtnUnauthorised) as error:
            raise _NotThereYet(
                f"report {parcel.report.name} cannot be looked up: {error}"
            ) from None

    def _forget_old_frames(self) -> None:
        """Remove the frames that every cursor has passed; keep what nobody asks for an hour."""
        frames = self._frames.last()
        if frames is None:
            return
        streams = self._ledger.streams()
        asked = {stream.ven_name for stream in streams}
        unasked = [name for name in frames.roster.ven_names if name not in asked]
        if any(name not in self._followed for name in unasked):
            return  # what some VEN is asked is not known yet
        for ven_name in unasked:
            self._say_once(
                f"VEN {ven_name}: no event asks for its readings; they are kept for an hour"
            )
        before = self._clock() - KEEP_UNASKED if unasked else frames.taken_at
        floor = min((stream.cursor.seq for stream in streams), default=frames.seq)
        self._frames.prune(before_seq=floor, before=before)

    def _say_once(self, line: str) -> None:
        self._said[line] += 1
        if self._said[line] == 1:
            logger.info("%s", line)

    def _say_problem(self, problems: Sequence[str]) -> None:
        """Log when deliveries begin to fail, for another reason, or are well again."""
        problem = problems[0] if problems else None
        if problem is not None and problem != self._problem:
            logger.warning("%d reports are not delivered and stay owed: %s", len(problems), problem)
        elif problem is None and self._problem is not None:
            logger.info("reports are delivered again")
        self._problem = problem


def _conflict(error: VtnError) -> bool:
    return isinstance(error, VtnRejected) and error.status == 409
