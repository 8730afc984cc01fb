"""The durable log of measurements."""

from app.intake.store.arrival_counts import ArrivalCounts
from app.intake.store.arrivals import ArrivalLog, Arrivals, Arrived, ChangedSeries
from app.intake.store.columns import (
    NO_ROWS,
    NOT_TOLD,
    ROW,
    TELL,
    Rows,
    Spans,
    is_same_as_before,
    last_of_each,
    pack,
    unpack,
)
from app.intake.store.compaction import Compaction
from app.intake.store.imports import Begun, Imports
from app.intake.store.judge import Judged
from app.intake.store.log import MeasurementLog
from app.intake.store.series import KnownSeries, SeriesName
from app.intake.store.session import Arrival, LogSession

__all__ = [
    "NOT_TOLD",
    "NO_ROWS",
    "ROW",
    "TELL",
    "Arrival",
    "ArrivalCounts",
    "ArrivalLog",
    "Arrivals",
    "Arrived",
    "Begun",
    "ChangedSeries",
    "Compaction",
    "Imports",
    "Judged",
    "KnownSeries",
    "LogSession",
    "MeasurementLog",
    "Rows",
    "SeriesName",
    "Spans",
    "is_same_as_before",
    "last_of_each",
    "pack",
    "unpack",
]
