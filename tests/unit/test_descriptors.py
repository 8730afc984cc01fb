"""How many connections there may be, of the files and connections that the system allows."""

from __future__ import annotations

import pytest

from app.platform.descriptors import RESERVE, Descriptors, Limits


class System:
    """Allows so much; refuses, as macOS does, what is above `most`."""

    def __init__(self, soft: int, hard: int, *, most: int = 1 << 20) -> None:
        self.limits: Limits = (soft, hard)
        self._most = most

    def set(self, limits: Limits) -> None:
        if limits[0] > self._most:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = limits

    def room_for(self, connections: int) -> int:
        found = Descriptors(read=lambda: self.limits, set_=self.set)
        return found.room_for(connections)


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "room", "soft_after"),
    [
        (1_024, 524_288, 1_050, 1_050, 1_050 + RESERVE),
        (1_024, 524_288, 100, 100, 1_024),
        (256, 524_288, 0, 0, RESERVE),
        (1_024, 1_024, 1_050, 1_024 - RESERVE, 1_024),
        (512, 512, 1_050, 0, 512),
        (1_024, 1 << 20, 100_000, 65_536 - RESERVE, 65_536),
        (1_024, -1, 5_000, 5_000, 5_000 + RESERVE),
        (-1, -1, 5_000, 5_000, -1),
        (70_000, 70_000, 100_000, 70_000 - RESERVE, 70_000),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_it_is_needed(
    soft: int, hard: int, wanted: int, room: int, soft_after: int
) -> None:
    system = System(soft, hard)

    assert system.room_for(wanted) == room
    assert system.limits == (soft_after, hard)


def test_a_system_that_refuses_leaves_what_there_was() -> None:
    system = System(1_024, 524_288, most=1_024)

    assert system.room_for(1_050) == 1_024 - RESERVE
    assert system.limits == (1_024, 524_288)
