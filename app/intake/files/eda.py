"""Reads consumption records of EDA (Austria, 01p41): XML, a row per energy position."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from app.intake.files.rows import Row
from app.intake.files.xml import ends_of, name_of

CODE = re.compile(r"\d+-\d+:(?P<direction>[12])\.9\.0(\s+P\.01)?")
"""OBIS: energy in the interval. Others, such as registers and shares, are skipped."""
DIRECTIONS = {"1": "IMPORT", "2": "EXPORT"}


def eda_rows(file: BinaryIO) -> Iterator[Row]:
    """A row per position. MeterFileError: it is no XML, or names entities."""
    device, code, unit, number = "", "", "", 0
    for event, element in ends_of(file, starts=True):
        name = name_of(element)
        if event == "start":
            if name == "EnergyData":
                code, unit = element.get("MeterCode", ""), element.get("UOM", "")
        elif name == "MeteringPoint":
            device = (element.text or "").strip()
        elif name == "EP":
            number += 1
            cells = {name_of(each): (each.text or "").strip() for each in element}
            yield (
                number,
                {
                    "device": device,
                    "direction": _direction(code),
                    "unit": unit,
                    "start": cells.get("DTF", ""),
                    "end": cells.get("DTT", ""),
                    "value": cells.get("BQ", ""),
                    "quality": cells.get("MM", ""),
                },
            )
            element.clear()


def _direction(code: str) -> str:
    found = CODE.fullmatch(code.strip())
    return code if found is None else DIRECTIONS[found["direction"]]
