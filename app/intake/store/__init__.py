"""The durable log of measurements."""

from app.intake.store.columns import NOT_TOLD, ROW, Rows
from app.intake.store.compaction import Compaction
from app.intake.store.imports import Begun, Imports
from app.intake.store.judge import Judged
from app.intake.store.log import MeasurementLog
from app.intake.store.series import SeriesName
from app.intake.store.session import Arrival, LogSession

__all__ = [
    "NOT_TOLD",
    "ROW",
    "Arrival",
    "Begun",
    "Compaction",
    "Imports",
    "Judged",
    "LogSession",
    "MeasurementLog",
    "Rows",
    "SeriesName",
]
