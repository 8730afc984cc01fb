"""How fast an order may change: ramps, and least times on and off. Never a release."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.actuation.order import DesiredState, Order
from app.actuation.sites import Pace

RAMP_STEP = timedelta(seconds=10)
"""Between two orders of a ramp."""


def paced(
    desired: DesiredState, before: Order | None, pace: Pace, baseline_kw: float, now: datetime
) -> tuple[DesiredState, datetime | None]:
    """What may be asked now, on the way to what is desired, and when the next step may follow.

    None: it is all that is desired.
    """
    target_kw = desired.setpoint_kw
    if target_kw is None:
        return desired, None
    is_first = before is None or before.desired is None or before.desired.setpoint_kw is None
    if is_first or before is None or before.desired is None:
        from_kw, since = baseline_kw, now - RAMP_STEP
    else:
        from_kw, since = before.desired.setpoint_kw or 0.0, before.issued_at
        if since > now:  # the clock was ahead
            since = now - RAMP_STEP
        least = pace.min_on if before.is_on else pace.min_off
        if desired.is_on != before.is_on and before.switched_at <= now < before.switched_at + least:
            return _held(desired, from_kw), before.switched_at + least
    if not pace.ramp_kw_per_min or target_kw == from_kw:
        return desired, None
    if now - since < RAMP_STEP:
        return _held(desired, from_kw), since + RAMP_STEP
    step_kw = pace.ramp_kw_per_min * (RAMP_STEP / timedelta(minutes=1))
    if abs(target_kw - from_kw) <= step_kw:
        return desired, None
    next_kw = from_kw + (step_kw if target_kw > from_kw else -step_kw)
    return _held(desired, round(next_kw, 3)), now + RAMP_STEP


def _held(desired: DesiredState, setpoint_kw: float) -> DesiredState:
    """Short of what is desired: a limit that is desired with it does not contradict it."""
    most_kw, most_export_kw = desired.import_limit_kw, desired.export_limit_kw
    return replace(
        desired,
        setpoint_kw=setpoint_kw,
        import_limit_kw=None if most_kw is None else max(most_kw, setpoint_kw),
        export_limit_kw=None if most_export_kw is None else max(most_export_kw, -setpoint_kw),
    )
