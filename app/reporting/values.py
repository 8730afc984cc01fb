"""What a span of frames comes to for one VEN: the values of one quantity, by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from app.metering import Frame
from app.reporting.requests import Quantity


@dataclass(frozen=True, kw_only=True, eq=False)
class Values:
    """The values of one VEN that one frame makes due."""

    seq: int
    """The frame's number."""
    start: datetime
    duration: timedelta
    """Zero for an instant."""
    quoted_names: Sequence[bytes]
    """The resources' names as JSON strings, in the order of the VEN's columns."""
    numbers: npt.NDArray[np.floating]
    """One per name, in the unit of the quantity; NaN: no value."""


def values_of(
    quantity: Quantity, ven_name: str, frames: Sequence[Frame], after: int
) -> Iterator[Values]:
    """The values of the frames numbered above `after`, oldest first.

    A quantity between two readings needs the frame before: the first of `frames` is only that,
    unless its number is above `after`. The power between two readings is taken as linear, so that
    the energies of the parts of a span add up to the energy of the whole.
    """
    before: Frame | None = None
    for frame in frames:
        if frame.seq > after:
            names = frame.roster.quoted_names(ven_name)
            if quantity is Quantity.INSTANT_POWER:
                yield Values(
                    seq=frame.seq,
                    start=frame.taken_at,
                    duration=timedelta(0),
                    quoted_names=names,
                    numbers=frame.power_kw[frame.roster.columns(ven_name)],
                )
            elif before is not None:
                duration = frame.taken_at - before.taken_at
                mean_kw = (_earlier_kw(ven_name, before, frame) + _kw(ven_name, frame)) / 2
                if quantity is Quantity.ENERGY:
                    mean_kw *= duration / timedelta(hours=1)
                yield Values(
                    seq=frame.seq,
                    start=before.taken_at,
                    duration=duration,
                    quoted_names=names,
                    numbers=mean_kw,
                )
        before = frame


def _kw(ven_name: str, frame: Frame) -> npt.NDArray[np.float64]:
    return frame.power_kw[frame.roster.columns(ven_name)].astype(np.float64)


def _earlier_kw(ven_name: str, before: Frame, frame: Frame) -> npt.NDArray[np.float64]:
    """The powers of `before` in the columns of `frame`; NaN for a resource that it had not."""
    earlier = _kw(ven_name, before)
    names, earlier_names = frame.roster.names(ven_name), before.roster.names(ven_name)
    if names == earlier_names:
        return earlier
    by_name = dict(zip(earlier_names, earlier.tolist(), strict=True))
    return np.array([by_name.get(name, np.nan) for name in names])
