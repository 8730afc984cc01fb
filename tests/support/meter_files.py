"""Files of meter readings as tests write them, and what is read of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.intake.files import MeterFile, Profile, profile
from app.intake.files.columns import Columns
from app.intake.measurement import Measurements, Refusal, Refusals, together

HOUR = timedelta(hours=1)
NOTHING = Columns(Refusals()).take(is_last=True)
GENERIC = {
    "about": "a test",
    "format": "csv",
    "device": "device",
    "times": {"start": "start", "end": "end"},
    "values": [
        {"column": "kwh", "quantity": "ENERGY", "direction": "IMPORT", "unit": "KWH"},
    ],
}


@dataclass
class Read:
    """What was read of a file that holds one series."""

    values: Measurements
    refusals: list[Refusal]


def read(text: str, name: str = "", block_rows: int = 1000, **changed: object) -> Read:
    chosen = profile(name) if name else Profile.read({**GENERIC, **changed}, "test")
    path = Path("meters.csv")
    path.write_text(text)
    file = MeterFile(path, chosen, device="m-1", block_rows=block_rows)
    found = list(file.read())
    values = together(found) if found else NOTHING
    return Read(values, file.refusals.first)


def starts(found: Read) -> list[datetime]:
    return [datetime.fromtimestamp(us / 1e6, UTC) for us in found.values.start_us.tolist()]
