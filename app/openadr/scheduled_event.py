"""An event with the times that it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from app.openadr.timeline import Timeline, implied_timeline
from app.openadr.wire import Event


@dataclass(frozen=True, kw_only=True)
class ScheduledEvent:
    """Owns the timeline of an event, which is laid out once, when it is first asked for.

    Safe for several threads: at worst it is laid out twice, and alike.
    """

    event: Event
    first_seen: datetime
    """Aware UTC: when an event begins that says no start."""

    def draw(self, place: int) -> float:
        """What randomizeStart draws for the interval in this place: from -1, the earliest start,
        to 1. Here the latest, as nobody in particular draws."""
        del place
        return 1.0

    @cached_property
    def timeline(self) -> Timeline:
        """Its intervals."""
        return Timeline(self.event, first_seen=self.first_seen, draw=self.draw)

    @cached_property
    def implied_timeline(self) -> Timeline | None:
        """The intervals that an event without any implies (User Guide 7.5); None: none."""
        return implied_timeline(self.event, first_seen=self.first_seen, draw=self.draw)

    def has_transpired(self, now: datetime) -> bool:
        """Whether it is over. One without an end is not."""
        end = self.timeline.end
        return end is not None and end <= now
