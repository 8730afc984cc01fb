"""The timeline of an event: absolute intervals, made when they are looked at.

Pure: an event, the instant at which its VEN first saw it, and a draw for randomizeStart decide all
of it (User Guide 7.3, 7.4; openadr.md, 'Time').
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.openadr.intervals import NO_PASS, Interval, Pass
from app.openadr.times import YEAR_1, IntervalPeriod, WireDuration
from app.openadr.wire import Event, EventInterval

FOREVER = WireDuration(infinite=True)
NOTHING = WireDuration()
Draw = Callable[[int], float]
"""For an interval's place in the event: a number from -1 to 1, always the same one."""


class Timeline:
    """The intervals of one event for one VEN. Looking twice gives the same answer."""

    def __init__(self, event: Event, *, first_seen: datetime, draw: Draw) -> None:
        self._event = event
        self._draw = draw
        self.count = len(event.intervals)
        """How many intervals one pass has."""
        self._begin = _first_start(event, first_seen)
        self._offset = self._first_offset()
        self._step: WireDuration | None = None
        self.start = _shifted(self._begin, self._offset)
        """When the first interval begins; of an event without intervals, when it begins itself."""
        self._first = self._laid_out(self.start)
        self._end_of_pass = self._pass_end(self._first)
        limit = event.duration if event.duration else None
        self._ends = None if limit is None else limit.after(self.start)
        self.loops = (
            limit is not None
            and self._end_of_pass is not None
            and self._end_of_pass > self.start
            and (self._ends is None or self._ends > self._end_of_pass)
        )
        """Whether the intervals begin again when they are over (event.duration)."""
        self._step = self._step_of_passes()
        if self._step is not None and self._step.months:
            self._first = self._laid_out(self.start)  # by the calendar, as all passes
        self._passes: Mapping[int, Pass] = {0: Pass(self._cut(self._first))}
        """The one that was looked at last, and the one after it."""

    @property
    def end(self) -> datetime | None:
        """When the event is over; None: never, or not before it is deleted."""
        if not self.count or self.loops:
            return self._ends
        if self._ends is None or self._end_of_pass is None:
            return self._ends or self._end_of_pass
        return min(self._ends, self._end_of_pass)

    def interval(self, number: int) -> Interval | None:
        """The interval of this number; None where the event has none."""
        if number < 0 or not self.count:
            return None
        round_, place = divmod(number, self.count)
        intervals = self.of_pass(round_)
        if place < len(intervals) and intervals[place].number == number:
            return intervals[place]
        return next((interval for interval in intervals if interval.number == number), None)

    def of_pass(self, round_: int) -> Sequence[Interval]:
        """The intervals of one pass, as many as begin before the event is over."""
        return self._pass(round_).intervals

    def _pass(self, round_: int) -> Pass:
        if round_ and not self.loops:
            return NO_PASS
        found = self._passes.get(round_)
        if found is None:
            begins = self._begin_of_pass(round_)
            if begins is None:
                return NO_PASS
            found = Pass(self._cut(self._laid_out(begins, round_) if round_ else self._first))
            near = {
                number: each for number, each in self._passes.items() if abs(number - round_) == 1
            }
            self._passes = {**near, round_: found}
        return found

    def pass_at(self, instant: datetime) -> int:
        """The pass that an instant falls into; 0 before the start, and where nothing loops."""
        if not self.loops or self._end_of_pass is None or instant <= self.start:
            return 0
        guess = int((instant - self.start) / (self._end_of_pass - self.start))
        if self._step is None or not self._step.months:
            return guess
        # Months differ in length: the guess is near.
        while guess and not _not_after(self._begin_of_pass(guess), instant):
            guess -= 1
        while _not_after(self._begin_of_pass(guess + 1), instant):
            guess += 1
        return guess

    def at(self, instant: datetime) -> list[Interval]:
        """The intervals that hold at this instant, in the event's order."""
        return self._pass(self.pass_at(instant)).at(instant)

    def next_change(self, instant: datetime) -> datetime | None:
        """The first instant above this one at which something else may hold; None: never."""
        round_ = self.pass_at(instant)
        one, other = (self._pass(each).next_change(instant) for each in (round_, round_ + 1))
        return _earlier(one, other)

    def asks_until(self, instant: datetime, *, horizon: timedelta) -> datetime | None:
        """Until when something is asked without a gap, from an instant on at which something is;
        None: for ever. Where that lies beyond the horizon, an instant beyond it."""
        until, round_ = instant, self.pass_at(instant)
        while until <= instant + horizon:
            begins = self._begin_of_pass(round_) if round_ else None
            over = self._begin_of_pass(round_ + 1) if self.loops else None
            intervals = [each for each in self.of_pass(round_) if each.payloads]
            for interval in sorted(intervals, key=lambda each: each.start):
                # What is not in order may lie outside of its own pass, where it does not hold.
                start = interval.start if begins is None else max(interval.start, begins)
                end = _earlier(interval.end, over)
                if start > until:
                    return until
                if end is None:
                    return None
                until = max(until, end)
            if not intervals:
                break
            round_ += 1
        return until

    def _first_offset(self) -> timedelta:
        own = self._event.intervals[0].period if self._event.intervals else None
        most = own.randomize if own else timedelta(0)
        if not most and self._event.period:
            most = self._event.period.randomize
        return most * self._draw(0) if most else timedelta(0)

    def _step_of_passes(self) -> WireDuration | None:
        """What lies between two passes: by the calendar where the intervals follow on."""
        if not self.loops or self._end_of_pass is None:
            return None
        durations = [self._duration(interval) or NOTHING for interval in self._event.intervals]
        follow_on = all(_follows(interval) for interval in self._event.intervals[1:])
        if follow_on and any(duration.months for duration in durations):
            return _sum(durations)
        return WireDuration(rest=self._end_of_pass - self.start)

    def _begin_of_pass(self, round_: int) -> datetime | None:
        """None: after the last year there is."""
        if not round_ or self._step is None:
            return self.start
        return self._step.after(self.start, round_)

    def _duration(self, interval: EventInterval) -> WireDuration | None:
        """None: nothing says how long it lasts."""
        default = self._event.period.duration if self._event.period else None
        own = interval.period.duration if interval.period else None
        return own or default or (default if own is None else own)

    def _is_endless(self, interval: Interval) -> bool:
        return self._duration(self._event.intervals[interval.number % self.count]) is None

    def _laid_out(self, begins: datetime, round_: int = 0) -> list[Interval]:
        """One pass whose first interval begins there."""
        moved = begins - self.start
        offset = self._offset
        made: list[Interval] = []
        start: datetime | None = begins
        step = self._step or NOTHING
        passed = WireDuration(months=step.months * round_, rest=step.rest * round_)
        for place, interval in enumerate(self._event.intervals):
            if place and not _follows(interval):
                period = interval.period or IntervalPeriod()
                if period.randomize:
                    offset = period.randomize * self._draw(place)
                start = _shifted(_shifted(period.start or self._begin, moved), offset)
            passed = _sum([passed, self._duration(interval) or NOTHING])
            if start is None:
                continue  # the one before it never ends, and this one is to follow it
            end = self._end_of(interval, start, passed)
            made.append(
                Interval(
                    number=round_ * self.count + place,
                    interval_id=interval.interval_id,
                    start=start,
                    end=end,
                    payloads=interval.payloads,
                    written_end=end,
                )
            )
            start = end
        return _lasting_to_the_next(made, self._is_endless)

    def _end_of(
        self, interval: EventInterval, start: datetime, passed: WireDuration
    ) -> datetime | None:
        """`passed`: all durations from the first pass on, to the end of this interval."""
        duration = self._duration(interval)
        if duration is None:
            return None
        if self._step is None or not self._step.months:
            return duration.after(start)
        # Months differ in length: counted from the first pass on, so that passes meet.
        return passed.after(self.start)

    def _pass_end(self, intervals: Sequence[Interval]) -> datetime | None:
        """When all of these are over; None: one never ends, or there is none."""
        latest: datetime | None = None
        for interval in intervals:
            if interval.end is None:
                return None
            latest = interval.end if latest is None else max(latest, interval.end)
        return latest

    def _cut(self, intervals: Sequence[Interval]) -> list[Interval]:
        """What event.duration leaves of these."""
        ends = self._ends
        if ends is None:
            return list(intervals)
        return [
            interval
            if interval.end is not None and interval.end <= ends
            else replace(interval, end=ends)
            for interval in intervals
            if interval.start < ends
        ]


def lasts_untold(event: Event) -> bool:
    """Whether nothing says how long some interval lasts: not itself, no default, not the event."""
    if event.duration or (event.period is not None and event.period.duration is not None):
        return False
    return any(
        interval.period is None or interval.period.duration is None for interval in event.intervals
    )


def implied_timeline(event: Event, *, first_seen: datetime, draw: Draw) -> Timeline | None:
    """The intervals that an event without any implies by its intervalPeriod (User Guide 7.5).

    None where there are none: no duration, or one without end.
    """
    duration = event.period.duration if event.period else None
    if event.intervals or not duration or duration.infinite:
        return None
    one = replace(
        event, intervals=(EventInterval(interval_id=0),), duration=event.duration or FOREVER
    )
    return Timeline(one, first_seen=first_seen, draw=draw)


def _first_start(event: Event, first_seen: datetime) -> datetime:
    """Year 1 is literal for the event; for the first interval it is 'as the event', or 'now'."""
    own = event.intervals[0].period if event.intervals else None
    if own and own.start and own.start != YEAR_1:
        return own.start
    if event.period and event.period.start:
        return event.period.start
    return first_seen


def _lasting_to_the_next(
    made: list[Interval], is_endless: Callable[[Interval], bool]
) -> list[Interval]:
    """Those without any duration end where the next one begins that has a start of its own."""
    if not any(map(is_endless, made)):
        return made
    starts = sorted(interval.start for interval in made)

    def until_the_next(interval: Interval) -> Interval:
        place = bisect_right(starts, interval.start)
        end = starts[place] if place < len(starts) else None
        return replace(interval, end=end, written_end=end)

    return [until_the_next(interval) if is_endless(interval) else interval for interval in made]


def _sum(durations: Sequence[WireDuration]) -> WireDuration:
    if any(duration.infinite for duration in durations):
        return FOREVER
    return WireDuration(
        months=sum(duration.months for duration in durations),
        rest=sum((duration.rest for duration in durations), timedelta(0)),
    )


def _follows(interval: EventInterval) -> bool:
    """Whether an interval begins when the one before it ends."""
    start = interval.period.start if interval.period else None
    return start is None or start == YEAR_1


def _shifted(instant: datetime, offset: timedelta) -> datetime:
    """Later by the offset; the ends of the calendar stay where they are."""
    try:
        return instant + offset
    except OverflowError:
        return instant


def _not_after(instant: datetime | None, other: datetime) -> bool:
    return instant is not None and instant <= other


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """None is never."""
    return min((each for each in (one, other) if each is not None), default=None)
