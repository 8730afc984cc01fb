"""What frames come to over spans that events set: integrals, means, peaks, and their quality."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from app.control import Span
from app.readings import Frame, Roster
from app.reporting.content.instant import ESTIMATED, MAX_GAP, MISSING, OK

Floats = npt.NDArray[np.float64]
TOLERANCE = timedelta(seconds=1)


@dataclass(kw_only=True)
class SpanSum:
    """What was measured in one span, one array element per column of `roster`.

    The power between two readings is taken as linear, also at the ends of the span, so that parts
    add up to the whole.
    """

    start: datetime
    end: datetime
    columns: slice
    """Which columns of the roster are looked at."""
    roster: Roster
    energy_kwh: Floats
    baseline_kwh: Floats
    hours: Floats
    """How much of the span was measured."""
    peak_kw: Floats
    """NaN: nothing was measured."""
    has_gap: bool = False
    last: Frame | None = None
    """The last frame in the span; its end is not in it."""

    @property
    def quality(self) -> npt.NDArray[np.object_]:
        """DATA_QUALITY of what lies between readings, one word per column."""
        whole = (self.end - self.start - TOLERANCE) / timedelta(hours=1)
        words = np.full(len(self.hours), ESTIMATED, dtype=object)
        if not self.has_gap:
            words[self.hours >= whole] = OK
        words[self.hours <= 0] = MISSING
        return words


@dataclass(kw_only=True)
class SpanSums:
    """Sums over several spans in one sweep through the frames, without what real meters measure.

    `spans`: each with the VEN whose columns it needs, or None for all of the fleet's.
    """

    spans: Sequence[tuple[Span, str | None]]
    done: list[list[SpanSum]] = field(init=False)
    """By span: one sum, and one more for each time that the fleet changed within it."""

    def __post_init__(self) -> None:
        self.done = [[] for _ in self.spans]

    def sweep(self, windows: Iterable[Sequence[Frame]]) -> SpanSums:
        """Add up; each window begins with the last frame of the one before."""
        for window in windows:
            start = 0
            for number in range(1, len(window) + 1):
                changed = number < len(window) and (
                    window[number].roster is not window[number - 1].roster
                )
                if changed or number == len(window):
                    frames = list(window[start:number])
                    before = None
                    if start:  # what lies between the last frame of one fleet and this one
                        before = window[start - 1].on(frames[0].roster)
                    self._add(frames, before)
                    start = number
        return self

    def _add(self, taken: Sequence[Frame], before: Frame | None = None) -> None:
        """Frames of one roster; `before`: the one before them, moved to it."""
        frames = taken if before is None else [before, *taken]
        power = np.stack([frame.simulated_kw for frame in frames])
        base = (
            power
            if all(frame.detail.baseline_kw is None for frame in frames)
            else np.stack([frame.baseline_kw for frame in frames])
        )
        for number, ((start, end), ven_name) in enumerate(self.spans):
            if frames[-1].taken_at < start or frames[0].taken_at >= end:
                continue
            made = self._sum(number, start, end, ven_name, frames[0].roster)
            self._add_to(made, frames, power, base, real=taken)

    def _sum(
        self, number: int, start: datetime, end: datetime, ven_name: str | None, roster: Roster
    ) -> SpanSum:
        sums = self.done[number]
        if not sums or sums[-1].roster is not roster:
            columns = slice(0, roster.size) if ven_name is None else roster.columns(ven_name)
            width = columns.stop - columns.start
            sums.append(
                SpanSum(
                    start=start,
                    end=end,
                    columns=columns,
                    roster=roster,
                    energy_kwh=np.zeros(width),
                    baseline_kwh=np.zeros(width),
                    hours=np.zeros(width),
                    peak_kw=np.full(width, np.nan),
                )
            )
        return sums[-1]

    def _add_to(
        self,
        made: SpanSum,
        frames: Sequence[Frame],
        power: npt.NDArray[np.float32],
        base: npt.NDArray[np.float32],
        *,
        real: Sequence[Frame],
    ) -> None:
        times = np.array([(frame.taken_at - made.start).total_seconds() for frame in frames])
        length_s = (made.end - made.start).total_seconds()
        first = max(int(np.searchsorted(times, 0.0, side="right")) - 1, 0)
        last = min(int(np.searchsorted(times, length_s, side="left")), len(times) - 1)
        inside = [frame for frame in real if made.start <= frame.taken_at < made.end]
        if inside:
            made.last = inside[-1]
        at = np.clip(times[first : last + 1], 0.0, length_s)
        powers = _cut(times, power[first : last + 1, made.columns], first, last, length_s)
        inner = (times[first : last + 1] >= 0) & (times[first : last + 1] < length_s)
        peaks = powers[inner] if inner.any() else powers[:0]
        if len(at) >= 2:
            hours = np.diff(at) / 3600
            bases = (
                powers
                if base is power
                else _cut(times, base[first : last + 1, made.columns], first, last, length_s)
            )
            segments = (powers[:-1] + powers[1:]) / 2 * hours[:, None]
            measured = ~np.isnan(segments)
            made.energy_kwh += np.where(measured, segments, 0).sum(axis=0)
            base_segments = (bases[:-1] + bases[1:]) / 2 * hours[:, None]
            made.baseline_kwh += np.where(measured, base_segments, 0).sum(axis=0)
            made.hours += np.where(measured, hours[:, None], 0).sum(axis=0)
            if np.diff(times[first : last + 1]).max() > MAX_GAP.total_seconds():
                made.has_gap = True
            peaks = powers
        for row in peaks:
            made.peak_kw = np.fmax(made.peak_kw, row)


def _cut(
    times: Floats, powers: npt.NDArray[np.float32], first: int, last: int, length_s: float
) -> Floats:
    """The powers, with those at the ends of the span where frames lie outside of it."""
    cut = powers.astype(np.float64)
    if last > first:
        begin, end = times[first], times[first + 1]
        if begin < 0 < end or (begin < 0 and end == 0):
            cut[0] = powers[0] + (powers[1] - powers[0]) * ((0 - begin) / (end - begin))
        begin, end = times[last - 1], times[last]
        if end > length_s:
            share = (length_s - begin) / (end - begin)
            cut[-1] = powers[-2] + (powers[-1].astype(np.float64) - powers[-2]) * share
    return cut
