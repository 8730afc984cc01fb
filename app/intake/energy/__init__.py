"""What measurements come to: energy and power over spans, by one rule for all that reports them."""

from app.intake.energy.measured import MeasuredEnergy
from app.intake.energy.oddities import Oddity, OddityLog
from app.intake.energy.registers import Counted, counted
from app.intake.energy.resource import (
    SIGN,
    UNMEASURED,
    MeterLimits,
    ResourceSeries,
    SpanEnergy,
    counting,
    sign_of,
    ways,
)
from app.intake.energy.steps import Steps, new_steps, newest_us

__all__ = [
    "SIGN",
    "UNMEASURED",
    "Counted",
    "MeasuredEnergy",
    "MeterLimits",
    "Oddity",
    "OddityLog",
    "ResourceSeries",
    "SpanEnergy",
    "Steps",
    "counted",
    "counting",
    "new_steps",
    "newest_us",
    "sign_of",
    "ways",
]
