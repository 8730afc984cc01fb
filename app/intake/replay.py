"""Real series for the simulator to follow: the power of each device in each quarter of a year."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.intake.errors import MeterFileError
from app.intake.files import MeterFile, profile
from app.intake.measurement import (
    HOUR_US,
    Direction,
    Measurements,
    Quantity,
    SeriesKey,
    together,
)

logger = logging.getLogger(__name__)
Float32 = npt.NDArray[np.float32]
QUARTER_US = HOUR_US // 4
YEAR_QUARTERS = 365 * 96
MAX_INSTANT_US = HOUR_US
"""How long an instant's power holds, until the next one."""
BY_SUFFIX = {".csv": "csv", ".parquet": "parquet", ".h5": "energydesk-h5", ".hdf5": "energydesk-h5"}
"""The profile of a file, where none is named."""


def load_replay(path: Path | None, profile_name: str) -> Mapping[str, Float32]:
    """By device: kW in each quarter of a year, positive consumes; nothing where there is no file.

    A quarter that the file does not have gets what stands a day, or days, before it. Blank
    `profile_name`: by the suffix of the file. MeterFileError.
    """
    if path is None:
        return {}
    name = profile_name or BY_SUFFIX.get(path.suffix.lower(), "")
    if not name:
        raise MeterFileError(f"{path}: SIMULATOR__REPLAY_PROFILE has to say how it is read")
    file = MeterFile(path, profile(name), device=path.stem)
    blocks = list(file.read())
    if file.refusals.count:
        raise MeterFileError(f"{path}: {file.refusals.first[0]}")
    if not blocks:
        raise MeterFileError(f"{path}: there is no measurement in it")
    found: dict[str, npt.NDArray[np.float64]] = {}
    values = together(blocks)
    for place, key in enumerate(values.keys):
        power_kw = _quarters(key, values.only(values.key == place))
        if power_kw is not None:
            device = str(key.meter)
            before = found.get(device)
            found[device] = power_kw if before is None else _sum(before, power_kw)
    logger.info("the simulator follows %d series of %s", len(found), path)
    return {device: _filled(power_kw) for device, power_kw in found.items()}


def _quarters(key: SeriesKey, values: Measurements) -> npt.NDArray[np.float64] | None:
    """The net power of one series in each quarter of a year; NaN: it has none. None: no power."""
    if key.quantity not in (Quantity.POWER, Quantity.ENERGY, Quantity.REGISTER):
        return None
    order = np.argsort(values.start_us, kind="stable")
    start_us, end_us, value = (
        column[order] for column in (values.start_us, values.end_us, values.value)
    )
    if key.quantity is Quantity.REGISTER:
        value = np.diff(value) / np.maximum(np.diff(start_us), 1) * HOUR_US
        start_us, end_us = start_us[:-1], start_us[1:]
        start_us, end_us, value = (column[value >= 0] for column in (start_us, end_us, value))
    elif key.quantity is Quantity.ENERGY:
        value = value / np.maximum(end_us - start_us, 1) * HOUR_US
    else:
        lasts_us = np.minimum(np.diff(start_us, append=start_us[-1:] + HOUR_US), MAX_INSTANT_US)
        end_us = np.where(end_us == start_us, start_us + lasts_us, end_us)
    if not len(value):
        return None
    quarters = np.arange(int(start_us[0]) // QUARTER_US, int(end_us.max()) // QUARTER_US + 1)
    middle_us = quarters * QUARTER_US + QUARTER_US // 2
    at = np.searchsorted(start_us, middle_us, side="right") - 1
    there = (at >= 0) & (middle_us < end_us[np.maximum(at, 0)])
    sign = -1.0 if key.direction is Direction.EXPORT else 1.0
    of_year = np.full(YEAR_QUARTERS, np.nan)
    of_year[_of_the_year(middle_us[there])] = sign * value[at[there]]
    return of_year


def _of_the_year(instants_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Which quarter of its year each is in, UTC; the last day of a leap year is the first one."""
    instants = instants_us.astype("datetime64[us]")
    begins = instants.astype("datetime64[Y]").astype("datetime64[us]")
    return np.asarray((instants - begins).astype(np.int64) // QUARTER_US % YEAR_QUARTERS)


def _sum(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where only one is known, that one."""
    both = np.nan_to_num(one) + np.nan_to_num(other)
    return np.where(np.isnan(one) & np.isnan(other), np.nan, both)


def _filled(power_kw: npt.NDArray[np.float64]) -> Float32:
    """With a value in each quarter."""
    by_day = power_kw.reshape(-1, 96)
    for _ in range(len(by_day)):
        missing = np.isnan(by_day)
        if not missing.any():
            break
        by_day = np.where(missing, np.roll(by_day, 1, axis=0), by_day)
    filled = by_day.reshape(-1)
    return np.where(np.isnan(filled), np.nanmean(power_kw), filled).astype(np.float32)
