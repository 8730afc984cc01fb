"""Which frames are still needed: the one place that retention asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.reporting.streams.measured import MeasuredStream
from app.reporting.streams.rows import AnyStream


@dataclass(frozen=True, kw_only=True)
class FrameNeeds:
    """By VEN, what its streams need of the log of readings; a VEN that is not named needs nothing.

    A frame is needed as long as its number is above `after` of any VEN in it.
    """

    asked: frozenset[str] = frozenset()
    """The VENs whose readings an event asks for now."""
    after: dict[str, int] = field(default_factory=dict)
    """None of a VEN's streams has a use for the frames up to this number."""
    arrivals_after: int | None = None
    """Nobody has a use for the measurements that came up to this number; None: nor for others."""
    in_flight: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """The reports that may be at the VTN, which are made again of the same readings: each of the
    frames above a number, up to another one."""

    @classmethod
    def of(cls, streams: Iterable[AnyStream]) -> FrameNeeds:
        """What these streams need, ended ones that still owe something included."""
        asked: set[str] = set()
        after: dict[str, int] = {}
        in_flight: dict[str, list[tuple[int, int]]] = {}
        arrivals: list[int] = []
        for stream in streams:
            if not stream.owes:
                continue
            name, needs = stream.ven_name, stream.needs_frames_after
            if stream.is_open:
                asked.add(name)
            if isinstance(stream, MeasuredStream):
                arrivals.append(stream.needs_arrivals_after)
                continue
            after[name] = min(after.get(name, needs), needs)
            if stream.in_flight is not None:
                in_flight.setdefault(name, []).append((needs, stream.in_flight.last_frame))
        return cls(
            asked=frozenset(asked),
            after=after,
            arrivals_after=min(arrivals, default=None),
            in_flight=in_flight,
        )
