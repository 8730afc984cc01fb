"""What the log holds, without the readings: kept in memory, so that asking costs no query."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One frame of the log, or a VEN's part of it."""

    seq: int
    taken_at_us: int
    roster_id: int
    bytes: int
    """What it takes in the store, about."""


class StoredSize(NamedTuple):
    """What is stored of one instant: the frame, slices of it, or both."""

    seq: int
    taken_at_us: int
    bytes: int


class Entries:
    """Frames, or the slices of one VEN, in rising order: columns, without an object for each."""

    def __init__(self) -> None:
        self.bytes = 0
        """What all take in the store, about."""
        self.seqs = array("q")
        self._taken_at_us = array("q")
        self._bytes = array("q")
        self._roster_start_seqs = array("q")
        """The first sequence number of each of `_rosters`."""
        self._rosters = array("q")

    def __len__(self) -> int:
        return len(self.seqs)

    @property
    def first_us(self) -> int:
        """When the first was taken."""
        return self._taken_at_us[0]

    def append(self, entry: Entry) -> None:
        """One with a number above all others."""
        self.seqs.append(entry.seq)
        self._taken_at_us.append(entry.taken_at_us)
        self._bytes.append(entry.bytes)
        self.bytes += entry.bytes
        if not self._rosters or self._rosters[-1] != entry.roster_id:
            self._roster_start_seqs.append(entry.seq)
            self._rosters.append(entry.roster_id)

    def last_before(self, instant_us: int) -> int:
        """The number of the last one taken before the instant; 0 if there is none."""
        (places,) = np.nonzero(_numbers(self._taken_at_us) < instant_us)
        return self.seqs[places[-1]] if places.size else 0

    def instants_after(self, instant_us: int) -> list[int]:
        """The instants that are later."""
        instants = _numbers(self._taken_at_us)
        later: list[int] = instants[instants > instant_us].tolist()
        return later

    def by_roster(self, after: int, through: int | None = None) -> Counter[int]:
        """How many have a sequence number above one, up to another, by the id of their roster."""
        counts: Counter[int] = Counter()
        place = bisect_right(self.seqs, after)
        last = len(self.seqs) if through is None else bisect_right(self.seqs, through)
        run = bisect_right(self._roster_start_seqs, self.seqs[place]) if place < last else 0
        while place < last:  # `run` is the next one
            ends = run == len(self._roster_start_seqs)
            end = last if ends else min(bisect_left(self.seqs, self._roster_start_seqs[run]), last)
            counts[self._rosters[run - 1]] += end - place
            place, run = end, run + 1
        return counts

    def sizes(self) -> Iterable[StoredSize]:
        """What each takes in the store."""
        return map(StoredSize, self.seqs, self._taken_at_us, self._bytes)

    def has(self, below: int, before_us: int | None = None) -> bool:
        """Whether some have a lower sequence number and, if `before_us` is given, are older."""
        return bool(self._places(below, before_us).size)

    def remove(self, below: int, before_us: int | None = None) -> None:
        """Remove those with a lower sequence number that, if `before_us` is given, are older."""
        going = self._places(below, before_us)
        self.bytes -= int(_numbers(self._bytes)[going].sum())
        for column in (self.seqs, self._taken_at_us, self._bytes):
            column[:] = array("q", np.delete(_numbers(column), going).tobytes())
        left = bisect_right(self._roster_start_seqs, self.seqs[0]) - 1 if self.seqs else None
        for column in (self._roster_start_seqs, self._rosters):
            del column[:left]

    def _places(self, below: int, before_us: int | None) -> npt.NDArray[np.intp]:
        end = bisect_left(self.seqs, below)
        if before_us is None:
            return np.arange(end)
        return np.nonzero(_numbers(self._taken_at_us)[:end] < before_us)[0]


class LogIndex:
    """The frames of the log, and by VEN the slices that were moved out of it.

    Not safe for threads: the log guards it.
    """

    def __init__(self) -> None:
        self.frames = Entries()
        self._slices: dict[str, Entries] = {}

    @property
    def bytes(self) -> int:
        """What frames and slices take in the store, about."""
        return self.frames.bytes + sum(slices.bytes for slices in self._slices.values())

    @property
    def oldest_seq(self) -> int:
        """The oldest frame's number; 0 when there is none."""
        return self.frames.seqs[0] if self.frames else 0

    @property
    def newest_seq(self) -> int:
        """The newest frame's number; 0 when there is none."""
        return self.frames.seqs[-1] if self.frames else 0

    @property
    def oldest_us(self) -> int | None:
        """When the oldest frame or slice was taken; None when there is none."""
        all_ = (self.frames, *self._slices.values())
        return min((entries.first_us for entries in all_ if entries), default=None)

    def append_slice(self, ven_name: str, entry: Entry) -> None:
        """One of this VEN's, with a number above all of its others."""
        self._slices.setdefault(ven_name, Entries()).append(entry)

    def of_ven(self, ven_name: str, after: int, through: int | None = None) -> Mapping[int, int]:
        """How many frames there are for one VEN above a number, up to another, by their roster.

        Slices as far as they go, and frames above that.
        """
        slices = self._slices.get(ven_name)
        if slices is None:
            return self.frames.by_roster(after, through)
        above = self.frames.by_roster(max(after, slices.seqs[-1]), through)
        return slices.by_roster(after, through) + above

    def sliced_through(self) -> dict[str, int]:
        """For each VEN with slices: the number up to which its readings stand in them."""
        return {name: slices.seqs[-1] for name, slices in self._slices.items()}

    def sizes(self) -> list[StoredSize]:
        """What is stored, by its number."""
        by_seq = {entry.seq: entry for entry in self.frames.sizes()}
        for slices in self._slices.values():
            for seq, taken_at_us, bytes_ in slices.sizes():
                beside = by_seq[seq].bytes if seq in by_seq else 0
                by_seq[seq] = StoredSize(seq, taken_at_us, beside + bytes_)
        return [by_seq[seq] for seq in sorted(by_seq)]

    def vens_with_slices_below(self, floor: Callable[[str], int]) -> list[str]:
        """The VENs that have slices below the number that `floor` gives them."""
        return [name for name, slices in self._slices.items() if slices.has(floor(name))]

    def remove_slices(self, floor: Callable[[str], int]) -> None:
        """Remove the slices below the number that `floor` gives each VEN."""
        for name in self.vens_with_slices_below(floor):
            self._slices[name].remove(floor(name))
            if not self._slices[name]:
                del self._slices[name]


def _numbers(column: array[int]) -> npt.NDArray[np.int64]:
    """The same memory: while somebody has it, the column cannot grow."""
    return np.frombuffer(column, dtype=np.int64) if column else np.empty(0, np.int64)
