"""Readings of real meters: what comes, in which form, and what is kept of it."""

from app.intake.container import IntakeContainer
from app.intake.energy import (
    LONG_AGO_US,
    Anomaly,
    AnomalyLog,
    MeasuredEnergy,
    MeterLimits,
    ResourceSeries,
    SpanEnergy,
    net_parts,
    new_steps,
    newest_us,
    sign_of,
)
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
from app.intake.influx_query import InfluxPages, InfluxQuery
from app.intake.intake import Intake
from app.intake.latest import Latest, LatestMeasured
from app.intake.measured_power import MeasuredPower
from app.intake.measurement import (
    END_US,
    HOUR_US,
    Direction,
    Measurements,
    MeterName,
    Quality,
    Quantity,
    Receipt,
    Refusal,
    Refusals,
    SeriesKey,
    in_us,
)
from app.intake.meters import KnownMeters, Metered, Meters
from app.intake.sources import Source
from app.intake.sources_file import DEFAULT_FILE, SourcesFile
from app.intake.status import IntakeStats, SourceStatus, SourceStatuses
from app.intake.store import (
    NO_ROWS,
    NOT_TOLD,
    TELL,
    ArrivalCounts,
    ArrivalLog,
    Arrivals,
    Arrived,
    ChangedSeries,
    KnownSeries,
    Rows,
    SeriesName,
    is_same_as_before,
    pack,
    unpack,
)
from app.intake.topics import message_profiles
from app.intake.unknown import EVERY_SOURCE, UnknownDevices

__all__ = [
    "DEFAULT_FILE",
    "END_US",
    "EVERY_SOURCE",
    "FIELDS",
    "HOUR_US",
    "LONG_AGO_US",
    "NOT_TOLD",
    "NO_ROWS",
    "TELL",
    "Anomaly",
    "AnomalyLog",
    "ArrivalCounts",
    "ArrivalLog",
    "Arrivals",
    "Arrived",
    "ChangedSeries",
    "ClockInDoubt",
    "Direction",
    "Exports",
    "ImportRequest",
    "ImportResult",
    "Importer",
    "InfluxPages",
    "InfluxQuery",
    "Intake",
    "IntakeContainer",
    "IntakeFull",
    "IntakeServerError",
    "IntakeStats",
    "KnownMeters",
    "KnownSeries",
    "Latest",
    "LatestMeasured",
    "MeasuredEnergy",
    "MeasuredPower",
    "Measurements",
    "MeterFileError",
    "MeterLimits",
    "MeterName",
    "Metered",
    "Meters",
    "Quality",
    "Quantity",
    "Receipt",
    "Refusal",
    "Refusals",
    "ResourceSeries",
    "Rows",
    "SeriesKey",
    "SeriesName",
    "Source",
    "SourceStatus",
    "SourceStatuses",
    "SourcesError",
    "SourcesFile",
    "SpanEnergy",
    "UnknownDevices",
    "in_us",
    "is_same_as_before",
    "message_profiles",
    "net_parts",
    "new_steps",
    "newest_us",
    "pack",
    "profile",
    "profiles",
    "sign_of",
    "unpack",
    "write_parquet",
]
