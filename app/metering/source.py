"""Where readings come from, and who makes room for them."""

from __future__ import annotations

from typing import Protocol

from app.readings import Frame


class MeterSource(Protocol):
    """What a tick gets its frame from: the simulator, or real meters."""

    def next_frame(self) -> Frame:
        """The next reading of every approved resource, not yet stored."""


class Room(Protocol):
    """What looks after the size of the store of readings."""

    def make_room(self, frame_bytes: int) -> None:
        """Before a frame of this size is stored. StoreFull when there is to be none."""
