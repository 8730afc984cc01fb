"""Quantities that the readings of one instant determine: a function for each.

A payload type of your own is one more function here, and two lines in `requests/quantities.py`
(docs/extend/payload-type.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from app.control import IDLE_KW
from app.readings import FrameDetail, OrderState
from app.reporting.requests import Quantity

Numbers = npt.NDArray[Any]
"""One value per resource; NaN, or None among words: no value."""


def nothing(power_kw: Numbers) -> Numbers:
    """No value for any of these resources."""
    return np.full(len(power_kw), np.nan, dtype=np.float32)


def setpoints_kw(power_kw: Numbers, detail: FrameDetail) -> Numbers:
    """The set points that are active."""
    return nothing(power_kw) if detail.setpoint_kw is None else detail.setpoint_kw


def levels(power_kw: Numbers, detail: FrameDetail) -> Numbers:
    """The SIMPLE levels that are active; 0 where there is none."""
    return np.zeros(len(power_kw), dtype=np.int64) if detail.level is None else detail.level


def states(power_kw: Numbers, detail: FrameDetail) -> Numbers:
    """Operating states (3.1.0 enumerations): what is done, against what would have been done.

    Of a real device, what it has acknowledged decides whether it does less or more than it would,
    and its meter whether it runs; without a fresh measurement there is no value.
    """
    baseline_kw = power_kw if detail.baseline_kw is None else detail.baseline_kw
    orders = np.zeros(len(power_kw), dtype=np.int8) if detail.order is None else detail.order
    is_real = np.zeros(len(power_kw), dtype=np.bool_)
    if detail.metered is not None:
        is_real = detail.metered == 1
    is_less = np.where(is_real, orders == OrderState.CURTAILED, power_kw < baseline_kw - IDLE_KW)
    is_more = np.where(is_real, orders == OrderState.HEIGHTENED, power_kw > baseline_kw + IDLE_KW)
    idle = np.abs(power_kw) < IDLE_KW
    states = np.full(len(power_kw), "NORMAL", dtype=object)
    for which, word in (
        (is_less, "CURTAILED"),
        (is_more, "HEIGHTENED"),
        (orders == OrderState.OPTED_OUT, "OPTED_OUT"),
    ):
        states[which & ~idle] = f"RUNNING_{word}"
        states[which & idle] = f"IDLE_{word}"
    states[orders == OrderState.UNANSWERED] = "ERROR"
    states[np.isnan(power_kw)] = None
    return states


OF_FRAME: Mapping[Quantity, Callable[[Numbers, FrameDetail], Numbers]] = {
    Quantity.INSTANT_POWER: lambda power_kw, _: power_kw,
    Quantity.SETPOINT: setpoints_kw,
    Quantity.LEVEL: levels,
    Quantity.STATE: states,
}
"""Of a VEN's powers in kW, and of what stands beside them: one value per resource."""
