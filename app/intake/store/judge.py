"""What is new among measurements that came: repeated, corrected, overlapping, or taken."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from app.intake.measurement import Bools, Int64
from app.intake.store.columns import CORRECTS, Rows, is_same_as_before


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What becomes of the rows that came."""

    rows: Rows
    """To be stored, in order; those that correct what was there say so."""
    taken: int
    repeated: int
    corrected: int
    overlapping: Int64
    """Which of those that came are refused: part of their time is measured already."""


def judge(came: Rows, known: Rows) -> Judged:
    """`came`: in the order in which they came; `known`: what is there of the same times, in order.

    A row whose series, start and end are there is repeated where value and quality are the same,
    and a correction otherwise. An interval that overlaps another one of its series is refused.
    """
    rows = np.concatenate((known, came))
    place = np.arange(len(rows)) - len(known)
    order = np.lexsort((rows["end"], rows["start"], rows["series"]))
    rows, place = rows[order], place[order]
    same = is_same_as_before(rows)
    overlapping = _overlapping(rows, place, same)
    if len(overlapping):
        kept = ~np.isin(place, overlapping)
        rows, place, same = rows[kept], place[kept], is_same_as_before(rows[kept])
    came_now = place >= 0
    unchanged = np.zeros(len(rows), dtype=np.bool_)
    unchanged[1:] = (
        same[1:]
        & (rows["value"][1:] == rows["value"][:-1])
        & (rows["quality"][1:] == rows["quality"][:-1])
    )
    repeated = came_now & unchanged
    corrected = came_now & same & ~unchanged
    taken = came_now & ~same
    changes = np.flatnonzero(corrected | taken)
    group = np.cumsum(~same)
    last = np.ones(len(changes), dtype=np.bool_)
    last[:-1] = group[changes][1:] != group[changes][:-1]
    stored = rows[changes[last]]
    was_there = np.zeros(int(group[-1]) + 1 if len(group) else 1, dtype=np.bool_)
    was_there[group[~came_now]] = True
    first = np.flatnonzero(~same)
    came_first = rows[first[group[changes[last]] - 1]]
    stored["seq"] = came_first["seq"]
    stored["flags"] = came_first["flags"] & ~np.uint8(CORRECTS)
    stored["flags"] |= np.where(was_there[group[changes[last]]], CORRECTS, 0).astype(np.uint8)
    return Judged(
        rows=stored,
        taken=int(taken.sum()),
        repeated=int(repeated.sum()),
        corrected=int(corrected.sum()),
        overlapping=overlapping,
    )


def _overlapping(rows: Rows, place: Int64, same: Bools) -> Int64:
    """Which of those that came; of two that came, the later one."""
    lasting = np.flatnonzero((rows["end"] > rows["start"]) & ~same)
    spans = rows[lasting]
    crossing = np.zeros(len(spans), dtype=np.bool_)
    crossing[1:] = (spans["series"][1:] == spans["series"][:-1]) & (
        spans["start"][1:] < spans["end"][:-1]
    )
    refused: list[int] = []
    for series in np.unique(spans["series"][crossing]).tolist():
        of_series = np.flatnonzero((rows["series"] == series) & (rows["end"] > rows["start"]))
        accepted: list[tuple[int, int]] = []
        for at in of_series[np.argsort(place[of_series], kind="stable")].tolist():
            span = int(rows["start"][at]), int(rows["end"][at])
            where = bisect_left(accepted, span)
            if where < len(accepted) and accepted[where] == span:
                continue
            before = where > 0 and accepted[where - 1][1] > span[0]
            after = where < len(accepted) and accepted[where][0] < span[1]
            if place[at] >= 0 and (before or after):
                refused.append(int(place[at]))
            else:
                accepted.insert(where, span)
    return np.array(sorted(refused), dtype=np.int64)
