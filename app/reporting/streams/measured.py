"""A stream of what real meters measure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import cast

from app.reporting.streams.spans import FramePosition
from app.reporting.streams.stream import FramesInFlight, TelemetryStream

BEGINNING = FramePosition(0)
NO_FRAME = 1 << 62
"""Above the number of every frame."""


@dataclass(frozen=True, kw_only=True)
class MeasuredStream(TelemetryStream):
    """A VEN reports what its real meters measure, one by one.

    Its positions are those of measurements in the order in which they came (`ArrivalLog`): all that
    came up to a number, and so many readings of what came next. A second cursor follows it, for
    what corrects measurements after they were told.
    """

    corrected_through: FramePosition = BEGINNING
    """What corrects something is told, as far as it came up to there."""
    told: tuple[int, ...] = ()
    """The numbers to which its reports went, or it went without one, rising: from the last one that
    `corrected_through` has passed."""

    @property
    def needs_frames_after(self) -> int:
        """It has no use for frames."""
        return NO_FRAME

    @property
    def needs_arrivals_after(self) -> int:
        """It has no use for what came up to this number."""
        return min(self.acked_frame.seq, self.corrects_after.seq)

    @property
    def corrects_after(self) -> FramePosition:
        """What corrects something and came up to there is told, or is not this stream's."""
        return max(self.corrected_through, FramePosition(self.first_frame))

    @property
    def is_correcting(self) -> bool:
        """Whether a correction is in flight."""
        return self.in_flight is not None and self.in_flight.is_correction

    def has_passed(self, flying: FramesInFlight) -> bool:
        """Whether a report is settled: only that was lost."""
        if flying.is_correction:
            return flying.through <= self.corrects_after
        return super().has_passed(flying)

    def was_told(self, seq: int, *, before: int) -> bool:
        """Whether what came first with a number was told before another one came."""
        if not self.first_frame < seq <= self.acked_frame.seq:
            return False
        place = bisect_left(self.told, seq)
        end = self.told[place] if place < len(self.told) else self.acked_frame.seq
        return end < before

    def advance(self, to: FramePosition) -> MeasuredStream:
        """Without a report: nothing of the VEN is to be told up to there."""
        if to <= self.acked_frame:
            return self
        return replace(self, acked_frame=to, told=(*self.told, to.seq))

    def pass_corrections(self, to: FramePosition) -> MeasuredStream:
        """What corrects something and came up to there is told, or there is nothing."""
        corrected = max(self.corrects_after, to)
        kept = max(bisect_right(self.told, corrected.seq) - 1, 0)
        return replace(self, corrected_through=corrected, told=self.told[kept:])

    def _passed(self, name: str, *, at_us: int, sent: bool) -> MeasuredStream:
        flying = self.in_flight
        if flying is not None and flying.name == name and flying.is_correction:
            passed = replace(
                self,
                in_flight=None,
                reports_sent=self.reports_sent + sent,
                last_report=name if sent else self.last_report,
            )
            return passed.pass_corrections(flying.through)
        after = cast(MeasuredStream, super()._passed(name, at_us=at_us, sent=sent))
        ends = after.acked_frame
        if ends == self.acked_frame or ends.column:
            return after
        return replace(after, told=(*self.told, ends.seq))
