"""Files of meter readings: how they are read, by profiles."""

from app.intake.files.arrays import write_parquet
from app.intake.files.fields import FIELDS, FieldReader, SeriesFields, field_rows
from app.intake.files.profile import Profile, profile, profiles
from app.intake.files.reader import MeterFile

__all__ = [
    "FIELDS",
    "FieldReader",
    "MeterFile",
    "Profile",
    "SeriesFields",
    "field_rows",
    "profile",
    "profiles",
    "write_parquet",
]
