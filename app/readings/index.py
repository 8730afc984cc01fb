"""What the log holds, without the readings: kept in memory, so that asking costs no query."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One frame of the log, or a VEN's part of it."""

    seq: int
    taken_at_us: int
    roster_id: int
    bytes: int
    """What it takes in the store, about."""


class LogIndex:
    """The frames of the log, and by VEN the slices that were moved out of it, in rising order.

    Not safe for threads: the log guards it.
    """

    def __init__(
        self, frames: Iterable[Entry] = (), slices: Mapping[str, Iterable[Entry]] | None = None
    ) -> None:
        self.bytes = 0
        """What frames and slices take, about."""
        self._frames: list[Entry] = []
        self._seqs: list[int] = []
        self._earliest_from_us: list[int] = []
        """By place: the earliest instant of this frame and all later ones. It never falls."""
        self._of_roster: dict[int, list[int]] = {}
        self._slices: dict[str, list[Entry]] = {}
        for entry in frames:
            self.append(entry)
        for ven_name, entries in (slices or {}).items():
            self._slices[ven_name] = list(entries)
            self.bytes += sum(entry.bytes for entry in self._slices[ven_name])

    @property
    def oldest_seq(self) -> int:
        """The oldest frame's number; 0 when there is none."""
        return self._seqs[0] if self._seqs else 0

    @property
    def newest_seq(self) -> int:
        """The newest frame's number; 0 when there is none."""
        return self._seqs[-1] if self._seqs else 0

    @property
    def oldest_us(self) -> int | None:
        """When the oldest frame or slice was taken; None when there is none."""
        firsts = [entries[0] for entries in (self._frames, *self._slices.values()) if entries]
        return min((entry.taken_at_us for entry in firsts), default=None)

    def append(self, entry: Entry) -> None:
        """A frame with a number above all others."""
        self._frames.append(entry)
        self._seqs.append(entry.seq)
        self._of_roster.setdefault(entry.roster_id, []).append(entry.seq)
        self.bytes += entry.bytes
        earliest = self._earliest_from_us
        earliest.append(entry.taken_at_us)
        place = len(earliest) - 2
        while place >= 0 and earliest[place] > entry.taken_at_us:  # the clock was set back
            earliest[place] = entry.taken_at_us
            place -= 1

    def last_before(self, instant_us: int) -> int:
        """The number of the last frame taken before the instant; 0 if there is none."""
        place = bisect_left(self._earliest_from_us, instant_us)
        return self._seqs[place - 1] if place else 0

    def taken_after(self, instant_us: int) -> list[int]:
        """The instants of the frames that are dated later."""
        return [entry.taken_at_us for entry in self._frames if entry.taken_at_us > instant_us]

    def by_roster(self, after: int, through: int | None = None) -> dict[int, int]:
        """How many frames there are above a number, up to another, by their roster's row."""
        return {
            roster_id: count
            for roster_id, seqs in self._of_roster.items()
            if (count := _between(seqs, after, through))
        }

    def of_ven(self, ven_name: str, after: int, through: int | None = None) -> dict[int, int]:
        """The same of one VEN: slices as far as they go, and frames above that."""
        entries = self._slices.get(ven_name)
        if not entries:
            return self.by_roster(after, through)
        found = self.by_roster(max(after, entries[-1].seq), through)
        for entry in entries:
            if entry.seq > after and (through is None or entry.seq <= through):
                found[entry.roster_id] = found.get(entry.roster_id, 0) + 1
        return found

    def sliced_through(self) -> dict[str, int]:
        """For each VEN with slices: the number up to which its readings stand in them."""
        return {name: entries[-1].seq for name, entries in self._slices.items()}

    def by_age(self) -> list[Entry]:
        """All frames and slices, by their numbers."""
        slices = (entry for entries in self._slices.values() for entry in entries)
        return sorted((*self._frames, *slices), key=lambda entry: entry.seq)

    def with_slices(self, slices: Mapping[str, Iterable[Entry]]) -> LogIndex:
        """When these were copied out of frames, by VEN, above what was copied before."""
        new = {name: [*self._slices.get(name, ()), *entries] for name, entries in slices.items()}
        return LogIndex(self._frames, {**self._slices, **new})

    def has_frames(self, below: int, before_us: int | None = None) -> bool:
        """Whether there are frames below a number that were taken before the instant."""
        older = self._frames[: bisect_left(self._seqs, below)]
        return any(before_us is None or entry.taken_at_us < before_us for entry in older)

    def without_frames(self, below: int, before_us: int | None = None) -> LogIndex:
        """When these are removed."""

        def goes(entry: Entry) -> bool:
            return entry.seq < below and (before_us is None or entry.taken_at_us < before_us)

        return LogIndex([entry for entry in self._frames if not goes(entry)], self._slices)

    def passed_slices(self, floor: Callable[[str], int]) -> list[str]:
        """The VENs with slices below their number."""
        return [name for name, entries in self._slices.items() if entries[0].seq < floor(name)]

    def without_slices(self, floor: Callable[[str], int]) -> LogIndex:
        """When the slices below each VEN's number are removed."""
        kept = {
            name: [entry for entry in entries if entry.seq >= floor(name)]
            for name, entries in self._slices.items()
        }
        return LogIndex(self._frames, {name: entries for name, entries in kept.items() if entries})


def _between(seqs: list[int], after: int, through: int | None) -> int:
    last = len(seqs) if through is None else bisect_right(seqs, through)
    return max(last - bisect_right(seqs, after), 0)
