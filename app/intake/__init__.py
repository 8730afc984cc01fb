"""Readings of real meters: what comes, in which form, and what is kept of it."""

from app.intake.container import IntakeContainer
from app.intake.errors import (
    ClockInDoubt,
    IntakeFull,
    IntakeServerError,
    MeterFileError,
    SourcesError,
)
from app.intake.exports import Exports
from app.intake.files import FIELDS, profile, profiles, write_parquet
from app.intake.importer import Importer, ImportRequest, ImportResult
from app.intake.intake import Intake
from app.intake.measurement import (
    Direction,
    Measurements,
    MeterName,
    Quality,
    Quantity,
    Receipt,
    Refusal,
    Refusals,
    SeriesKey,
)
from app.intake.meters import Meters
from app.intake.sources import Source, SourcesFile
from app.intake.status import SourceStatus, SourceStatuses
from app.intake.unknown import EVERY_SOURCE, UnknownDevices

__all__ = [
    "EVERY_SOURCE",
    "FIELDS",
    "ClockInDoubt",
    "Direction",
    "Exports",
    "ImportRequest",
    "ImportResult",
    "Importer",
    "Intake",
    "IntakeContainer",
    "IntakeFull",
    "IntakeServerError",
    "Measurements",
    "MeterFileError",
    "MeterName",
    "Meters",
    "Quality",
    "Quantity",
    "Receipt",
    "Refusal",
    "Refusals",
    "SeriesKey",
    "Source",
    "SourceStatus",
    "SourceStatuses",
    "SourcesError",
    "SourcesFile",
    "UnknownDevices",
    "profile",
    "profiles",
    "write_parquet",
]
