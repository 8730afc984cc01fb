"""What the log knows in memory, beside a plain list of what is there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from app.readings.index import Entry, LogIndex, StoredSize

VENS = "AB"
below = st.integers(0, 12)
instants_us = st.integers(0, 9)
"""Not in the order of the numbers: clocks are set."""


@dataclass
class Plain:
    """The same as lists of what is there."""

    frames: list[Entry] = field(default_factory=list)
    slices: list[tuple[str, Entry]] = field(default_factory=list)

    def append(self, taken_at_us: int, roster_id: int) -> Entry:
        newest = max((frame.seq for frame in self.frames), default=0)
        entry = Entry(seq=newest + 1, taken_at_us=taken_at_us, roster_id=roster_id, bytes=10)
        self.frames.append(entry)
        return entry

    def move_out(self, ven_name: str, through: int) -> list[Entry]:
        done = max((entry.seq for name, entry in self.slices if name == ven_name), default=0)
        moved = [entry for entry in self.frames if done < entry.seq <= through]
        self.slices += [(ven_name, entry) for entry in moved]
        return moved

    def remove_frames(self, seq: int, before_us: int | None) -> None:
        """All but the newest, which no log removes while it may number another."""
        newest = self.frames[-1:]
        self.frames = [
            frame
            for frame in self.frames[:-1]
            if frame.seq >= seq or (before_us is not None and frame.taken_at_us >= before_us)
        ] + newest

    def remove_slices(self, floors: dict[str, int]) -> None:
        self.slices = [slice_ for slice_ in self.slices if slice_[1].seq >= floors[slice_[0]]]

    def of_ven(self, ven_name: str, after: int, through: int) -> Counter[int]:
        mine = [entry for name, entry in self.slices if name == ven_name]
        sliced = max((entry.seq for entry in mine), default=0)
        entries = mine + [entry for entry in self.frames if entry.seq > sliced]
        return Counter(entry.roster_id for entry in entries if after < entry.seq <= through)

    def sizes(self) -> list[StoredSize]:
        """By its number: of each instant, the bytes together."""
        entries = {entry.seq: entry for entry in self.frames}
        entries |= {entry.seq: entry for _, entry in self.slices}
        bytes_ = Counter(seq for seq in [frame.seq for frame in self.frames])
        bytes_.update(entry.seq for _, entry in self.slices)
        return [
            StoredSize(seq, entries[seq].taken_at_us, 10 * bytes_[seq]) for seq in sorted(entries)
        ]


def changed(data: st.DataObject) -> tuple[LogIndex, Plain]:
    """Both, after the same changes."""
    index, plain = LogIndex(), Plain()
    for change in data.draw(st.lists(st.sampled_from(("frame", "move", "prune", "slices")))):
        if change == "frame":
            entry = plain.append(data.draw(instants_us), data.draw(st.integers(1, 3)))
            index.frames.append(entry)
        elif change == "move":
            ven_name = data.draw(st.sampled_from(VENS))
            for entry in plain.move_out(ven_name, data.draw(below)):
                index.append_slice(ven_name, entry)
        elif change == "prune" and plain.frames:
            seq = min(data.draw(below), plain.frames[-1].seq)
            before_us = data.draw(st.none() | instants_us)
            plain.remove_frames(seq, before_us)
            index.frames.remove(seq, before_us)
        elif change == "slices":
            floors = {name: data.draw(below) for name in VENS}
            plain.remove_slices(floors)
            index.remove_slices(floors.__getitem__)
    return index, plain


@given(st.data())
def test_the_index_knows_what_a_list_of_all_would_say(data: st.DataObject) -> None:
    index, plain = changed(data)

    assert index.sizes() == plain.sizes()
    assert index.bytes == 10 * (len(plain.frames) + len(plain.slices))
    assert index.newest_seq == max((frame.seq for frame in plain.frames), default=0)
    assert index.oldest_seq == min((frame.seq for frame in plain.frames), default=0)
    firsts = [[entry for name, entry in plain.slices if name == ven][:1] for ven in VENS]
    oldest = [first.taken_at_us for first in sum(firsts, plain.frames[:1])]
    assert index.oldest_us == min(oldest, default=None)


@given(st.data(), st.sampled_from(VENS), below, below)
def test_frames_are_counted_by_roster(
    data: st.DataObject, ven_name: str, after: int, through: int
) -> None:
    index, plain = changed(data)

    assert index.of_ven(ven_name, after, through) == plain.of_ven(ven_name, after, through)


@given(st.data(), instants_us)
def test_frames_are_found_by_their_instants(data: st.DataObject, instant_us: int) -> None:
    index, plain = changed(data)

    before = [frame.seq for frame in plain.frames if frame.taken_at_us < instant_us]
    after = [frame.taken_at_us for frame in plain.frames if frame.taken_at_us > instant_us]
    assert index.frames.last_before(instant_us) == max(before, default=0)
    assert index.frames.instants_after(instant_us) == after


@given(st.data(), st.fixed_dictionaries(dict.fromkeys(VENS, below)))
def test_only_vens_with_slices_below_their_number_are_passed(
    data: st.DataObject, floors: dict[str, int]
) -> None:
    index, plain = changed(data)

    passed = {name for name, entry in plain.slices if entry.seq < floors[name]}
    assert set(index.vens_with_slices_below(floors.__getitem__)) == passed
