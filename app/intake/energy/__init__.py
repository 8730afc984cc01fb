"""What measurements come to: energy and power over spans, by one rule for all that reports them."""

from app.intake.energy.anomalies import Anomaly, AnomalyLog
from app.intake.energy.measured import MeasuredEnergy
from app.intake.energy.registers import Counted, counted
from app.intake.energy.resource import (
    UNMEASURED,
    MeterLimits,
    ResourceSeries,
    SpanEnergy,
    net_parts,
    sign_of,
)
from app.intake.energy.steps import LONG_AGO_US, Steps, new_steps, newest_us

__all__ = [
    "LONG_AGO_US",
    "UNMEASURED",
    "Anomaly",
    "AnomalyLog",
    "Counted",
    "MeasuredEnergy",
    "MeterLimits",
    "ResourceSeries",
    "SpanEnergy",
    "Steps",
    "counted",
    "net_parts",
    "new_steps",
    "newest_us",
    "sign_of",
]
