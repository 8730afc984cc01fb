"""How several streams that ended hand over to one event."""

from __future__ import annotations

from collections.abc import Iterable

from app.reporting.streams.stream import TelemetryStream


def hand_overs(
    ended: Iterable[TelemetryStream], to: TelemetryStream
) -> tuple[list[tuple[TelemetryStream, int]], int]:
    """How ended streams of one descriptor hand over to one event, which gets no value twice.

    Each with the number up to which others have handed over before (`hand_over`), in their order;
    and the number above which the event then has every frame (`inherit`).
    """
    shares: list[tuple[TelemetryStream, int]] = []
    covered_from = covered = 0
    for stream in sorted(ended, key=lambda each: each.acked_frame):
        shares.append((stream, covered))
        last = min(stream.last_frame or 0, to.first_frame)
        if last > max(covered, stream.acked_frame.seq):
            if stream.acked_frame.seq > covered or not covered:  # there is a gap before it
                covered_from = stream.acked_frame.seq + bool(stream.acked_frame.column)
            covered = last
    return shares, covered_from if covered >= to.first_frame else to.first_frame
