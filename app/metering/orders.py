"""What a tick has to know of opt-outs, and of orders to real devices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from app.readings import Roster

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class OrderColumns:
    """Opt-outs and orders, one array element per column."""

    is_opted_out: Bools
    baseline_kw: Float32
    """What it did before its first order; NaN: it is under none."""
    setpoint_kw: Float32
    """The set point that its device has acknowledged; NaN: none."""
    level: npt.NDArray[np.int8]
    """The SIMPLE level that its device has acknowledged; 0: none."""
    state: npt.NDArray[np.int8]
    """An OrderState."""

    @classmethod
    def none(cls, size: int) -> OrderColumns:
        """For so many columns, to be filled in."""
        return cls(
            is_opted_out=np.zeros(size, dtype=np.bool_),
            baseline_kw=np.full(size, np.nan, dtype=np.float32),
            setpoint_kw=np.full(size, np.nan, dtype=np.float32),
            level=np.zeros(size, dtype=np.int8),
            state=np.zeros(size, dtype=np.int8),
        )


@runtime_checkable
class KnowsOrders(Protocol):
    """Who looks after orders and opt-outs."""

    def of(self, roster: Roster, now: datetime) -> OrderColumns | None: ...

    def opted_out(self, roster: Roster, now: datetime) -> Bools | None: ...
