"""What a tick makes of what resources were asked to do, and of what real meters say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from app.control import ControlResult, ResourceArrays
from app.intake import Latest
from app.metering.orders import OrderColumns
from app.readings import Frame, FrameDetail

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What real meters measured last, one array element per column; NaN: nothing fresh."""

    is_metered: npt.NDArray[np.bool_]
    power_kw: Float32
    stored_kwh: Float32

    @classmethod
    def of(cls, resources: ResourceArrays, latest: Latest) -> Measured:
        """What is in a store is its energy, or a share of what it holds."""
        room_kwh = resources.store_max_kwh - resources.store_min_kwh
        by_share = resources.store_min_kwh + latest.charge_percent / 100 * room_kwh
        stored_kwh = np.where(np.isnan(latest.stored_kwh), by_share, latest.stored_kwh)
        return cls(
            is_metered=resources.is_metered,
            power_kw=latest.power_kw.astype(np.float32),
            stored_kwh=stored_kwh.astype(np.float32),
        )

    def taken_up(self, shape_kw: Float32, stored_kwh: Float32) -> tuple[Float32, Float32]:
        """What resources do without events, and what they store, with what is measured of them."""
        is_known = self.is_metered & ~np.isnan(self.power_kw)
        is_stored = self.is_metered & ~np.isnan(self.stored_kwh)
        return (
            np.where(is_known, self.power_kw, shape_kw),
            np.where(is_stored, self.stored_kwh, stored_kwh),
        )


def made_frame(
    resources: ResourceArrays,
    result: ControlResult,
    measured: Measured | None,
    orders: OrderColumns | None,
    *,
    taken_at: datetime,
    profile_index: int,
) -> Frame:
    """Simulated resources do what they are asked to, to a watt; of real ones stands what their
    meters say, and what their devices have acknowledged. `measured`: None where none is real;
    `orders`: None where nothing is asked of any device, and nobody has opted out."""
    power_kw = np.round(result.commanded_kw, 3)
    baseline_kw = np.round(result.baseline_kw, 3)
    stored_kwh = np.where(resources.has_store, result.stored_kwh, np.float32(np.nan))
    setpoint_kw, level = result.setpoint_kw, result.level
    if measured is not None:
        is_real = measured.is_metered
        power_kw = np.where(is_real, measured.power_kw, power_kw)
        before_kw = measured.power_kw
        if orders is not None:
            before_kw = np.where(np.isnan(orders.baseline_kw), before_kw, orders.baseline_kw)
        baseline_kw = np.where(is_real, before_kw, baseline_kw)
        setpoint_kw = np.where(
            is_real, np.float32(np.nan) if orders is None else orders.setpoint_kw, setpoint_kw
        )
        level = np.where(is_real, 0 if orders is None else orders.level, level).astype(np.int8)
        stored_kwh = np.where(is_real, measured.stored_kwh, stored_kwh)
    is_usual = np.array_equal(baseline_kw, power_kw, equal_nan=measured is not None)
    return Frame(
        taken_at=taken_at,
        profile_index=profile_index,
        roster=resources.roster,
        power_kw=power_kw,
        detail=FrameDetail(
            baseline_kw=None if is_usual else baseline_kw,
            stored_kwh=stored_kwh if resources.has_store.any() else None,
            setpoint_kw=None if np.isnan(setpoint_kw).all() else setpoint_kw,
            level=level if level.any() else None,
            metered=None if measured is None else measured.is_metered.astype(np.int8),
            order=orders.state if orders is not None and orders.state.any() else None,
        ),
    )
