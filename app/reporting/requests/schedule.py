"""When reports are due, and which intervals each covers (User Guide 7.5; openadr.md, 'Reports')."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from app.openadr import Interval, Timeline
from app.platform import from_us, to_us

MAX_INTERVALS = 100_000
"""That an implied timeline with an end is counted to."""
MAX_INTERVALS_PER_REPORT = 10_000
"""Intervals in one report."""
MAX_EMPTY_PASSES = 1_000
"""Passes without a report, one after the other, before it is believed that there is none."""
MAX_LAID_OUT = 100_000
"""Intervals in all reports of an event that ends, or in those of one pass of one that does not."""


@dataclass(frozen=True, kw_only=True)
class DueReport:
    """One report of a plan."""

    due: datetime
    intervals: tuple[Interval, ...]
    key: int
    """`due` in microseconds since 1970, made unique: rising from report to report."""

    @property
    def begins(self) -> datetime:
        """The start of the earliest interval; they need not be in order."""
        return min(interval.start for interval in self.intervals)


class ReportSchedule:
    """The reports that one report descriptor asks for.

    From `start_interval`, or the last ones where it is -1, each covers `num_intervals` (-1: all)
    and begins `frequency` intervals after the one before. A historical one is due when the last
    interval that it covers is over, a forecast when its first one begins. In an event that loops,
    `repeat` counts the reports of one pass, and each pass is reported: 'loop reports' and 'repeat
    reports' are two rows of the User Guide's table 7.5-1; -1 goes on over the passes. ValueError
    where that is more than anybody can want.
    """

    def __init__(
        self,
        *,
        timeline: Timeline,
        implied: bool,
        start_interval: int,
        num_intervals: int,
        frequency: int,
        repeat: int,
        historical: bool,
    ) -> None:
        self._timeline = timeline
        self._historical = historical
        self._repeat = repeat
        self._next: tuple[int, DueReport | None] | None = None
        self._endless = timeline.loops
        self._count = timeline.count
        self._per_pass = timeline.loops and not implied
        if implied and timeline.end is not None:
            self._endless, self._count = False, _counted(timeline)
        one_by_one = implied and self._endless
        all_of_it = 1 if one_by_one else self._count
        self._to_the_end = num_intervals <= 0 and not one_by_one
        self._length = num_intervals if num_intervals > 0 else all_of_it
        if start_interval >= 0:
            self._first = start_interval
        else:
            self._first = max(all_of_it - self._length, 0)
        self._shift = frequency if frequency > 0 else self._length
        needed = self._first + self._shift * max(repeat, 1) + self._length
        if one_by_one and repeat >= 0 and needed <= MAX_INTERVALS:
            self._endless, self._count = False, needed
        covered = self._length if self._endless else min(self._length, self._count)
        laid_out = covered * (self._count // self._shift + 1)
        farthest = max(self._first, self._shift) if self._endless else 0
        if (
            covered > MAX_INTERVALS_PER_REPORT
            or farthest > MAX_INTERVALS
            or laid_out > MAX_LAID_OUT
        ):
            raise ValueError("more intervals than a report can hold")
        if self._per_pass and self._first >= self._count:
            raise ValueError("no interval has that number")

    def after(self, key: int) -> Iterator[DueReport]:
        """The reports whose key is above this one, in rising order; perhaps without end."""
        if not self._endless:
            yield from (report for report in self._finite if report.key > key)
            return
        round_ = max(self._pass_of(key) - self._latest_due, 0)
        last = key
        empty = 0
        while empty <= MAX_EMPTY_PASSES:
            reports = self._of_pass(round_)
            if reports is None:
                return
            empty = 0 if reports else empty + 1
            for report in reports:
                if report.key > last:
                    last = report.key
                    yield report
            round_ = max(round_ + 1, self._first_from(round_ + 1) // self._count)

    def next_after(self, key: int) -> DueReport | None:
        """The first of these; None: there is none. Kept until it is asked for another key's."""
        known = self._next
        if known is None or known[0] != key:
            known = self._next = key, next(self.after(key), None)
        return known[1]

    def latest(self, instant: datetime) -> DueReport | None:
        """The last report that is due by this instant; None if there is none yet."""
        limit = to_us(instant)
        if not self._endless:
            return _latest_of(self._finite, limit)
        last = self._pass_of(limit)
        # Where most passes are without a report, one has to look farther back for it.
        begin = last - self._latest_due - self._apart // self._count - 1
        found = _latest_of(self._between(begin, last - self._earliest_due), limit)
        # An event may end before the last interval that its first report would cover.
        return found or _latest_of(self._of_pass(self._first // self._count) or (), limit)

    def _between(self, round_: int, last: int) -> Iterator[DueReport]:
        """The reports of these passes."""
        round_ = max(round_, 0)
        while round_ <= last:
            yield from self._of_pass(round_) or ()
            round_ = max(round_ + 1, self._first_from(round_ + 1) // self._count)

    def _first_from(self, round_: int) -> int:
        """The number of the first interval of the first report in this pass or a later one."""
        begin = round_ * self._count
        if self._per_pass and self._repeat >= 0:
            return begin
        return self._first + max(-(-(begin - self._first) // self._shift), 0) * self._shift

    @property
    def _apart(self) -> int:
        """How many intervals at most lie between a report's first one and that of the next."""
        return self._count if self._per_pass and self._repeat >= 0 else self._shift

    @property
    def _latest_due(self) -> int:
        """A report is due at most so many passes after the one in which its first interval is."""
        return self._length // self._count + 1 if self._historical else 1

    @property
    def _earliest_due(self) -> int:
        """And at least so many."""
        added = self._length - self._apart
        return max(added // self._count - 1, 0) if self._historical else 0

    def _pass_of(self, key: int) -> int:
        """The pass that a key falls into; the last one for all keys after the event."""
        end = self._timeline.end
        if end is not None:
            key = min(key, to_us(end))
        if key <= to_us(self._timeline.start):
            return 0
        return self._timeline.pass_at(from_us(key))

    @cached_property
    def _finite(self) -> Sequence[DueReport]:
        """All reports of an event that ends."""
        firsts = range(self._first, self._count, self._shift)
        if self._repeat >= 0:
            firsts = firsts[: max(self._repeat, 1)]
        return self._made(firsts)

    def _of_pass(self, round_: int) -> Sequence[DueReport] | None:
        """The reports whose first interval lies in this pass; None: there is no such pass."""
        if not self._timeline.of_pass(round_):
            return None
        begin, end = round_ * self._count, (round_ + 1) * self._count
        most = max(self._repeat, 1)
        if self._repeat < 0:
            firsts = range(self._first_from(round_), end, self._shift)
        elif self._per_pass:
            firsts = range(begin + self._first, end, self._shift)[:most]
        else:
            last = self._first + most * self._shift
            firsts = range(self._first_from(round_), min(end, last), self._shift)
        return self._made([first for first in firsts if self._says_something_new(first)])

    def _says_something_new(self, first: int) -> bool:
        """Whether it covers an interval that the report `_apart` before it does not.

        Towards an event's end the intervals run out, and reports would repeat the last ones: as
        many as one covers. A forecast may repeat them, since it is made again. Within a pass,
        `_made` sees to it.
        """
        before = first - self._apart
        if not self._historical or self._to_the_end or before < self._first:
            return True
        added = range(max(before + self._length, first), first + self._length)
        return any(self._timeline.interval(number) is not None for number in added)

    def _made(self, firsts: Sequence[int]) -> Sequence[DueReport]:
        made: list[tuple[datetime, tuple[Interval, ...]]] = []
        covered = -1
        for first in firsts:
            intervals = self._window(first)
            if not intervals:
                continue
            due = self._due(intervals)
            if due is None or (self._historical and intervals[-1].number <= covered):
                continue  # it never ends, or says nothing new
            covered = intervals[-1].number
            made.append((due, intervals))
        reports: list[DueReport] = []
        last: int | None = None
        for due, intervals in sorted(made, key=lambda each: (each[0], each[1][0].number)):
            key = to_us(due) if last is None else max(to_us(due), last + 1)
            last = key
            reports.append(DueReport(due=due, intervals=intervals, key=key))
        return reports

    def _window(self, first: int) -> tuple[Interval, ...]:
        last = first + self._length
        if self._to_the_end:
            last = (first // self._count + 1) * self._count
        if not self._endless:
            last = min(last, self._count)
        intervals = (self._timeline.interval(number) for number in range(first, last))
        return tuple(interval for interval in intervals if interval is not None)

    def _due(self, intervals: Sequence[Interval]) -> datetime | None:
        """None: never, since one of them has no end."""
        if not self._historical:
            return min(interval.start for interval in intervals)
        latest = intervals[0].start
        for interval in intervals:
            if interval.end is None:
                return None
            latest = max(latest, interval.end)
        return latest


def _latest_of(reports: Iterable[DueReport], limit: int) -> DueReport | None:
    """The last one whose key is not above this one."""
    past = (report for report in reports if report.key <= limit)
    return max(past, key=lambda each: each.key, default=None)


def _counted(timeline: Timeline) -> int:
    """How many intervals an implied timeline has."""
    low, high = 0, 1
    while high < MAX_INTERVALS and timeline.interval(high) is not None:
        low, high = high, high * 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if timeline.interval(middle) is not None else (low, middle)
    return low + 1
