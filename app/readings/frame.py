"""The readings of one instant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt

from app.readings.detail import FrameDetail
from app.readings.roster import Roster, column_map, realign

ROW_BYTES = 64
"""What a row takes beside its arrays, about."""
NO_DETAIL = FrameDetail()
PowerKw = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """The power of every approved resource at one instant."""

    taken_at: datetime
    """Aware UTC at microsecond resolution, by the clock; no two frames have the same."""
    profile_index: int
    """Where in the source's data the frame stands; -1 where there is no such thing."""
    roster: Roster
    power_kw: PowerKw
    """As measured, one value per column of the roster, whatever was commanded; positive consumes,
    negative exports; NaN: no reading."""
    detail: FrameDetail = NO_DETAIL
    """What stands beside the power."""
    seq: int = 0
    """The number that the store gave it, which rises whatever the clock does; 0: not stored."""

    @property
    def readings(self) -> int:
        """How many powers it holds."""
        if self.detail.metered is None:
            return self.roster.size
        return int(np.count_nonzero(~np.isnan(self.power_kw)))

    @cached_property
    def simulated_kw(self) -> PowerKw:
        """`power_kw` without what real meters measure, which has times of its own."""
        return self.only_simulated(self.power_kw)

    def only_simulated(self, values: PowerKw) -> PowerKw:
        """NaN in the columns of real meters."""
        metered = self.detail.metered
        return values if metered is None else np.where(metered == 1, np.float32(np.nan), values)

    def on(self, roster: Roster) -> Frame:
        """The same instant in the columns of another roster; NaN for who was not metered."""
        where = column_map(self.roster, roster)
        nothing = np.full(roster.size, np.nan, dtype=np.float32)
        base, metered = self.detail.baseline_kw, self.detail.metered
        return Frame(
            taken_at=self.taken_at,
            profile_index=self.profile_index,
            roster=roster,
            power_kw=realign(self.power_kw, where, nothing),
            detail=FrameDetail(
                baseline_kw=None if base is None else realign(base, where, nothing),
                metered=None
                if metered is None
                else (realign(metered.astype(np.float32), where, nothing) == 1).astype(np.int8),
            ),
            seq=self.seq,
        )

    def powers(self, ven_name: str) -> list[tuple[str, float]]:
        """The power of each resource of a VEN, by name."""
        powers = self.power_kw[self.roster.columns(ven_name)].tolist()
        return list(zip(self.roster.names(ven_name), powers, strict=True))

    def total_kw(self) -> dict[str, float]:
        """The power of all resources together, by VEN."""
        return {
            ven_name: float(np.nansum(self.power_kw[self.roster.columns(ven_name)]))
            for ven_name in self.roster.ven_names
        }

    @property
    def baseline_kw(self) -> PowerKw:
        """What the power would have been without any event."""
        return self.power_kw if self.detail.baseline_kw is None else self.detail.baseline_kw

    @cached_property
    def packed_detail(self) -> bytes | None:
        """`detail` as it is stored."""
        return self.detail.pack()

    @property
    def stored_bytes(self) -> int:
        """What it takes in the store, about."""
        return self.power_kw.nbytes + len(self.packed_detail or b"") + ROW_BYTES


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The power of one resource at one instant."""

    resource_name: str
    taken_at: datetime
    power_kw: float


def bounded(frames: Iterable[Frame], *, most_bytes: int) -> list[Frame]:
    """At least two frames, for what lies between readings, then up to so many bytes."""
    taken: list[Frame] = []
    for frame in frames:
        taken.append(frame)
        most_bytes -= frame.power_kw.nbytes
        if most_bytes <= 0 and len(taken) >= 2:
            break
    return taken
