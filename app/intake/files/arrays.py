"""Reads Parquet and HDF5; both need the extra `files`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from app.intake.errors import MeterFileError
from app.intake.files.fields import FIELDS
from app.intake.files.rows import BLOCK_ROWS
from app.intake.measurement import (
    END_US,
    FIRST_US,
    HOUR_US,
    Direction,
    Measurements,
    MeterName,
    Quality,
    Quantity,
    Refusals,
    SeriesKey,
)


@contextmanager
def _extra(package: str) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise MeterFileError(
            f"it needs the package {package}: pip install 'ven-fleet[files]'"
        ) from None


def parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """A row for each of the file, by the names of `FIELDS`. MeterFileError: it is no Parquet."""
    with _extra("pyarrow"):
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    number = 0
    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            unknown = [name for name in names if name not in FIELDS]
            if unknown:
                raise MeterFileError(f"unknown column {unknown[0][:40]!r}; see {', '.join(FIELDS)}")
            for batch in file.iter_batches(batch_size=BLOCK_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: _cell(cell) for name, cell in row.items()}
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, MeterFileError):
            raise
        raise MeterFileError(f"it is no Parquet that can be read: {_line(error)}") from None


def write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    """Write rows of `FIELDS`; how many. MeterFileError: the extra `files` is missing."""
    with _extra("pyarrow"):
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    instant = pyarrow.timestamp("us", tz="UTC")
    kinds = {"start": instant, "end": instant, "value": pyarrow.float64()}
    names = [name for name in FIELDS if name not in ("device", "meter_point_id")]
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in names])
    count = 0
    with ParquetWriter(path, schema) as writer:
        while block := list(islice(rows, BLOCK_ROWS)):
            for row in block:
                for name in ("start", "end"):
                    row[name] = datetime.fromisoformat(row[name]) if row[name] else None
            writer.write_table(pyarrow.Table.from_pylist(block, schema))
            count += len(block)
    return count


def _cell(cell: Any) -> Any:
    """Instants of the file as text; what Parquet calls NaN was not measured."""
    if isinstance(cell, datetime):
        return cell.isoformat()
    return None if isinstance(cell, float) and cell != cell else cell


def hdf5_loads(path: Path, refusals: Refusals) -> Iterator[Measurements]:
    """Of meters/meter_ID/load_N/power, rows of (unix seconds, W): mean power over an hour.

    The device is ID/N. The refused are named by the row's place in its load, counted from 1.
    """
    with _extra("h5py"):
        import h5py
    try:
        with h5py.File(path, "r") as file:
            meters = file.get("meters")
            if not isinstance(meters, h5py.Group):
                raise MeterFileError("there is no group 'meters'")
            for meter in sorted(meters):
                for load in sorted(meters[meter]):
                    device = f"{meter.removeprefix('meter_')}/{load.removeprefix('load_')}"
                    power = meters[meter][load].get("power")
                    if power is None or power.ndim != 2 or power.shape[1] != 2:
                        refusals.add(0, device, "there is no table 'power' of two columns")
                        continue
                    for begin in range(0, power.shape[0], BLOCK_ROWS):
                        rows = np.asarray(power[begin : begin + BLOCK_ROWS], dtype=np.float64)
                        yield _hours(device, begin, rows, refusals)
    except (OSError, RuntimeError, KeyError, AttributeError, ValueError) as error:
        if isinstance(error, MeterFileError):
            raise
        raise MeterFileError(f"it is no HDF5 that can be read: {_line(error)}") from None


def _hours(device: str, begin: int, rows: Any, refusals: Refusals) -> Measurements:
    at_s, watts = rows[:, 0], rows[:, 1]
    lines = np.arange(begin + 1, begin + 1 + len(rows), dtype=np.int64)
    absent = np.isnan(watts)
    dated = (at_s >= FIRST_US / 1e6) & (at_s < END_US / 1e6)
    possible = np.isfinite(watts)
    refusals.add_each(lines[~absent & ~dated], f"{device}: it is no time of a measurement")
    refusals.add_each(lines[~absent & dated & ~possible], f"{device}: it is no number that can be")
    start_us = np.round(np.where(dated, at_s, 0) * 1e6).astype(np.int64)
    return Measurements(
        keys=[SeriesKey(MeterName(device=device), Quantity.POWER, Direction.NET)],
        key=np.zeros(len(rows), dtype=np.int64),
        start_us=start_us,
        end_us=start_us + HOUR_US,
        value=watts / 1000,
        quality=np.full(len(rows), Quality.OK, dtype=np.int8),
        code=np.zeros(len(rows), dtype=np.int64),
        lines=lines,
    ).only(possible & dated)


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]
