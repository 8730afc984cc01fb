"""Files of meter readings: how they are read, by profiles."""

from app.intake.files.arrays import write_parquet
from app.intake.files.columns import moment
from app.intake.files.fields import FIELDS, FieldReader, SeriesFields, field_rows
from app.intake.files.profile import Profile, profile, profiles
from app.intake.files.reader import MeterFile
from app.intake.files.rows import number_of, refuse_negative

__all__ = [
    "FIELDS",
    "FieldReader",
    "MeterFile",
    "Profile",
    "SeriesFields",
    "field_rows",
    "moment",
    "number_of",
    "profile",
    "profiles",
    "refuse_negative",
    "write_parquet",
]
