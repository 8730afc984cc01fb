"""Which readings are there, without the readings."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.readings.roster import Roster


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Which readings are there, without the readings: to count what is owed."""

    frames: Sequence[tuple[Roster, Sequence[int]]]
    """Each roster with the numbers of its frames, rising."""
    slices: Mapping[str, Sequence[tuple[Roster, Sequence[int]]]] = field(default_factory=dict)

    def readings(
        self,
        ven_name: str,
        after: int,
        through: int | None,
        *,
        sliced: int,
        width: Callable[[Sequence[str]], int] = len,
    ) -> int:
        """How many of one VEN stand above one frame's number, up to another's.

        `sliced`: the number up to which its readings stand in slices. `width`: how many readings
        the resources of these names make at an instant.
        """
        in_slices = sum(
            width(roster.names(ven_name)) * _between(seqs, after, through)
            for roster, seqs in self.slices.get(ven_name, ())
        )
        return in_slices + sum(
            width(roster.names(ven_name)) * _between(seqs, max(after, sliced), through)
            for roster, seqs in self.frames
        )


def _between(seqs: Sequence[int], after: int, through: int | None) -> int:
    last = len(seqs) if through is None else bisect_right(seqs, through)
    return max(last - bisect_right(seqs, after), 0)
