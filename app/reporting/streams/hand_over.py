"""How several streams that ended hand over to one event."""

from __future__ import annotations

from collections.abc import Iterable

from app.reporting.streams.stream import TelemetryStream

Shares = list[tuple[TelemetryStream, TelemetryStream]]
"""A stream that ended, and the other event's as it is when it is given something (`hand_over`)."""


def hand_overs(
    ended: Iterable[TelemetryStream], to: TelemetryStream
) -> tuple[Shares, list[TelemetryStream]]:
    """How ended streams of one descriptor hand over to one event, which gets no value twice.

    What each gives, in their order; and what the event takes over (`inherit`).
    """
    shares: Shares = []
    taken: list[TelemetryStream] = []
    for stream in sorted(ended, key=lambda each: each.acked_frame):
        left = stream
        while left.owes:
            shares.append((stream, to))
            left, successor = left.hand_over(to)
            if successor is not None:
                taken.append(successor)
                to = to.inherit(successor)
    return shares, taken
